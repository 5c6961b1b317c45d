package admin

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// tokenPrefix begins every token, so that scanners for leaked secrets and
// people can tell what it is.
const tokenPrefix = "podium_"

// newRecord makes a session or token with a fresh secret.
func newRecord(kind string, now time.Time) (secret string, r *Record) {
	raw := make([]byte, 32)
	rand.Read(raw)
	secret = base64.RawURLEncoding.EncodeToString(raw)
	if kind == KindToken {
		secret = tokenPrefix + secret
	}
	id := make([]byte, 8)
	rand.Read(id)
	return secret, &Record{
		Session: Session{ID: hex.EncodeToString(id), Kind: kind, CreatedAt: now.UnixMilli(), LastSeen: now.UnixMilli()},
		Hash:    hashSecret(secret),
	}
}

// bound keeps a session that was made by a clock ahead of this one, as of a process
// before the clock was set, from lasting longer than one made now.
func (r *Record) bound(now time.Time, age time.Duration) {
	r.CreatedAt = min(r.CreatedAt, now.UnixMilli())
	r.LastSeen = min(r.LastSeen, now.UnixMilli())
	r.ExpiresAt = min(r.ExpiresAt, now.Add(age).UnixMilli())
}

func hashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// add keeps r, ending the session used longest ago when there are too many. It
// is ErrPassword where the password that r was made for, by its hash, was
// changed meanwhile; "" is none.
func (a *Admin) add(r *Record, hash string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refreshLocked()
	if hash != "" && hash != a.hash {
		return ErrPassword
	}
	return a.changeLocked(func(sessions map[string]*Record) error {
		a.expire(sessions)
		for len(sessions) >= maxSessions {
			oldest := ""
			for k, s := range sessions {
				if s.Kind == KindSession && (oldest == "" || s.LastSeen < sessions[oldest].LastSeen) {
					oldest = k
				}
			}
			if oldest == "" {
				return fmt.Errorf("there are %d tokens already; end some first", len(sessions))
			}
			delete(sessions, oldest)
		}
		sessions[hex.EncodeToString(r.Hash)] = r
		return nil
	})
}

// expire forgets sessions whose time is over.
func (a *Admin) expire(sessions map[string]*Record) {
	now := a.now().UnixMilli()
	for k, s := range sessions {
		if s.ExpiresAt != 0 && s.ExpiresAt <= now {
			delete(sessions, k)
		}
	}
}

// Session returns the session of a cookie's value or a token. Using a session
// puts off its end.
func (a *Admin) Session(secret string) (Session, bool) {
	if secret == "" || len(secret) > 128 {
		return Session{}, false
	}
	key := hex.EncodeToString(hashSecret(secret))
	now := a.now()
	<-a.settled
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refreshLocked()
	s, ok := a.sessions[key]
	if !ok {
		return Session{}, false
	}
	if s.ExpiresAt != 0 && s.ExpiresAt <= now.UnixMilli() {
		delete(a.sessions, key)
		return Session{}, false
	}
	if now.UnixMilli()-s.LastSeen >= lastSeenStep.Milliseconds() {
		return a.useLocked(key, now)
	}
	return s.Session, true
}

// useLocked notes that a session is used, which puts off its end. mu must be
// held.
func (a *Admin) useLocked(key string, now time.Time) (Session, bool) {
	used := *a.sessions[key]
	used.LastSeen = now.UnixMilli()
	if used.Kind == KindSession {
		used.ExpiresAt = min(now.Add(a.options.SessionAge).UnixMilli(), used.CreatedAt+maxAge.Milliseconds())
	}
	ended := false
	err := a.changeLocked(func(sessions map[string]*Record) error {
		if _, there := sessions[key]; !there {
			ended = true // by another process, a moment ago
			return nil
		}
		ended = false
		sessions[key] = &used
		return nil
	})
	if err != nil {
		// The session is good all the same; only its last use is not kept.
		a.log.Warn("an admin session's last use could not be recorded", "error", err)
		a.sessions[key] = &used
	}
	return used.Session, !ended
}

// Sessions lists sessions and tokens, the newest first.
func (a *Admin) Sessions() []Session {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refreshLocked()
	a.expire(a.sessions)
	list := make([]Session, 0, len(a.sessions))
	for _, s := range a.sessions {
		list = append(list, s.Session)
	}
	slices.SortFunc(list, func(x, y Session) int {
		if x.CreatedAt != y.CreatedAt {
			return int(y.CreatedAt - x.CreatedAt)
		}
		return strings.Compare(x.ID, y.ID)
	})
	return list
}

// End ends the session or token with this id.
func (a *Admin) End(id string) error {
	n, err := a.end(func(s *Record) bool { return s.ID == id })
	if err == nil && n == 0 {
		return ErrNoSession
	}
	return err
}

// EndAll ends every session and returns how many there were. Tokens stay.
func (a *Admin) EndAll() (int, error) {
	return a.end(func(s *Record) bool { return s.Kind == KindSession })
}

// end ends the sessions that match, and returns how many those were.
func (a *Admin) end(match func(*Record) bool) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refreshLocked()
	return a.endLocked(match)
}

// endLocked is end. mu must be held.
func (a *Admin) endLocked(match func(*Record) bool) (n int, err error) {
	for _, s := range a.sessions {
		if match(s) {
			n++
		}
	}
	if n == 0 {
		return 0, nil
	}
	err = a.changeLocked(func(sessions map[string]*Record) error {
		n = 0
		for k, s := range sessions {
			if match(s) {
				delete(sessions, k)
				n++
			}
		}
		return nil
	})
	return n, err
}

// MakeToken makes a token for scripts, called label, that lasts for age (0:
// for ever), and returns it: the only time that it can be read.
func (a *Admin) MakeToken(label string, age time.Duration) (token string, session Session, err error) {
	now := a.now()
	token, r := newRecord(KindToken, now)
	r.Label = label
	if age > 0 {
		r.ExpiresAt = now.Add(age).UnixMilli()
	}
	if err := a.add(r, ""); err != nil {
		return "", Session{}, err
	}
	return token, r.Session, nil
}

// NewDevice makes the value of a device cookie: a random id and its signature.
// It says only that somebody signed in with this browser once.
func (a *Admin) NewDevice() string {
	id := make([]byte, 12)
	rand.Read(id)
	text := hex.EncodeToString(id)
	return text + "." + base64.RawURLEncoding.EncodeToString(a.sign("device " + text)[:16])
}

// device returns the id in a device cookie that this server made.
func (a *Admin) device(value string) (id string, ok bool) {
	id, signature, ok := strings.Cut(value, ".")
	if !ok || len(id) != 24 {
		return "", false
	}
	got, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || !hmac.Equal(got, a.sign("device " + id)[:16]) {
		return "", false
	}
	return id, true
}
