package socketio

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"podium/protocol/engineio"
)

// admissions are the ways in which a socket comes in: on the goroutine that reads,
// in its mailbox, and with events of a log that is followed or appended to.
var admissions = []struct {
	name string
	make func(t *testing.T) *Server
}{
	{"in place", func(t *testing.T) *Server { return newTestServer(t, Options{}) }},
	{"in its mailbox", func(t *testing.T) *Server {
		srv := newTestServer(t, Options{})
		srv.Of("/").Use(func(*Socket) error { return nil })
		return srv
	}},
	{"following a log", func(t *testing.T) *Server { return recoveryServer(t, &diskLog{epoch: "e"}, nil) }},
	{"appending to a log", func(t *testing.T) *Server { return recoveryServer(t, new(MemoryLog), nil) }},
}

// theOnly returns a socket of n, or nil.
func theOnly(n *Namespace) *Socket {
	for s := range n.Sockets() {
		return s
	}
	return nil
}

// A client, or somebody it tells, may act as soon as CONNECT has its answer.
func TestWhoActsOnTheAnswerToCONNECTFindsTheSocket(t *testing.T) {
	for _, a := range admissions {
		for _, protocol := range []int{4, 3} {
			t.Run(fmt.Sprint(a.name, ", protocol ", protocol), func(t *testing.T) {
				srv := a.make(t)
				n := srv.Of("/")
				w := newWireWith(srv, protocol, func() {
					s := theOnly(n)
					if s == nil || n.Count() != 1 || !s.Connected() || n.Socket(s.ID()) != s {
						t.Errorf("%d sockets, among them %v", n.Count(), s)
						return
					}
					mustBeNil(t, n.SocketsJoin("room"))
					mustBeNil(t, n.Emit("to all", 1))
					mustBeNil(t, n.To("room").Emit("to the room", 2))
					mustBeNil(t, n.Local().Emit("of this server", "3"))
					mustBeNil(t, n.Volatile().Emit("volatile"))
					mustBeNil(t, s.Volatile().Emit("to one", 5))
				})
				if protocol == 4 {
					w.say("0")
				}
				if first := w.next(t); !strings.HasPrefix(first, "0") {
					t.Fatalf("first came %s", first)
				}
				for _, want := range []string{`2["to all",1`, `2["to the room",2`, `2["of this server","3"`, `2["volatile"`, `2["to one",5]`} {
					if got := w.next(t); !strings.HasPrefix(got, want) {
						t.Errorf("received %s, want %s", got, want)
					}
				}
				eventually(t, "the opening", func() bool { return theOnly(n).state.Load() == stateConnected })
				mustBeNil(t, n.Volatile().Emit("later", 6))
				w.expect(t, `2["later",6]`)
			})
		}
	}
}

// busyParser emits an event whenever it encodes a CONNECT.
type busyParser struct {
	JSONParser
	emit func()
}

func (p busyParser) Encode(pkt *Packet) ([]*engineio.Message, error) {
	if pkt.Type == Connect {
		p.emit()
	}
	return p.JSONParser.Encode(pkt)
}

func TestNoEventOvertakesTheAnswerToCONNECT(t *testing.T) {
	for _, log := range []Log{nil, &diskLog{epoch: "e"}, new(MemoryLog)} {
		var srv *Server
		o := Options{Parser: busyParser{emit: func() { mustBeNil(t, srv.Emit("early", 1)) }}}
		if log != nil {
			o.Recovery = &Recovery{Log: log}
		}
		srv = newTestServer(t, o)
		w := newWire(srv)
		w.join(t, "/")
		if got := w.next(t); !strings.HasPrefix(got, `2["early",1`) {
			t.Errorf("with a log of type %T: %s", log, got)
		}
		w.expectNothing(t)
	}
}

func TestAnAcknowledgementMayBeAskedForAsSoonAsCONNECTIsAnswered(t *testing.T) {
	for _, a := range admissions {
		t.Run(a.name, func(t *testing.T) {
			srv := a.make(t)
			n := srv.Of("/")
			answer := make(chan string, 1)
			w := newWireWith(srv, 4, func() {
				s := theOnly(n)
				asking := make(chan struct{})
				s.OnAnyOutgoing(func(*Socket, string, Args) { close(asking) })
				go func() {
					args, err := s.EmitWithAck(t.Context(), "ask")
					answer <- fmt.Sprint(args, err)
				}()
				<-asking
			})
			w.say("0")
			w.next(t)
			w.expect(t, `20["ask"]`)
			w.say(`30["yes"]`)
			if got := wait(t, answer); got != `["yes"] <nil>` {
				t.Errorf("answered %s", got)
			}
		})
	}
}

// DISCONNECT in front of CONNECT would leave the client in a namespace that the
// server put it out of.
func TestASocketThatIsPutOutAsItComesInIsToldInOrder(t *testing.T) {
	for _, a := range admissions {
		t.Run(a.name, func(t *testing.T) {
			srv := a.make(t)
			n := srv.Of("/")
			n.OnConnection(func(*Socket) { t.Error("a connection of who was put out") })
			w := newWireWith(srv, 4, func() {
				mustBeNil(t, n.Volatile().Emit("bye", 1))
				mustBeNil(t, n.DisconnectSockets(false))
				mustBeNil(t, n.Volatile().Emit("too late", 2))
			})
			w.say("0")
			w.next(t)
			w.expect(t, `2["bye",1]`, "1")
			if n.Count() != 0 || w.client.socket("/") != nil {
				t.Errorf("%d sockets are left", n.Count())
			}
			w.expectNothing(t)
		})
	}
}

