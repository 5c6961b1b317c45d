package socketio

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// slowNamespace is one whose middleware waits for a decision on each attempt.
func slowNamespace(srv *Server, name string) (asked chan *Socket, decide chan error) {
	asked, decide = make(chan *Socket, 9), make(chan error)
	srv.Of(name).Use(func(s *Socket) error {
		asked <- s
		return <-decide
	})
	return asked, decide
}

// A React component that mounts twice asks twice, without a word in between: the
// client has no answer yet. Others say that they leave.
func TestOfSeveralRequestsToJoinTheNewestCounts(t *testing.T) {
	for name, between := range map[string][]string{
		"asked again":           {`0/slow,{"n":2}`},
		"left and asked again":  {`1/slow,`, `0/slow,{"n":2}`},
		"asked and left, twice": {`1/slow,`, `0/slow,{"n":1}`, `1/slow,`, `0/slow,{"n":2}`},
	} {
		for _, first := range []error{nil, errors.New("no")} {
			t.Run(fmt.Sprint(name, " ", first), func(t *testing.T) {
				srv := newTestServer(t, Options{})
				asked, decide := slowNamespace(srv, "/slow")
				connected := make(chan int, 9)
				srv.Of("/slow").OnConnection(func(s *Socket) {
					var auth struct{ N int }
					mustBeNil(t, s.Handshake().Auth.Decode(&auth))
					connected <- auth.N
				})
				w := newWire(srv)
				w.join(t, "/")
				w.say(`0/slow,{"n":1}`)
				wait(t, asked)
				w.say(between...)
				attempts := 1
				for _, p := range between {
					if p[0] == '0' {
						wait(t, asked)
						attempts++
					}
				}
				for range attempts - 1 {
					decide <- first // any of them: the newest must be let in whatever befalls the others
				}
				decide <- first
				if first == nil {
					if got := w.next(t); !strings.HasPrefix(got, `0/slow,{"sid":`) {
						t.Fatal(got)
					}
					if n := wait(t, connected); n != 2 {
						t.Errorf("attempt %d was let in", n)
					}
				} else {
					w.expect(t, `4/slow,{"message":"no"}`)
				}
				w.expectNothing(t)
				if n := srv.Of("/slow").Count(); first == nil && n != 1 || first != nil && n != 0 {
					t.Errorf("%d sockets", n)
				}
				select {
				case n := <-connected:
					t.Errorf("attempt %d was let in too", n)
				default:
				}
			})
		}
	}
}

func TestARequestToJoinReplacesTheSocketThereIs(t *testing.T) {
	srv := newTestServer(t, Options{})
	ended := make(chan Reason, 9)
	srv.Of("/x").OnDisconnect(func(_ *Socket, r Reason) { ended <- r })
	w := newWire(srv)
	s := w.join(t, "/x")
	w.say(`0/x,`)
	if got := w.next(t); !strings.HasPrefix(got, `0/x,{"sid":`) || strings.Contains(got, s.ID()) {
		t.Fatal(got)
	}
	if r := wait(t, ended); r != ReasonTransportClose || s.Connected() {
		t.Errorf("the first socket ended with %q", r)
	}
	mustBeNil(t, srv.Of("/x").Emit("once"))
	w.expect(t, `2/x,["once"]`)
	w.expectNothing(t)
}

func TestAskingAgainAndAgainKeepsToTheRate(t *testing.T) {
	srv := newTestServer(t, Options{MaxPacketsPerSecond: 10})
	w := newWire(srv)
	for range 40 {
		w.say(`0/`)
	}
	w.expectClosed(t)
}

func TestARecoveredSessionSurvivesASecondRequestToJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := recoveryServer(t, &diskLog{epoch: "e"}, nil)
		b := &browser{t: t, name: "b"}
		b.online(srv)
		srv.Of("/").Socket(b.sid).Join("room")
		b.offline()
		w := newWire(srv)
		ask := fmt.Sprintf(`0{"pid":%q}`, b.pid)
		w.say(ask, ask)
		synctest.Wait()
		s := srv.Of("/").Socket(b.sid)
		if s == nil || !s.Recovered() || srv.Of("/").RoomSize("room") != 1 || srv.Of("/").Count() != 1 || w.client.ended() {
			t.Errorf("%d sockets, %v", srv.Of("/").Count(), s)
		}
		w.say(ask)
		synctest.Wait()
		if again := srv.Of("/").Socket(b.sid); again == nil || again == s || !again.Recovered() || srv.Of("/").RoomSize("room") != 1 {
			t.Errorf("asked once more: %v", again)
		}
	})
}

