package admin

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"podium/contest"
	"podium/protocol/services"
	"podium/store/postgres"
)

// Who sends wrong passwords to three machines in turn, or to all at once, has the
// tries of one.
func TestThreeMachinesGiveTheTriesOfOne(t *testing.T) {
	url := services.StartPostgres(t, "fsync", "off").URL()
	now := &clock{time.Now()}
	var machines []*Admin
	for range 3 {
		store, err := postgres.Open(t.Context(), url, postgres.Options{})
		if err != nil {
			t.Fatal(err)
		}
		a, _, err := New(contest.New(store), Options{Shared: true, Now: now.now, AtOnce: 10, FailuresPerMinute: 60, Password: "the right one"})
		if err != nil {
			t.Fatal(err)
		}
		<-a.settled
		t.Cleanup(func() { a.Close(); store.Close() })
		machines = append(machines, a)
	}
	try := func(i int, address string) (judged bool) {
		_, _, err := machines[i%3].SignIn(t.Context(), "wrong", from(address))
		var wait *WaitError
		if !errors.Is(err, ErrPassword) && !errors.As(err, &wait) {
			t.Errorf("a try: %v", err)
		}
		return errors.Is(err, ErrPassword)
	}
	judged := 0
	for i := range 3 * (freeTries + 1) {
		if try(i, "192.0.2.1") {
			judged++
		}
	}
	if judged != freeTries {
		t.Errorf("%d tries in turn were judged, want %d", judged, freeTries)
	}

	var mu sync.Mutex // guards judged
	var work sync.WaitGroup
	judged = 0
	for i := range 3 * (freeTries + 1) {
		work.Go(func() {
			if try(i, "192.0.2.2") {
				mu.Lock()
				defer mu.Unlock()
				judged++
			}
		})
	}
	work.Wait()
	if judged != freeTries {
		t.Errorf("%d tries at once were judged, want %d", judged, freeTries)
	}

	// Nobody else waits, and who knows the password begins anew everywhere.
	if _, _, err := machines[1].SignIn(t.Context(), "the right one", from("192.0.2.3")); err != nil {
		t.Errorf("another address: %v", err)
	}
	now.t = now.t.Add(maxWait)
	if _, _, err := machines[0].SignIn(t.Context(), "the right one", from("192.0.2.1")); err != nil {
		t.Fatal(err)
	}
	if !try(1, "192.0.2.1") {
		t.Error("it waits at another machine after it signed in at one")
	}
	kept, err := machines[2].store.Setting(settingFailures)
	if err != nil || strings.Contains(string(kept), "192.0") || !strings.Contains(string(kept), `"n"`) {
		t.Errorf("kept: %s (%v)", kept, err)
	}
}

func TestSharedFailuresAreBoundedAndOutliveClocksThatAreWrong(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	ahead := newFailures(60)
	for i := range maxSharedFailing + 10 {
		ahead.begin(fmt.Sprint(i), nil, now.Add(24*time.Hour))
	}
	for range freeTries + 3 {
		ahead.begin("it", nil, now.Add(24*time.Hour))
	}
	data, err := ahead.encode()
	if err != nil {
		t.Fatal(err)
	}
	f := readFailures(data, 60, now)
	if f.recent.Len() != maxSharedFailing {
		t.Errorf("%d records are kept", f.recent.Len())
	}
	if wait := f.wait("it", nil, now); wait <= 0 || wait > maxWait {
		t.Errorf("it waits %v", wait)
	}
	if wait := f.wait("it", nil, now.Add(maxWait)); wait != 0 {
		t.Errorf("it waits %v after the longest wait", wait)
	}
	if again := readFailures(data, 60, now.Add(26*time.Hour)); again.recent.Len() != 0 {
		t.Errorf("%d records outlive their time", again.recent.Len())
	}
	for _, broken := range []string{"", "{", "null", `{"failing":[{"key":"a"},{"key":"a"}]}`} {
		if f := readFailures([]byte(broken), 60, now); f.wait("a", nil, now) != 0 {
			t.Errorf("%q makes somebody wait", broken)
		}
	}
}