// commitLarge publishes three events of a size.
func commitLarge(t *testing.T, srv *Server, log *diskLog, size int) {
	t.Helper()
	large, err := json.Marshal(strings.Repeat("x", size))
	mustBeNil(t, err)
	for n := range 3 {
		e := numbered(n)
		e.Args = append(e.Args, large)
		log.commit(e)
	}
	mustBeNil(t, srv.Publish())
}

// replaying returns a browser whose replay, of three events that are too large to
// leave at once, has begun.
func replaying(t *testing.T, srv *Server, log *diskLog) *browser {
	t.Helper()
	b := &browser{t: t, name: "b"}
	b.online(srv)
	b.offline()
	commitLarge(t, srv, log, maxReplayQueue)
	b.w = newWire(srv)
	b.w.slow = true // nothing that was sent is taken
	b.connected = false
	b.w.say(fmt.Sprintf(`0{"pid":%q}`, b.pid))
	synctest.Wait()
	if s := b.w.client.socket("/"); b.w.Buffered() <= maxReplayQueue || s.state.Load() != stateJoined {
		t.Fatalf("no replay is under way: %d bytes wait", b.w.Buffered())
	}
	return b
}

// An event that is not logged comes behind the replay, with an offset that is true
// by then: with the one from when it was emitted the client would be sent again
// what was replayed since.
func TestEventsThatAreNotLoggedWaitForTheReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &diskLog{epoch: "e"}
		srv := recoveryServer(t, log, nil)
		b := replaying(t, srv, log)
		text := map[string]int{"n": 1}
		mustBeNil(t, srv.Of("/").Emit("note", text, "ends in a string"))
		text["n"] = 100 // the caller's again
		publish(t, srv, log, 3)
		mustBeNil(t, srv.Of("/").Socket(b.sid).Emit("note", 2))
		publish(t, srv, log, 4)
		var order []string
		for b.w.Buffered() > 0 {
			b.w.mu.Lock()
			for _, m := range b.w.received {
				order = append(order, fmt.Sprintf("%.17s", m))
			}
			b.w.mu.Unlock()
			b.read()
			time.Sleep(2 * drainCheck)
		}
		if fmt.Sprint(b.got) != "[0 1 2 3 4]" || b.recovered != 1 {
			t.Errorf("got %v in %q", b.got, order)
		}
		if i := len(order) - 2; order[i] != `2["note",{"n":1},` || order[i+1] != `2["note",2]` {
			t.Errorf("the notes came in %q", order)
		}
		if want := formatOffset(srv.publisher.tag, 5); b.offset != want {
			t.Errorf("the client is at %s, want %s", b.offset, want)
		}
		b.offline()
		b.online(srv)
		if len(b.got) != 5 || b.recovered != 2 {
			t.Errorf("after another drop it has %v", b.got)
		}
	})
}

// Where others put a socket into a room while it is brought up to date, the room's
// events from then on are for it.
func TestARoomThatIsJoinedDuringAReplayCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &diskLog{epoch: "e"}
		srv := recoveryServer(t, log, nil)
		b := replaying(t, srv, log)
		toRoom := func(n int) {
			e := numbered(n)
			e.Rooms = []string{"room"}
			log.commit(e)
			mustBeNil(t, srv.Publish())
		}
		toRoom(3)
		mustBeNil(t, srv.Of("/").SocketsJoin("room"))
		toRoom(4)
		for b.w.Buffered() > 0 {
			b.read()
			time.Sleep(2 * drainCheck)
		}
		if fmt.Sprint(b.got) != "[0 1 2 4]" {
			t.Errorf("got %v", b.got)
		}
	})
}

func TestASocketThatIsPutOutDuringItsReplayIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &diskLog{epoch: "e"}
		srv := recoveryServer(t, log, nil)
		b := replaying(t, srv, log)
		srv.Of("/").Socket(b.sid).Disconnect(false)
		time.Sleep(2 * drainCheck)
		synctest.Wait()
		b.w.mu.Lock()
		last := b.w.received[len(b.w.received)-1].String()
		b.w.mu.Unlock()
		if last != "1" || b.w.closed {
			t.Errorf("last came %.20s", last)
		}
	})
}

// Events of the session that it left would pass for those of the one it begins.
func TestAClientThatLeavesDuringItsReplayIsSentNoMoreOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &diskLog{epoch: "e"}
		srv := recoveryServer(t, log, nil)
		b := &browser{t: t, name: "b"}
		b.online(srv)
		b.offline()
		commitLarge(t, srv, log, replayChunk)
		var w *wire
		w = newWireWith(srv, 4, func() { w.say("1", "0") })
		w.say(fmt.Sprintf(`0{"pid":%q}`, b.pid))
		synctest.Wait()
		var order []string
		for range w.received {
			order = append(order, w.next(t)[:8])
		}
		if fmt.Sprint(order) != `[0{"sid": 2["logge 0{"sid":]` {
			t.Errorf("received %q", order)
		}
	})
}

// A client that takes nothing must not fill the memory, and loses nothing by that.
func TestTooMuchThatWaitsForAReplayEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &diskLog{epoch: "e"}
		srv := recoveryServer(t, log, nil)
		b := replaying(t, srv, log)
		large := strings.Repeat("x", maxHeld/5)
		for n := range 5 {
			if b.w.closed {
				t.Fatalf("closed after %d events", n)
			}
			mustBeNil(t, srv.Of("/").Emit("large", large, 1))
			synctest.Wait()
		}
		if !b.w.closed || srv.Of("/").Count() != 0 {
			t.Fatal("the connection is open")
		}
		b.read()
		b.online(srv)
		if fmt.Sprint(b.got) != "[0 1 2]" || b.recovered != 2 {
			t.Errorf("got %v", b.got)
		}
	})
}
