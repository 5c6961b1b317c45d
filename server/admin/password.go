package admin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The cost of a hash: argon2id with 19 MiB, two passes and one lane, the
// smallest of the settings that OWASP recommends as equal. Larger memory would
// be no stronger against the guessing that the waits already stop, and two
// hashes at once must fit beside everything else into 256 MB.
const (
	hashTime    = 2
	hashMemory  = 19 * 1024 // KiB
	hashThreads = 1
	hashSalt    = 16 // bytes
	hashLength  = 32 // bytes
)

// HashBytes is what hashing a password takes, in bytes.
const HashBytes = hashMemory << 10

// maxPassword bounds what is hashed, in bytes.
const maxPassword = 1024

// hashPassword returns the hash of password in the usual text form, which
// carries its parameters, so that they can be raised later.
func hashPassword(password string) string {
	salt := make([]byte, hashSalt)
	rand.Read(salt) // never fails
	sum := argon2.IDKey([]byte(password), salt, hashTime, hashMemory, hashThreads, hashLength)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, hashMemory, hashTime, hashThreads,
		b64.EncodeToString(salt), b64.EncodeToString(sum))
}

// checkPassword reports whether hash was made from password. It takes the same
// time for every wrong password. A hash in another form is an error.
func checkPassword(hash, password string) (bool, error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, fmt.Errorf("the kept password hash has an unknown form")
	}
	var version int
	var memory, passes uint32
	var threads uint8
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false, fmt.Errorf("the kept password hash has an unknown version")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads); err != nil || memory > 1<<20 || passes == 0 || threads == 0 {
		return false, fmt.Errorf("the kept password hash has unknown parameters")
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, fmt.Errorf("read the kept password's salt: %w", err)
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) == 0 {
		return false, fmt.Errorf("the kept password hash cannot be read")
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// wordAlphabet has no letters or digits that are easily taken for another.
const wordAlphabet = "abcdefghjkmnpqrstuvwxyz23456789"

// makePassword makes a password of about 79 bits that can be typed on a phone:
// four groups of four.
func makePassword() string {
	groups := make([]string, 4)
	for i := range groups {
		var b strings.Builder
		for b.Len() < 4 {
			// Bytes beyond the largest multiple of the alphabet are drawn
			// again, so that every letter is equally likely.
			var one [1]byte
			rand.Read(one[:])
			if int(one[0]) < 256-256%len(wordAlphabet) {
				b.WriteByte(wordAlphabet[int(one[0])%len(wordAlphabet)])
			}
		}
		groups[i] = b.String()
	}
	return strings.Join(groups, "-")
}

// verify checks password against the kept hash, which it returns, at most as
// many at the same time as Options.AtOnce. It waits for its turn until ctx
// ends. A stranger, who is not known to have signed in before, waits behind at
// most maxHashQueue others, and for a place that is not kept for those who are:
// many addresses with a try each would keep the owner waiting otherwise.
func (a *Admin) verify(ctx context.Context, password string, known bool) (hash string, ok bool, err error) {
	if len(password) > maxPassword {
		return "", false, nil
	}
	if !known {
		defer a.hashing.Add(-1)
		if a.hashing.Add(1) > maxHashQueue {
			return "", false, ErrBusy
		}
		leave, err := enter(ctx, a.strangers)
		if err != nil {
			return "", false, err
		}
		defer leave()
	}
	leave, err := enter(ctx, a.turns)
	if err != nil {
		return "", false, err
	}
	defer leave()
	<-a.settled
	a.mu.Lock()
	a.refreshLocked()
	hash = a.hash
	a.mu.Unlock()
	charge := a.options.Memory.Open(netip.Addr{}, nil)
	defer charge.Close()
	if charge.Hold(HashBytes) != nil {
		return "", false, ErrBusy
	}
	ok, err = checkPassword(hash, password)
	return hash, ok, err
}

// enter takes one of the places, or waits for it until ctx ends. leave gives it back.
func enter(ctx context.Context, places chan struct{}) (leave func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
