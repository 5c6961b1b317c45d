package sockettest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"podium/protocol/client"
	"podium/protocol/socketio/parser"
)

// Client is a socket that keeps what comes, so that a test can await it. Its helpers fail
// the test where it does not come in time, and must be called by the test's goroutine.
type Client struct {
	*client.Socket
	t testing.TB

	mu      sync.Mutex // guards the fields below
	came    []*client.Event
	ends    []client.Reason
	changed chan struct{} // closed and replaced with each change
}

// Watch has a test await what comes to a socket, and close it. It must not be connected yet.
func Watch(t testing.TB, s *client.Socket) *Client { return watch(t, s) }

func watch(t testing.TB, s *client.Socket) *Client {
	c := &Client{Socket: s, t: t, changed: make(chan struct{})}
	s.OnAny(func(e *client.Event) { c.note(func() { c.came = append(c.came, e) }) })
	s.OnDisconnect(func(r client.Reason, _ error) { c.note(func() { c.ends = append(c.ends, r) }) })
	s.OnConnect(func() { c.note(func() {}) })
	t.Cleanup(func() { _ = s.Close() })
	return c
}

func (c *Client) note(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	close(c.changed)
	c.changed = make(chan struct{})
}

// await waits until ok, which is called with mu held.
func (c *Client) await(what string, ok func() bool) {
	c.t.Helper()
	late := time.NewTimer(Patience)
	defer late.Stop()
	for {
		c.mu.Lock()
		done, changed := ok(), c.changed
		c.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-late.C:
			c.t.Fatalf("sockettest: %s did not come in %v; there are %v", what, Patience, c.names())
		}
	}
}

// names are the events that nobody has awaited.
func (c *Client) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := make([]string, len(c.came))
	for i, e := range c.came {
		names[i] = e.Name
	}
	return names
}

// Await returns the arguments of the next event of a name, which it waits for. Other
// events are left for later calls. into, where given, takes the decoded arguments.
func (c *Client) Await(event string, into ...any) parser.Args {
	c.t.Helper()
	e := c.AwaitEvent(event)
	if err := e.Args.Decode(into...); err != nil {
		c.t.Fatalf("sockettest: event %q: %v", event, err)
	}
	return e.Args
}

// AwaitEvent is Await for the whole event, which may be acknowledged.
func (c *Client) AwaitEvent(event string) *client.Event {
	c.t.Helper()
	var found *client.Event
	c.await(fmt.Sprintf("event %q", event), func() bool {
		for i, e := range c.came {
			if e.Name == event {
				found = e
				c.came = append(c.came[:i:i], c.came[i+1:]...)
				return true
			}
		}
		return false
	})
	return found
}

// Pending is how many events of a name have come and were not awaited.
func (c *Client) Pending(event string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, e := range c.came {
		if e.Name == event {
			n++
		}
	}
	return n
}

// AwaitDisconnect returns the reason of the next disconnect, which it waits for.
func (c *Client) AwaitDisconnect() client.Reason {
	c.t.Helper()
	var reason client.Reason
	c.await("disconnect", func() bool {
		if len(c.ends) == 0 {
			return false
		}
		reason, c.ends = c.ends[0], c.ends[1:]
		return true
	})
	return reason
}

// AwaitConnect waits until the client is connected.
func (c *Client) AwaitConnect() {
	c.t.Helper()
	c.await("connect", c.Connected)
}

// Ask emits an event, waits for its acknowledgement and decodes it into what into points
// to; nil is for none.
func (c *Client) Ask(into any, event string, args ...any) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), Patience)
	defer cancel()
	answer, err := c.EmitWithAck(ctx, event, args...)
	if err == nil && into != nil {
		err = answer.Decode(into)
	}
	if err != nil {
		c.t.Fatalf("sockettest: ask %q: %v", event, err)
	}
}
