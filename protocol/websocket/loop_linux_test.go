package websocket

import (
	"testing"
	"time"
)

// A large batch waits while more is posted, for a bounded time, and a small one never does.
func TestALargeBatchWaitsForTheRestOfABurst(t *testing.T) {
	l := &loop{server: &Server{}}
	post := func() { l.server.messagesOut.Add(1) }
	if l.hold(holdFrom - 1) {
		t.Error("a small batch waits")
	}
	if !l.hold(holdFrom) {
		t.Error("a large batch does not wait at all")
	}
	if l.hold(holdFrom) {
		t.Error("the batch waits although nothing more was posted")
	}
	const large = 1 << 20 // its bound is two seconds
	l.hold(large)
	for range 3 {
		if post(); !l.hold(large) {
			t.Error("the batch does not wait for what is being posted")
		}
	}
	l.heldSince = time.Now().Add(-large * holdEach)
	if post(); l.hold(large) {
		t.Error("the batch waits beyond its bound")
	}
	if post(); !l.hold(large) {
		t.Error("the next batch does not wait")
	}
}
