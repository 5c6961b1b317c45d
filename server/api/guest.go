package api

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"

	"podium/server/answer"
)

// maxGuestSecret is the longest secret that a phone is known by, in characters.
const maxGuestSecret = 64

// guestForm is the form of such a secret: long enough that nobody guesses one.
var guestForm = regexp.MustCompile(`^[A-Za-z0-9_-]{22,64}$`)

// guestSecret reports what is wrong with the secret of a phone; none is fine.
func guestSecret(secret string) error {
	if secret != "" && !guestForm.MatchString(secret) {
		return answer.Malformed("The field \"guest\" must hold 22 to %d letters, digits, - or _.", maxGuestSecret)
	}
	return nil
}

// guestOf is how the phone with that secret is known: who reads our data cannot
// do with it what the phone can. "" where there is none.
func guestOf(secret string) string {
	if secret == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:16])
}
