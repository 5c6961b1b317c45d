package engineio

import (
	"runtime"
	"testing"
	"time"
)

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
	for !Blocked("(*Session).onTimer") {
		runtime.Gosched()
	}
	if s.expired() {
		t.Error("overdue before the time to answer was set")
	}
	srv.wheel.mu.Unlock()
	<-made
	if s.pingSent.Load() == 0 || s.expired() {
		t.Error("no ping was made, or it is overdue")
	}
}
