package engineio

import (
	"errors"
	"testing"
	"time"
)

// Where the machine slept, the heartbeat's timer is late: what is sent then would be
// sent to nobody.
func TestSendsNothingAfterTheServersTimeIsOver(t *testing.T) {
	c := &Client{state: clientPolling, posting: true, deadline: time.Now().Add(time.Minute)}
	if err := c.Send(control("4x")); err != nil || len(c.queue) != 1 {
		t.Errorf("in time: %v, %d are queued", err, len(c.queue))
	}
	c.deadline = time.Now().Add(-time.Nanosecond)
	if err := c.Send(control("4x")); !errors.Is(err, ErrClosed) || len(c.queue) != 1 {
		t.Errorf("too late: %v, %d are queued", err, len(c.queue))
	}
}
