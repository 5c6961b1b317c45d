package admin

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"podium/protocol/budget"
	"podium/protocol/limits"
)

// Names of what the store keeps for this package.
const (
	settingPassword = "admin.password"
	settingSessions = "admin.sessions"
	settingKey      = "admin.key"
)

const (
	// maxSessions bounds sessions and tokens; beyond it the session that was
	// used longest ago ends. Tokens are not ended for others.
	maxSessions = 500
	// maxAge is how long a session lasts even when it is used all the time.
	maxAge = 30 * 24 * time.Hour
	// lastSeenStep is how stale the kept LastSeen may be.
	lastSeenStep = 10 * time.Minute
	// maxHashQueue is how many passwords may wait to be hashed.
	maxHashQueue = 64
	// minPassword is the shortest password that may be chosen, in bytes.
	minPassword = 8
)

// Options say how admins sign in.
type Options struct {
	// Password rules when it is not empty; the kept one rules otherwise.
	Password string
	// KeepPassword leaves the password alone, even where there is none: for
	// commands that only make tokens.
	KeepPassword bool
	// SessionAge is how long a session lasts without being used; 0 is a week.
	SessionAge time.Duration
	// AtOnce is how many passwords are hashed at the same time; 0 is 2.
	AtOnce int
	// Memory is charged for passwords while they are hashed; nil charges nothing.
	Memory *budget.Share
	// FailuresPerMinute is how many wrong passwords of everybody are taken
	// before those who failed before have to wait; 0 is no such limit.
	FailuresPerMinute float64
	// Shared says that other processes use the store as well.
	Shared bool
	// Now is the clock that ages are taken by, also those of sessions that an earlier
	// process made; nil is time.Now.
	Now func() time.Time
	// Logger takes what an operator should know; nil discards it.
	Logger *slog.Logger
}

// Admin keeps the password and the sessions. It is safe for concurrent use.
type Admin struct {
	store    Store
	options  Options
	log      *slog.Logger
	now      func() time.Time
	failures *failures
	key      []byte // signs device cookies

	// A place for each password hashed at once, and for each of those that is a stranger's. Who needs both takes strangers
	// first, so that one place is left to browsers that signed in before.
	turns, strangers chan struct{}

	hashing atomic.Int64 // strangers' passwords being hashed or waiting for it
	failed  failedCounts

	// settled is closed when it is known which password rules. Nobody is let in
	// before.
	settled chan struct{}

	mu       sync.Mutex // guards the fields below, and is held while they are read from the store or saved
	hash     string
	sessions map[string]*Record // by hex of Record.Hash
	unread   error              // why sessions could not be read the last time; nil where they were
	kept     []byte             // the sessions as they are in the store
}

