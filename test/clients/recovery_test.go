package clients

import (
	"fmt"
	"podium/test/harness"
	"testing"
)

// settled is the ids of the next n submissions, and waits for the upgrade that
// comes before, between or after them: a client that is dropped meanwhile waits
// for the upgrade to end, and one whose server dies meanwhile may not hear of it
// before its own heartbeat does.
func settled(c *harness.NodeClient, transports string, n int) (ids []string) {
	c.T.Helper()
	for upgraded := transports != "default"; len(ids) < n || !upgraded; {
		l := c.NextOf("event or upgrade", func(l harness.Line) bool { return l.Event == "newSubmission" || l.Type == "upgrade" })
		if l.Type == "upgrade" {
			upgraded = true
		} else {
			ids = append(ids, c.SubmissionIn(l))
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
	harness.NeedClients(t, "socket.io-client")
	for _, transports := range recoveryTransports {
		t.Run(transports, func(t *testing.T) {
			p := harness.Start(t)
			wire := harness.StartProxy(t, "127.0.0.1:"+p.Port)
			c := harness.Listen(t, "socket.io-client", wire.URL(), transports)
			first := c.Next("connect", "")
			if transports == "default" {
				c.Next("upgrade", "")
			}
			for round := range 5 {
				wire.Mute()
				id := p.Submit(fmt.Sprint("into the void ", round))
				wire.Unmute()
				c.Say("drop")
				back := c.Next("connect", "")
				if !back.Recovered || back.ID != first.ID {
					t.Fatalf("round %d: came back as %+v, was %s", round, back, first.ID)
				}
				if got := settled(c, transports, 1); got[0] != id {
					t.Fatalf("round %d: got %s, want %s", round, got, id)
				}
				live := p.Submit(fmt.Sprint("live ", round))
				if got := c.NextSubmission(); got != live {
					t.Fatalf("round %d: got %s, want %s", round, got, live)
				}
			}
			var metrics struct {
				Connections struct{ Active int }
			}
			harness.Eventually(t, "the old connections to be closed", func() bool {
				p.Call("GET", "/api/realtime-metrics", "", nil, &metrics)
				return metrics.Connections.Active == 1
			})
		})
	}
}

// Two tabs that offer the same session, as after one was duplicated: the newer
// one has it, the older one gets a session of its own when it comes back, and
// both hear everything once from then on.
func TestTwoTabsWithOneSession(t *testing.T) {
	harness.NeedClients(t, "socket.io-client")
	for _, transports := range recoveryTransports {
		t.Run(transports, func(t *testing.T) {
			p := harness.Start(t)
			wire := harness.StartProxy(t, "127.0.0.1:"+p.Port)
			first := harness.Listen(t, "socket.io-client", wire.URL(), transports)
			one := first.Next("connect", "")
			p.Submit("both know it")
			first.NextSubmission()
			first.Say("session")
			session := first.Next("session", "")
			wire.Reset(true) // it is away while its double takes its place
			second := harness.Listen(t, "socket.io-client", p.URL, transports, session.PID, session.Offset)
			two := second.Next("connect", "")
			if !two.Recovered || two.ID != one.ID {
				t.Fatalf("the double came as %+v, want %s", two, one.ID)
			}
			missed := p.Submit("only the double is there")
			if got := second.NextSubmission(); got != missed {
				t.Fatalf("the double got %s, want %s", got, missed)
			}
			wire.Back()
			if back := first.Next("connect", ""); !back.Recovered || back.ID != one.ID {
				t.Fatalf("the first came back as %+v", back)
			}
			if got := first.NextSubmission(); got != missed {
				t.Fatalf("the first got %s, want %s", got, missed)
			}
			// The double was put out for it, comes back and puts it out in turn. Neither
			// misses or doubles anything meanwhile.
			for i := range 5 {
				id := p.Submit(fmt.Sprint("for both ", i))
				for name, c := range map[string]*harness.NodeClient{"first": first, "double": second} {
					if got := c.NextSubmission(); got != id {
						t.Fatalf("event %d: the %s got %s, want %s", i, name, got, id)
					}
				}
			}
		})
	}
}
