package admin

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// memory is a Store in memory.
type memory struct {
	mu     sync.Mutex
	values map[string][]byte
}

func (m *memory) Setting(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[name], nil
}

func (m *memory) SaveSetting(name string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[name] = value
	return nil
}

func (m *memory) EnsureSetting(name string, value []byte) ([]byte, error) {
	if kept, _ := m.Setting(name); kept != nil {
		return kept, nil
	}
	return value, m.SaveSetting(name, value)
}

func (m *memory) ChangeSetting(name string, change func([]byte) ([]byte, error)) error {
	kept, _ := m.Setting(name)
	value, err := change(kept)
	if err != nil {
		return err
	}
	return m.SaveSetting(name, value)
}

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newAdmin(t *testing.T, store *memory, o Options) (*Admin, string) {
	t.Helper()
	a, made, err := New(store, o)
	if err != nil {
		t.Fatal(err)
	}
	return a, made
}

func from(address string) From { return From{Address: netip.MustParseAddr(address)} }

func TestAPasswordIsMadeOnceAndOnlyItsHashIsKept(t *testing.T) {
	m := &memory{values: map[string][]byte{}}
	a, made := newAdmin(t, m, Options{})
	if len(made) < 16 {
		t.Fatalf("%q", made)
	}
	if _, again := newAdmin(t, m, Options{}); again != "" {
		t.Fatal("a second password was made")
	}
	secret, _, err := a.SignIn(context.Background(), made, from("1.1.1.1"))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range m.values {
		if strings.Contains(string(value), made) || strings.Contains(string(value), secret) {
			t.Errorf("%s holds a secret", name)
		}
	}
	if !strings.HasPrefix(string(m.values[settingPassword]), "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("%s", m.values[settingPassword])
	}
}

func TestAChangedPasswordEndsSessionsAndTokensStay(t *testing.T) {
	m := &memory{values: map[string][]byte{}}
	a, _ := newAdmin(t, m, Options{Password: "first one"})
	secret, _, err := a.SignIn(context.Background(), "first one", from("1.1.1.1"))
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := a.MakeToken("x", 0)
	if err != nil {
		t.Fatal(err)
	}
	same, _ := newAdmin(t, m, Options{Password: "first one"})
	if _, ok := same.Session(secret); !ok {
		t.Error("a restart ended the session")
	}
	changed, _ := newAdmin(t, m, Options{Password: "another one"})
	if _, ok := changed.Session(secret); ok {
		t.Error("the session outlived its password")
	}
	if _, ok := changed.Session(token); !ok {
		t.Error("the token ended")
	}
	if _, _, err := changed.SignIn(context.Background(), "first one", from("1.1.1.1")); !errors.Is(err, ErrPassword) {
		t.Error(err)
	}
}

func TestASessionOfAClockThatWasAheadLastsNoLongerThanOneOfNow(t *testing.T) {
	c, m := &clock{time.Date(2056, 1, 1, 0, 0, 0, 0, time.UTC)}, &memory{values: map[string][]byte{}}
	a, _ := newAdmin(t, m, Options{Password: "the password", SessionAge: 24 * time.Hour, Now: c.now})
	secret, _, _ := a.SignIn(context.Background(), "the password", from("1.1.1.1"))
	c.t = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) // it was set, and the server started again
	again, _ := newAdmin(t, m, Options{Password: "the password", SessionAge: 24 * time.Hour, Now: c.now})
	if _, ok := again.Session(secret); !ok {
		t.Error("the session ended")
	}
	c.t = c.t.Add(25 * time.Hour)
	if _, ok := again.Session(secret); ok {
		t.Error("the session lasts on, unused")
	}
}

func TestSessionsEndWhenUnusedAndAtTheLatestAfterAMonth(t *testing.T) {
	c := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	a, _ := newAdmin(t, &memory{values: map[string][]byte{}}, Options{Password: "the password", SessionAge: 24 * time.Hour, Now: c.now})
	unused, _, _ := a.SignIn(context.Background(), "the password", from("1.1.1.1"))
	used, _, _ := a.SignIn(context.Background(), "the password", from("1.1.1.1"))
	for hour := 0; hour < 24*31; hour += 12 {
		_, ok := a.Session(used)
		if want := hour < 24*30; ok != want {
			t.Fatalf("after %d hours of use: %v", hour, ok)
		}
		c.t = c.t.Add(12 * time.Hour)
	}
	if _, ok := a.Session(unused); ok {
		t.Error("the unused session did not end")
	}
	if len(a.Sessions()) != 0 {
		t.Error("ended sessions are listed")
	}
}

