// Package admin decides who is an admin: it keeps the password, the sessions
// that signing in begins, and the tokens that scripts use.
//
// Passwords, cookies and tokens come in; yes, no or "try again in n seconds"
// goes out. The package writes no answers to requests except cookies; routes
// and sentences belong to its callers.
//
// Several processes can share a store: what one of them changes is read and
// written in one step, and with Options.Shared each looks at what is kept
// whenever somebody shows a cookie, a token or a password, so that what one of
// them ended is over for all.
//
// Nothing that is kept lets anybody in: the password is kept as an argon2id
// hash, sessions and tokens by the SHA-256 of their 32 random bytes.
package admin

import (
	"errors"
	"time"
)

// Errors of signing in.
var (
	// ErrPassword means that the password is wrong.
	ErrPassword = errors.New("wrong password")
	// ErrBusy means that too many passwords are being hashed already.
	ErrBusy = errors.New("too many sign-ins at once")
	// ErrFixed means that the password is set outside and cannot be changed here.
	ErrFixed = errors.New("the password is set by ADMIN_PASSWORD")
	// ErrLength means that a new password is too short or too long.
	ErrLength = errors.New("a password has between 8 and 1024 characters")
	// ErrNoSession means that there is no session or token with that id.
	ErrNoSession = errors.New("no such session")
)

// WaitError means that this address failed too often and is to wait.
type WaitError struct{ Wait time.Duration }

func (e *WaitError) Error() string { return "too many wrong passwords; wait " + e.Wait.String() }

// Kinds of Session.
const (
	KindSession = "session" // begun by signing in, carried by a cookie
	KindToken   = "token"   // made by podium token, carried by Authorization
)

// Session is one way in: a browser that signed in, or a script's token.
type Session struct {
	ID        string `json:"id"` // names it in lists; opens nothing
	Kind      string `json:"kind"`
	Label     string `json:"label,omitempty"`   // what a token is for
	CreatedAt int64  `json:"createdAt"`         // ms since the epoch
	LastSeen  int64  `json:"lastSeen"`          // ms; written at most once in lastSeenStep
	ExpiresAt int64  `json:"expiresAt"`         // ms; 0: never
	Address   string `json:"address,omitempty"` // that signed in
	Agent     string `json:"agent,omitempty"`   // a word or two about the browser
}

// Record is a Session with the hash of its secret, as the store keeps it.
type Record struct {
	Session
	Hash []byte `json:"hash"` // SHA-256 of the secret
}

// Store keeps what must survive a restart. The contest's store has it.
type Store interface {
	// Setting returns the value kept under name, nil when there is none.
	Setting(name string) ([]byte, error)
	// SaveSetting keeps value under name; nil removes it.
	SaveSetting(name string, value []byte) error
	// EnsureSetting returns the value kept under name, and keeps value where there
	// is none.
	EnsureSetting(name string, value []byte) ([]byte, error)
	// ChangeSetting keeps what change makes of the value kept under name, with
	// nobody else in between. It may call change more than once.
	ChangeSetting(name string, change func(kept []byte) ([]byte, error)) error
}
