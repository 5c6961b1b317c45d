package engineio

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// waitForBlocked waits until a goroutine that is within function waits for a mutex.
func waitForBlocked(t *testing.T, function string) {
	t.Helper()
	all := make([]byte, 1<<20)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		for stack := range strings.SplitSeq(string(all[:runtime.Stack(all, true)]), "\n\n") {
			if strings.Contains(stack, "[sync.Mutex.Lock") && strings.Contains(stack, function) {
				return
			}
		}
	}
	t.Fatal("nothing waits for a mutex in ", function)
}

// The answer to a ping must not be overdue in the moment when the ping is made: a
// request that comes then would end its session.
func TestAPingThatIsBeingMadeIsNotOverdue(t *testing.T) {
	srv := NewServer(Options{}, nil)
	s := &Session{server: srv, codec: codecV4{}, state: polling}
	srv.wheel.set(s, time.Now())
	srv.wheel.remove(s) // as it does when the timer fires
	srv.wheel.mu.Lock()
	made := make(chan struct{})
	go func() {
		s.onTimer()
		close(made)
	}()
	waitForBlocked(t, "(*Session).onTimer")
	if s.expired() {
		t.Error("overdue before the time to answer was set")
	}
	srv.wheel.mu.Unlock()
	<-made
	if s.pingSent.Load() == 0 || s.expired() {
		t.Error("no ping was made, or it is overdue")
	}
}