func TestWaitsGrowForWhoFailsAndNobodyElse(t *testing.T) {
	c := &clock{time.Unix(1_000_000, 0)}
	a, _ := newAdmin(t, &memory{values: map[string][]byte{}}, Options{Password: "the password", Now: c.now})
	ctx := context.Background()
	var last time.Duration
	waits := 0
	for range 16 {
		_, _, err := a.SignIn(ctx, "wrong", from("1.1.1.1"))
		var wait *WaitError
		if errors.As(err, &wait) {
			if wait.Wait < last || wait.Wait > maxWait {
				t.Fatalf("after %v comes %v", last, wait.Wait)
			}
			last, waits = wait.Wait, waits+1
			if _, _, err := a.SignIn(ctx, "the password", from("1.1.1.1")); !errors.As(err, &wait) {
				t.Fatal("waiting can be skipped")
			}
			c.t = c.t.Add(wait.Wait)
			continue
		}
		if !errors.Is(err, ErrPassword) {
			t.Fatal(err)
		}
	}
	if waits < 4 || last < 10*time.Second {
		t.Fatalf("%d waits, the last of %v", waits, last)
	}
	if _, _, err := a.SignIn(ctx, "the password", from("2.2.2.2")); err != nil {
		t.Fatalf("another address: %v", err)
	}
	c.t = c.t.Add(forgetAfter + maxWait)
	if _, _, err := a.SignIn(ctx, "the password", from("1.1.1.1")); err != nil {
		t.Fatalf("much later: %v", err)
	}
}

// A whole room shares one address; the organiser's phone must get in all the
// same.
func TestABrowserThatSignedInBeforeIsNotHeldUpByItsNeighbours(t *testing.T) {
	a, _ := newAdmin(t, &memory{values: map[string][]byte{}}, Options{Password: "the password"})
	w := httptest.NewRecorder()
	a.SetCookies(w, "secret", false)
	r := &http.Request{Header: http.Header{}}
	for _, c := range w.Result().Cookies() {
		r.AddCookie(c)
	}
	for range 10 {
		a.SignIn(context.Background(), "wrong", from("1.1.1.1"))
	}
	known := from("1.1.1.1")
	if _, _, err := a.SignIn(context.Background(), "the password", known); err == nil {
		t.Fatal("the address does not wait")
	}
	known.Device = "made.up"
	if _, _, err := a.SignIn(context.Background(), "the password", known); err == nil {
		t.Fatal("a made-up device cookie counts")
	}
	known.Device = DeviceOf(r)
	if _, _, err := a.SignIn(context.Background(), "the password", known); err != nil {
		t.Fatal(err)
	}
}

func TestTriesAtTheSameTimeCountLikeTriesInARow(t *testing.T) {
	a, _ := newAdmin(t, &memory{values: map[string][]byte{}}, Options{Password: "the password"})
	var all sync.WaitGroup
	var mu sync.Mutex
	judged := 0
	for range 40 {
		all.Go(func() {
			_, _, err := a.SignIn(context.Background(), "wrong", from("1.1.1.1"))
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, ErrPassword) {
				judged++
			}
		})
	}
	all.Wait()
	if judged > freeTries+1 {
		t.Fatalf("%d passwords were tried at once", judged)
	}
}