// New reads what store keeps. When there is neither a kept password nor
// Options.Password it makes one and returns it as made, the only time that it
// can be read. A password that differs from the kept one ends all sessions. Close waits
// for what New begins.
func New(store Store, options Options) (a *Admin, made string, err error) {
	if options.SessionAge <= 0 {
		options.SessionAge = 7 * 24 * time.Hour
	}
	if options.AtOnce <= 0 {
		options.AtOnce = 2
	}
	a = &Admin{store: store, options: options, log: options.Logger, now: options.Now,
		failures: newFailures(options.FailuresPerMinute), turns: make(chan struct{}, options.AtOnce), strangers: make(chan struct{}, max(1, options.AtOnce-1)),
		sessions: make(map[string]*Record), settled: make(chan struct{})}
	if a.now == nil {
		a.now = time.Now
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if err := a.load(); err != nil {
		return nil, "", err
	}
	kept, err := a.store.Setting(settingPassword)
	if err != nil {
		return nil, "", fmt.Errorf("read the admin password: %w", err)
	}
	a.hash = string(kept)
	if options.Password != "" && a.hash != "" && !options.KeepPassword {
		// Comparing takes as long as hashing, for which a restart shall not
		// keep everybody waiting: only admins wait for it.
		go a.replacePassword()
		return a, "", nil
	}
	defer close(a.settled)
	if options.KeepPassword {
		return a, "", nil
	}
	made, err = a.settlePassword()
	return a, made, err
}

// Close waits for what New began.
func (a *Admin) Close() { <-a.settled }

// replacePassword makes Options.Password the one that rules. Where the store
// does not take it, nobody signs in: the kept one was to be replaced.
func (a *Admin) replacePassword() {
	defer close(a.settled)
	if same, err := checkPassword(a.hash, a.options.Password); err == nil && same {
		return
	}
	if err := a.setPassword(a.options.Password, ""); err != nil {
		a.log.Error("the admin password could not be replaced; nobody can sign in", "error", err)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.hash = ""
		clear(a.sessions)
	}
}

// load reads the signing key and the sessions.
func (a *Admin) load() error {
	key := make([]byte, 32)
	rand.Read(key)
	var err error
	if a.key, err = a.store.EnsureSetting(settingKey, key); err != nil {
		return fmt.Errorf("keep the admin key: %w", err)
	}
	return a.readLocked() // nobody else has a yet
}

// readLocked reads the sessions as they are kept. mu must be held.
func (a *Admin) readLocked() error {
	data, err := a.store.Setting(settingSessions)
	if err != nil {
		return fmt.Errorf("read the admin sessions: %w", err)
	}
	if a.kept != nil && bytes.Equal(data, a.kept) {
		return nil
	}
	sessions, err := a.decode(data)
	if err != nil {
		return err
	}
	a.sessions, a.kept = sessions, data
	return nil
}

// refreshLocked reads what other processes may have changed, where there are
// any. Where the store cannot be read, what was read last goes on counting. mu
// must be held.
func (a *Admin) refreshLocked() {
	if !a.options.Shared {
		return
	}
	hash, err := a.store.Setting(settingPassword)
	if err == nil {
		a.hash = string(hash)
		err = a.readLocked()
	}
	if err != nil {
		a.log.Warn("the admin sessions could not be read; those already known still count", "error", err)
	}
	a.unread = err
}

// decode reads sessions, by hex of Record.Hash.
func (a *Admin) decode(data []byte) (map[string]*Record, error) {
	var list []*Record
	if len(data) > 0 {
		if err := json.Unmarshal(data, &list); err != nil {
			return nil, fmt.Errorf("read the admin sessions: %w", err)
		}
	}
	now := a.now()
	sessions := make(map[string]*Record, len(list))
	for _, s := range list {
		if s.Kind == KindSession {
			s.bound(now, a.options.SessionAge)
		}
		sessions[hex.EncodeToString(s.Hash)] = s
	}
	return sessions, nil
}

// settlePassword decides which password rules, where there is none to replace.
func (a *Admin) settlePassword() (made string, err error) {
	switch {
	case a.options.Password != "":
		return "", a.setPassword(a.options.Password, "")
	case a.hash != "":
		return "", nil
	}
	made = makePassword()
	hash := hashPassword(made)
	kept, err := a.store.EnsureSetting(settingPassword, []byte(hash))
	if err != nil {
		return "", fmt.Errorf("keep the admin password: %w", err)
	}
	if a.hash = string(kept); a.hash != hash {
		return "", nil // another process made one, and says so
	}
	return made, nil
}

// setPassword keeps the hash of password and ends every session but the one
// whose id is keep. Tokens stay: they are not made from the password.
//
// The sessions end first, and in the store too: where the process is killed in
// between, nobody is left signed in by a password that is none any more.
func (a *Admin) setPassword(password, keep string) error {
	hash := hashPassword(password)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refreshLocked()
	ended, err := a.endLocked(func(s *Record) bool { return s.Kind == KindSession && s.ID != keep })
	if err != nil {
		return err
	}
	if err := a.store.SaveSetting(settingPassword, []byte(hash)); err != nil {
		return fmt.Errorf("keep the admin password: %w", err)
	}
	a.hash = hash
	if ended > 0 {
		a.log.Info("the admin password changed", "sessionsEnded", ended)
	}
	return nil
}

// changeLocked changes the sessions as they are kept, and keeps the outcome.
// change may be called more than once. mu must be held.
func (a *Admin) changeLocked(change func(sessions map[string]*Record) error) error {
	var sessions map[string]*Record
	var data []byte
	err := a.store.ChangeSetting(settingSessions, func(kept []byte) (_ []byte, err error) {
		if sessions, err = a.decode(kept); err != nil {
			return nil, err
		}
		if err := change(sessions); err != nil {
			return nil, err
		}
		data, err = encode(sessions)
		return data, err
	})
	if err != nil {
		return fmt.Errorf("keep the admin sessions: %w", err)
	}
	a.sessions, a.kept = sessions, data
	return nil
}

func encode(sessions map[string]*Record) ([]byte, error) {
	list := make([]*Record, 0, len(sessions))
	for _, s := range sessions {
		list = append(list, s)
	}
	slices.SortFunc(list, func(x, y *Record) int { return int(x.CreatedAt - y.CreatedAt) })
	data, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("encode the admin sessions: %w", err)
	}
	return data, nil
}

