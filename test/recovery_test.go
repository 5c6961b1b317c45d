package test

import (
	"encoding/json"
	"fmt"
	"testing"
)

// nextSubmission is the id of the next submission that a client is told of.
func (c *nodeClient) nextSubmission() string {
	c.t.Helper()
	return c.submissionIn(c.next("event", "newSubmission"))
}

// submissionIn is the id of the submission that a line tells of.
func (c *nodeClient) submissionIn(l line) string {
	c.t.Helper()
	var entry struct{ ID string }
	if err := json.Unmarshal(l.Payload, &entry); err != nil {
		c.t.Fatal(err)
	}
	return entry.ID
}

// settled is the ids of the next n submissions, and waits for the upgrade that
// comes before, between or after them: a client that is dropped meanwhile waits
// for the upgrade to end, and one whose server dies meanwhile may not hear of it
// before its own heartbeat does.
func (c *nodeClient) settled(transports string, n int) (ids []string) {
	c.t.Helper()
	for upgraded := transports != "default"; len(ids) < n || !upgraded; {
		l := c.nextOf("event or upgrade", func(l line) bool { return l.Event == "newSubmission" || l.Type == "upgrade" })
		if l.Type == "upgrade" {
			upgraded = true
		} else {
			ids = append(ids, c.submissionIn(l))
		}
	}
	return ids
}

// recoveryTransports are those that an official client recovers over.
var recoveryTransports = []string{"default", "polling", "websocket"}

// A client comes back although the server believes its old connection to be
// alive: the new one takes the session over, again and again, also where no
// event came yet and it offers no offset.
func TestAClientIsFasterThanTheServerNotices(t *testing.T) {
	needClients(t, "socket.io-client")
	for _, transports := range recoveryTransports {
		t.Run(transports, func(t *testing.T) {
			p := start(t)
			wire := startProxy(t, "127.0.0.1:"+p.port)
			c := listen(t, "socket.io-client", wire.url(), transports)
			first := c.next("connect", "")
			if transports == "default" {
				c.next("upgrade", "")
			}
			for round := range 5 {
				wire.mute()
				id := p.submit(fmt.Sprint("into the void ", round))
				wire.unmute()
				c.say("drop")
				back := c.next("connect", "")
				if !back.Recovered || back.ID != first.ID {
					t.Fatalf("round %d: came back as %+v, was %s", round, back, first.ID)
				}
				if got := c.settled(transports, 1); got[0] != id {
					t.Fatalf("round %d: got %s, want %s", round, got, id)
				}
				live := p.submit(fmt.Sprint("live ", round))
				if got := c.nextSubmission(); got != live {
					t.Fatalf("round %d: got %s, want %s", round, got, live)
				}
			}
			var metrics struct {
				Connections struct{ Active int }
			}
			eventually(t, "the old connections to be closed", func() bool {
				p.call("GET", "/api/realtime-metrics", "", nil, &metrics)
				return metrics.Connections.Active == 1
			})
		})
	}
}

// Two tabs that offer the same session, as after one was duplicated: the newer
// one has it, the older one gets a session of its own when it comes back, and
// both hear everything once from then on.
func TestTwoTabsWithOneSession(t *testing.T) {
	needClients(t, "socket.io-client")
	for _, transports := range recoveryTransports {
		t.Run(transports, func(t *testing.T) {
			p := start(t)
			wire := startProxy(t, "127.0.0.1:"+p.port)
			first := listen(t, "socket.io-client", wire.url(), transports)
			one := first.next("connect", "")
			p.submit("both know it")
			first.nextSubmission()
			first.say("session")
			session := first.next("session", "")
			wire.reset(true) // it is away while its double takes its place
			second := listen(t, "socket.io-client", p.url, transports, session.PID, session.Offset)
			two := second.next("connect", "")
			if !two.Recovered || two.ID != one.ID {
				t.Fatalf("the double came as %+v, want %s", two, one.ID)
			}
			missed := p.submit("only the double is there")
			if got := second.nextSubmission(); got != missed {
				t.Fatalf("the double got %s, want %s", got, missed)
			}
			wire.back()
			if back := first.next("connect", ""); !back.Recovered || back.ID != one.ID {
				t.Fatalf("the first came back as %+v", back)
			}
			if got := first.nextSubmission(); got != missed {
				t.Fatalf("the first got %s, want %s", got, missed)
			}
			// The double was put out for it, comes back and puts it out in turn. Neither
			// misses or doubles anything meanwhile.
			for i := range 5 {
				id := p.submit(fmt.Sprint("for both ", i))
				for name, c := range map[string]*nodeClient{"first": first, "double": second} {
					if got := c.nextSubmission(); got != id {
						t.Fatalf("event %d: the %s got %s, want %s", i, name, got, id)
					}
				}
			}
		})
	}
}
