package socketio

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// waitForLock returns when a goroutine in the function waits for a mutex: the test
// holds the mutex, and does what comes in between.
func waitForLock(t testing.TB, function string) {
	t.Helper()
	buf := make([]byte, 1<<20)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			head, calls, _ := strings.Cut(g, "\n")
			if strings.Contains(head, "Mutex.") && strings.Contains(calls, function+"(") {
				return
			}
		}
	}
	t.Fatalf("nobody waits for a lock in %s", function)
}

// An event that is handled in place is used again afterwards: a handler that may
// keep it and is registered meanwhile must not get it.
func TestAHandlerRegisteredMeanwhileKeepsNoEventThatIsUsedAgain(t *testing.T) {
	srv := newTestServer(t, Options{})
	On(srv, "e", func(*Socket, struct{}) {}, Inline)
	w := newWire(srv)
	s := w.join(t, "/")
	kept := make(chan *Event, 1)
	said := make(chan struct{})
	s.mu.Lock()
	go func() {
		defer close(said)
		w.say(`21["e"]`)
	}()
	waitForLock(t, "(*Socket).onEvent")
	OnEvent(srv, "e", func(e *Event) { kept <- e }, Inline)
	s.mu.Unlock()
	wait(t, said)
	select {
	case e := <-kept:
		if e.Socket != s {
			t.Errorf("the event that was kept is of socket %v", e.Socket)
		}
	default:
	}
	w.say(`22["e"]`)
	mustBeNil(t, wait(t, kept).Ack())
	w.expect(t, `32[]`)
}