// From is who tries to sign in.
type From struct {
	Address netip.Addr // the client's
	Device  string     // the value of its device cookie, if any
	Agent   string     // its User-Agent header
}

// key names From among those who fail. A browser that signed in before is
// known by its device cookie and counts on its own, so that somebody else's
// wrong passwords from the same address (a whole room can share one) don't
// keep the organiser out.
func (a *Admin) failureKey(from From) string {
	if id, ok := a.device(from.Device); ok {
		return "device " + id
	}
	return "address " + limits.Key(from.Address).String()
}

// around names the networks that an IPv6 address may be rotated within by whoever
// has it: its /56 and its /48. An IPv4 address is in none.
func around(addr netip.Addr) (networks []string) {
	if addr = addr.Unmap(); !addr.Is6() {
		return nil
	}
	for _, bits := range []int{56, 48} {
		if p, err := addr.WithZone("").Prefix(bits); err == nil {
			networks = append(networks, "network "+p.String())
		}
	}
	return networks
}

// SignIn begins a session when password is right and returns its secret, the
// value of the session cookie. Otherwise the error is ErrPassword, a
// *WaitError, ErrBusy or what went wrong.
func (a *Admin) SignIn(ctx context.Context, password string, from From) (secret string, session Session, err error) {
	hash, err := a.attempt(ctx, password, from)
	if err != nil {
		return "", Session{}, err
	}
	now := a.now()
	secret, record := newRecord(KindSession, now)
	record.ExpiresAt = now.Add(a.options.SessionAge).UnixMilli()
	if from.Address.IsValid() {
		record.Address = from.Address.String()
	}
	record.Agent = DescribeAgent(from.Agent)
	if err := a.add(record, hash); err != nil {
		return "", Session{}, err
	}
	return secret, record.Session, nil
}

// attempt checks password, counting it against from when it is wrong, and in the
// metrics. It returns the hash that password was checked against.
func (a *Admin) attempt(ctx context.Context, password string, from From) (hash string, err error) {
	hash, err = a.check(ctx, password, from)
	a.failed.count(err)
	return hash, err
}

// check is attempt without the metrics.
func (a *Admin) check(ctx context.Context, password string, from From) (hash string, err error) {
	key := a.failureKey(from)
	_, known := a.device(from.Device)
	var networks []string
	if !known {
		networks = around(from.Address)
	}
	wait, err := a.begin(key, networks)
	if err != nil {
		return "", fmt.Errorf("count the tries: %w", err)
	}
	if wait > 0 {
		return "", &WaitError{Wait: wait}
	}
	hash, ok, err := a.verify(ctx, password, known)
	if err != nil {
		return "", err
	}
	if !ok {
		a.wrong()
		a.log.Warn("a wrong password", "address", from.Address)
		return "", ErrPassword
	}
	a.right(key, networks)
	return hash, nil
}

// ChangePassword makes password the right one when current is, and ends all
// sessions but the one with the id keep.
func (a *Admin) ChangePassword(ctx context.Context, current, password, keep string, from From) error {
	if err := a.PasswordFits(password); err != nil {
		return err
	}
	if _, err := a.attempt(ctx, current, from); err != nil {
		return err
	}
	return a.setPassword(password, keep)
}

// FailedSignIns are passwords that let nobody in, by why, since the start.
type FailedSignIns struct {
	Password uint64 // it was wrong
	Wait     uint64 // it came before the wait for earlier wrong ones was over, and was not looked at
	Busy     uint64 // too many others were being checked
	Error    uint64 // it could not be checked: the store failed, or the client left
}

// FailedSignIns returns how many passwords let nobody in so far. Those count as well that
// were given as the current one when it was to be changed.
func (a *Admin) FailedSignIns() FailedSignIns {
	return FailedSignIns{Password: a.failed.password.Load(), Wait: a.failed.wait.Load(), Busy: a.failed.busy.Load(), Error: a.failed.other.Load()}
}

// failedCounts count FailedSignIns as they happen.
type failedCounts struct{ password, wait, busy, other atomic.Uint64 }

// count counts a try that ended with err, which is nil where it let somebody in.
func (f *failedCounts) count(err error) {
	var wait *WaitError
	switch {
	case err == nil:
	case errors.Is(err, ErrPassword):
		f.password.Add(1)
	case errors.As(err, &wait):
		f.wait.Add(1)
	case errors.Is(err, ErrBusy):
		f.busy.Add(1)
	default:
		f.other.Add(1)
	}
}

// sign returns the keyed hash of text.
func (a *Admin) sign(text string) []byte {
	mac := hmac.New(sha256.New, a.key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