func TestPacketsForANamespaceThatWasJustLeftArePassedOver(t *testing.T) {
	srv := newTestServer(t, Options{})
	asked, decide := slowNamespace(srv, "/slow")
	got := make(chan string, 9)
	On(srv.Of("/a"), "x", func(_ *Socket, x string) { got <- x })
	w := newWire(srv)
	w.join(t, "/")
	w.join(t, "/a")
	w.say(`2/a,["x","in"]`, `1/a,`, `2/a,["x","late"]`, `3/a,5[]`, `1/a,`)
	if x := wait(t, got); x != "in" {
		t.Error(x)
	}
	w.join(t, "/a")
	w.say(`2/a,["x","again"]`)
	if x := wait(t, got); x != "again" {
		t.Error(x)
	}
	w.say(`0/slow,`, `1/slow,`, `2/slow,["x"]`, `0/slow,`, `2/slow,["x"]`)
	wait(t, asked)
	wait(t, asked)
	decide <- nil
	decide <- nil
	if got := w.next(t); !strings.HasPrefix(got, `0/slow,{"sid":`) {
		t.Fatal(got)
	}
	w.say(`2/never,["x"]`)
	w.expectClosed(t)
}

// Of how many namespaces a connection was in, it knows the last ones only.
func TestWhatIsRememberedOfLeftNamespacesIsBounded(t *testing.T) {
	srv := newTestServer(t, Options{})
	w := newWire(srv)
	w.join(t, "/")
	for i := range 3 * maxLeftNames {
		srv.Of(fmt.Sprint("/", i))
		w.join(t, fmt.Sprint("/", i))
		w.say(fmt.Sprintf(`1/%d,`, i))
	}
	if n := len(w.client.left); n != maxLeftNames {
		t.Errorf("%d are remembered", n)
	}
	w.say(`2/0,["x"]`)
	w.expectClosed(t)
}

// Clients up to 2.x get the name back as they wrote it, or they wait for ever.
func TestOldClientsGetTheNameOfTheirNamespaceAsTheyWroteIt(t *testing.T) {
	srv := newTestServer(t, Options{})
	query := make(chan string, 1)
	srv.OfFunc(func(string, Value) bool { return true }).OnConnection(func(s *Socket) {
		query <- s.Handshake().Auth.String()
	})
	for _, tt := range []struct{ asked, name, query string }{
		{`/a%20b?token=1`, `/a%20b`, `{"token":"1"}`},
		{`/dyn-%D0%BA?t=1`, `/dyn-%D0%BA`, `{"t":"1"}`},
		{`/dyn-100%?t=1`, `/dyn-100%`, `{"t":"1"}`},
		{`/dyn?t=100%&u=a%20b+c`, `/dyn`, `{"t":"100%","u":"a b c"}`},
		{`/dyn?t=1&t=2&&x`, `/dyn`, `{"t":"2","x":""}`},
		{`/dyn?a=b?c=d`, `/dyn`, `{"a":"b?c=d"}`},
		{`/a b#c`, `/a b#c`, ``},
		{`/кухня`, `/кухня`, ``},
		{`/q?`, `/q`, ``},
		{`//x:y@z/p`, `//x:y@z/p`, ``},
	} {
		w := newWireFor(srv, 3)
		w.expect(t, `0`)
		w.say(`0` + tt.asked + `,`)
		w.expect(t, `0`+tt.name+`,`)
		q := wait(t, query)
		if tt.query == "" {
			tt.query = "null"
		}
		if q != tt.query {
			t.Errorf("%s: query %s, want %s", tt.asked, q, tt.query)
		}
		s := w.client.socket(tt.name)
		mustBeNil(t, s.Emit("x"))
		w.expect(t, `2`+tt.name+`,["x"]`)
		w.say(`2`+tt.name+`,["y"]`, `1`+tt.name+`,`)
		if s.Connected() || w.client.ended() {
			t.Errorf("%s: the socket is connected: %v", tt.asked, s.Connected())
		}
	}
}
