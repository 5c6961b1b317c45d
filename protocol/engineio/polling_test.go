package engineio

import (
	"net/http/httptest"
	"runtime"
	"testing"
	"time"
)

// The time after which a poll is ended for an upgrade's sake is over in the moment when
// the session is closed: the close packet stays the last.
func TestANoopThatIsDueDoesNotFollowTheClosePacket(t *testing.T) {
	p := &poll{ready: make(chan struct{}, 1)}
	s := &Session{server: NewServer(Options{}, nil), codec: codecV4{}, state: upgrading, poll: p}
	s.mu.Lock()
	ended := make(chan outcome)
	go func() {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		ended <- s.await(httptest.NewRecorder(), r, &query{}, p, time.Nanosecond)
	}()
	for !Blocked("(*Session).await") {
		runtime.Gosched()
	}
	s.enter(closing) // as close does it
	s.push(packetsClose)
	s.mu.Unlock()
	if got := <-ended; got != somethingToSay || !saysGoodbye(s.queue.packets) {
		t.Errorf("outcome %d with %d packets, of which the last is not to close", got, len(s.queue.packets))
	}
}