func TestSessionsAreBounded(t *testing.T) {
	c := &clock{time.Unix(1_000_000, 0)}
	a, _ := newAdmin(t, &memory{values: map[string][]byte{}}, Options{Password: "the password", Now: c.now})
	first, record := newRecord(KindSession, c.now())
	if err := a.add(record, ""); err != nil {
		t.Fatal(err)
	}
	for range maxSessions {
		c.t = c.t.Add(time.Second)
		_, record := newRecord(KindSession, c.now())
		if err := a.add(record, ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := a.Session(first); ok || len(a.Sessions()) != maxSessions {
		t.Fatal(len(a.Sessions()))
	}
}

// dying is a store that fails from a moment on, as if the process were killed.
type dying struct {
	memory
	left int // writes before it fails
}

func (d *dying) SaveSetting(name string, value []byte) error {
	if d.left--; d.left < 0 {
		return errors.New("killed")
	}
	return d.memory.SaveSetting(name, value)
}

func (d *dying) ChangeSetting(name string, change func([]byte) ([]byte, error)) error {
	value, err := change(d.values[name])
	if err != nil {
		return err
	}
	return d.SaveSetting(name, value)
}

func TestWhatOneProcessEndsIsOverForAll(t *testing.T) {
	m := &memory{values: map[string][]byte{}}
	one, made := newAdmin(t, m, Options{Shared: true})
	two, again := newAdmin(t, m, Options{Shared: true})
	if made == "" || again != "" {
		t.Fatalf("passwords %q and %q were made", made, again)
	}
	secret, session, err := one.SignIn(t.Context(), made, from("1.1.1.1"))
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := two.MakeToken("script", 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]*Admin{"one": one, "two": two} {
		if _, ok := a.Session(secret); !ok {
			t.Errorf("%s does not know the session", name)
		}
		if _, ok := a.Session(token); !ok {
			t.Errorf("%s does not know the token", name)
		}
	}
	if err := two.End(session.ID); err != nil {
		t.Fatal(err)
	}
	if _, ok := one.Session(secret); ok {
		t.Error("a session that another process ended goes on")
	}
	if _, ok := one.Session(token); !ok {
		t.Error("ending a session ended a token")
	}
	if err := one.ChangePassword(t.Context(), made, "another one", "", from("1.1.1.1")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := two.SignIn(t.Context(), made, from("2.2.2.2")); !errors.Is(err, ErrPassword) {
		t.Errorf("the old password at another process: %v", err)
	}
	if _, _, err := two.SignIn(t.Context(), "another one", from("3.3.3.3")); err != nil {
		t.Errorf("the new password at another process: %v", err)
	}
}

func TestAKillWhileThePasswordChangesLeavesNoSessionOfTheOldOne(t *testing.T) {
	for survive := range 3 {
		d := &dying{memory{values: map[string][]byte{}}, 1 << 30}
		a, _, err := New(d, Options{Password: "first one"})
		if err != nil {
			t.Fatal(err)
		}
		secret, _, err := a.SignIn(context.Background(), "first one", from("1.1.1.1"))
		if err != nil {
			t.Fatal(err)
		}
		d.left = survive
		_ = a.setPassword("second one", "") // fails where it is killed
		again, _, err := New(&memory{values: d.values}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, session := again.Session(secret)
		_, _, err = again.SignIn(context.Background(), "second one", from("1.1.1.1"))
		if session && err == nil {
			t.Errorf("killed after %d writes, the new password rules and the old one's session goes on", survive)
		}
		if changed := err == nil; survive == 2 && !changed {
			t.Errorf("the password was not changed: %v", err)
		}
	}
}

func TestASignInThatRacesAChangedPasswordOpensNothing(t *testing.T) {
	a, _ := newAdmin(t, &memory{values: map[string][]byte{}}, Options{Password: "first one"})
	hash, err := a.attempt(context.Background(), "first one", from("1.1.1.1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.setPassword("second one", ""); err != nil {
		t.Fatal(err)
	}
	_, record := newRecord(KindSession, a.now())
	if err := a.add(record, hash); !errors.Is(err, ErrPassword) {
		t.Fatalf("a session of the old password was opened: %v", err)
	}
}

func TestTheOwnersBrowserDoesNotQueueBehindStrangers(t *testing.T) {
	a, _ := newAdmin(t, &memory{values: map[string][]byte{}}, Options{Password: "right one"})
	a.strangers <- struct{}{} // a stranger's password that is being hashed
	a.turns <- struct{}{}
	a.hashing.Store(maxHashQueue)
	owner := from("1.1.1.1")
	if _, _, err := a.SignIn(context.Background(), "right one", owner); !errors.Is(err, ErrBusy) {
		t.Fatalf("a stranger beyond the queue: %v", err)
	}
	owner.Device = a.NewDevice()
	if _, _, err := a.SignIn(context.Background(), "right one", owner); err != nil {
		t.Fatalf("the owner's browser: %v", err)
	}
	if f := a.FailedSignIns(); f != (FailedSignIns{Busy: 1}) {
		t.Errorf("failed sign-ins: %+v", f)
	}
	if n := a.hashing.Load(); n != maxHashQueue {
		t.Fatalf("%d places of the queue are taken, want %d", n, maxHashQueue)
	}
}

// Whoever looks at the metrics sees that somebody guesses, and is told apart from a
// server that is busy or broken.
func TestFailedSignInsAreCountedByReason(t *testing.T) {
	a, _ := newAdmin(t, &memory{values: map[string][]byte{}}, Options{Password: "right one", Now: (&clock{time.Unix(1e9, 0)}).now})
	try := func(ctx context.Context, password string) {
		_, _, _ = a.SignIn(ctx, password, from("1.1.1.1"))
	}
	for range freeTries {
		try(t.Context(), "wrong")
	}
	try(t.Context(), "right one")
	if f := a.FailedSignIns(); f != (FailedSignIns{Password: freeTries, Wait: 1}) {
		t.Errorf("after %d wrong passwords and one too early: %+v", freeTries, f)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	a.strangers <- struct{}{} // somebody else's is being hashed
	if _, _, err := a.SignIn(gone, "right one", from("2.2.2.2")); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	<-a.strangers
	if _, _, err := a.SignIn(t.Context(), "right one", from("3.3.3.3")); err != nil {
		t.Fatal(err)
	}
	if f := a.FailedSignIns(); f != (FailedSignIns{Password: freeTries, Wait: 1, Error: 1}) {
		t.Errorf("in the end: %+v", f)
	}
}
