package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"podium/protocol/engineio"
)

// largeEvent is the size of an event of which one waits in a connection at a time.
const largeEvent = maxReplayQueue - replayChunk

// publishLarge commits some events of a size, numbered from 0, and publishes them.
func publishLarge(t *testing.T, srv *Server, log *diskLog, events, size int) {
	t.Helper()
	large, err := json.Marshal(strings.Repeat("x", size))
	mustBeNil(t, err)
	for n := range events {
		e := numbered(n)
		e.Args = append(e.Args, large)
		log.commit(e)
	}
	mustBeNil(t, srv.Publish())
}

// replaying returns a browser, in "room", whose replay of three events that are too
// large to leave at once has begun.
func replaying(t *testing.T, srv *Server, log *diskLog) *browser {
	t.Helper()
	b := &browser{t: t, name: "b"}
	b.online(srv)
	srv.Of("/").Socket(b.sid).Join("room")
	b.offline()
	publishLarge(t, srv, log, 3, largeEvent)
	b.w = newWire(srv)
	b.w.slow = true // nothing that was sent is taken
	b.connected = false
	b.w.say(fmt.Sprintf(`0{"pid":%q}`, b.pid))
	synctest.Wait()
	if s := b.w.client.socket("/"); b.w.Buffered() < largeEvent || !s.life().joining() {
		t.Fatalf("no replay is under way: %d bytes wait", b.w.Buffered())
	}
	return b
}

// pidOf returns what a client holds that was there when the log was empty.
func pidOf(srv *Server) string {
	t := ticket{id: newID(), issued: time.Now()}
	return t.seal(srv.publisher.options.Key, "/", tagIn(srv))
}

func tagIn(srv *Server) epochTag { return srv.publisher.history.Load().tag }

// takeAll reads until nothing comes any more, and returns how the messages begin.
func (b *browser) takeAll() (order []string) {
	for b.w.Buffered() > 0 {
		b.w.mu.Lock()
		for _, m := range b.w.received {
			order = append(order, fmt.Sprintf("%.16s", m))
		}
		b.w.mu.Unlock()
		b.read()
		time.Sleep(2 * drainCheck) // virtual
		synctest.Wait()
	}
	return order
}

// duringReplay calls test with a browser whose replay has begun.
func duringReplay(t *testing.T, test func(t *testing.T, n *Namespace, log *diskLog, b *browser)) {
	synctest.Test(t, func(t *testing.T) {
		log := &diskLog{epoch: "e"}
		srv := recoveryServer(t, log, nil)
		test(t, srv.Of("/"), log, replaying(t, srv, log))
	})
}

// Whether they are logged or not: and the client's offset is never behind what it
// has, or it would get that again.
func TestEventsThatAreEmittedDuringAReplayComeAfterItInOrder(t *testing.T) {
	duringReplay(t, func(t *testing.T, n *Namespace, log *diskLog, b *browser) {
		mustBeNil(t, n.Emit("note", 1, "ends in a string"))
		publish(t, n.Server(), log, 3)
		mustBeNil(t, n.Socket(b.sid).Emit("note", 2))
		mustBeNil(t, n.Volatile().Emit("stale"))
		publish(t, n.Server(), log, 4)
		order := b.takeAll()
		if len(order) < 4 || fmt.Sprint(order[len(order)-4:]) != `[2["note",1,"ends 2["logged",3,"~3 2["note",2] 2["logged",4,"~3]` {
			t.Errorf("received %q", order)
		}
		if want := formatOffset(tagIn(n.Server()), mark{offset: 5}); fmt.Sprint(b.got) != "[0 1 2 3 4]" || b.recovered != 1 || b.offset != want {
			t.Errorf("got %v up to %s, want all up to %s", b.got, b.offset, want)
		}
		b.offline()
		b.online(n.Server())
		if len(b.got) != 5 || b.recovered != 2 {
			t.Errorf("after another drop it has %v", b.got)
		}
	})
}

// It is after the moment of joining, but the log has it before it is read.
func TestAnEventThatIsLoggedBetweenJoiningAndReplayComesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &diskLog{epoch: "e"}
		joining := func() {}
		srv := newTestServer(t, Options{Parser: busyParser{onConnect: func() { joining() }}, Recovery: &Recovery{Log: log}})
		b := &browser{t: t, name: "b"}
		b.online(srv)
		b.offline()
		publish(t, srv, log, 1)
		joining = func() {
			log.commit(numbered(2))
			noError(t, srv.Publish())
		}
		b.online(srv)
		if fmt.Sprint(b.got) != "[1 2]" {
			t.Errorf("got %v", b.got)
		}
	})
}

// What a socket gets depends on the rooms it was in when the event was delivered.
func TestRoomsThatChangeDuringAReplayCountFromThenOn(t *testing.T) {
	duringReplay(t, func(t *testing.T, n *Namespace, log *diskLog, b *browser) {
		send := func(number int, rooms, except []string) {
			e := numbered(number)
			e.Rooms, e.Except = rooms, except
			log.commit(e)
			mustBeNil(t, n.Server().Publish())
		}
		room, other := []string{"room"}, []string{"other"}
		send(3, room, nil)
		send(-1, nil, room)
		mustBeNil(t, n.SocketsLeave("room"))
		send(-2, room, nil)
		send(4, nil, room)
		send(-3, other, nil)
		mustBeNil(t, n.SocketsJoin("other"))
		send(5, other, nil)
		send(-4, nil, other)
		b.takeAll()
		if fmt.Sprint(b.got) != "[0 1 2 3 4 5]" {
			t.Errorf("got %v", b.got)
		}
	})
}

func TestASocketThatIsPutOutDuringItsReplayGetsWhatCameBefore(t *testing.T) {
	duringReplay(t, func(t *testing.T, n *Namespace, log *diskLog, b *browser) {
		publish(t, n.Server(), log, 3)
		mustBeNil(t, n.Emit("bye", "reason"))
		n.Socket(b.sid).Disconnect(false)
		publish(t, n.Server(), log, 4)
		order := b.takeAll()
		if fmt.Sprint(b.got) != "[0 1 2 3]" || order[len(order)-2] != `2["bye","reason"` || order[len(order)-1] != "1" {
			t.Errorf("received %q", order)
		}
	})
}

// It does not know yet, and its connection may serve other namespaces.
func TestAClientThatIsPutOutDuringItsReplayMayTalkAndComeBack(t *testing.T) {
	duringReplay(t, func(t *testing.T, n *Namespace, log *diskLog, b *browser) {
		n.Socket(b.sid).Disconnect(false)
		On(n, "event", func(*Socket, struct{}) { t.Error("an event of who was put out") })
		b.w.say(`2["event"]`, `31["an answer"]`)
		if order := b.takeAll(); b.w.closed || order[len(order)-1] != "1" {
			t.Errorf("closed: %v, received %q", b.w.closed, order)
		}
		b.w.say("0")
		if order := b.takeAll(); b.w.closed || len(order) != 1 || b.sessions != 2 {
			t.Errorf("closed: %v, received %q", b.w.closed, order)
		}
	})
	duringReplay(t, func(t *testing.T, n *Namespace, log *diskLog, b *browser) {
		n.Socket(b.sid).Disconnect(false)
		b.w.say("1", "0") // it leaves at the same time
		if order := b.takeAll(); b.w.closed || fmt.Sprint(b.got) != "[0]" || b.sessions != 2 {
			t.Errorf("closed: %v, received %q", b.w.closed, order)
		}
	})
}

// Or it would wait for a client that is no more, and Shutdown for that.
func TestAReplayEndsWithItsConnection(t *testing.T) {
	for _, end := range []func(s *Socket, w *wire) error{
		func(_ *Socket, w *wire) error { w.drop(); return nil },
		func(s *Socket, w *wire) error { s.Disconnect(false); w.drop(); return nil },
		func(s *Socket, _ *wire) error { s.Disconnect(true); return nil },
		func(s *Socket, _ *wire) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second) // virtual
			defer cancel()
			return s.Namespace().Server().Shutdown(ctx)
		},
	} {
		duringReplay(t, func(t *testing.T, n *Namespace, log *diskLog, b *browser) {
			mustBeNil(t, end(n.Socket(b.sid), b.w))
			time.Sleep(2 * drainCheck) // virtual
			synctest.Wait()
			if running := n.Server().workers.running.Load(); running != 0 || n.Count() != 0 || !b.w.closed {
				t.Errorf("%d goroutines, %d sockets", running, n.Count())
			}
		})
	}
}

// Clients that take nothing must not keep others from coming in.
func TestAReplayThatWaitsForItsClientIsNobodysTurn(t *testing.T) {
	duringReplay(t, func(t *testing.T, n *Namespace, log *diskLog, b *browser) {
		srv := n.Server()
		for range cap(srv.publisher.turns) {
			w := newWire(srv)
			w.slow = true
			w.say(fmt.Sprintf(`0{"pid":%q}`, pidOf(srv)))
		}
		synctest.Wait()
		quick := newWire(srv)
		quick.say(fmt.Sprintf(`0{"pid":%q}`, pidOf(srv)))
		synctest.Wait()
		if len(quick.received) != 4 {
			t.Errorf("received %d messages", len(quick.received))
		}
	})
}

// Events of the session that it left would pass for those of the one it begins.
func TestAClientThatLeavesDuringItsReplayIsSentNoMoreOfIt(t *testing.T) {
	duringReplay(t, func(t *testing.T, n *Namespace, log *diskLog, b *browser) {
		On(n, "event", func(*Socket, struct{}) { t.Error("an event of a socket that the application was not told of") })
		mustBeNil(t, n.To(b.sid).Emit("private", 1))
		b.w.say(`2["event"]`, "1", "0")
		order := b.takeAll()
		if fmt.Sprint(b.got) != "[0]" || b.sessions != 2 || !strings.HasPrefix(order[len(order)-1], "0{") {
			t.Errorf("received %q", order)
		}
	})
	synctest.Test(t, func(t *testing.T) { // the same, between two chunks
		log := &diskLog{epoch: "e"}
		srv := recoveryServer(t, log, nil)
		b := &browser{t: t, name: "b"}
		b.online(srv)
		b.offline()
		publishLarge(t, srv, log, 3, replayChunk)
		b.w = newWireWith(srv, 4, func() { go b.w.say("1", "0") })
		b.w.slow = true
		b.w.say(fmt.Sprintf(`0{"pid":%q}`, b.pid))
		synctest.Wait()
		if order := b.takeAll(); !strings.HasPrefix(order[len(order)-1], "0{") {
			t.Errorf("received %q", order)
		}
	})
}

// A client that takes nothing must not fill the memory, and loses nothing by that.
func TestTooMuchThatWaitsForAReplayEndsTheConnection(t *testing.T) {
	for _, sizes := range [][]int{{maxHeld / 3, maxHeld / 3, maxHeld / 3}, {maxHeld + 1, 1}} {
		duringReplay(t, func(t *testing.T, n *Namespace, log *diskLog, b *browser) {
			asked := make(chan error, 1)
			s := n.Socket(b.sid)
			go func() {
				_, err := s.EmitWithAck(t.Context(), "ask")
				asked <- err
			}()
			synctest.Wait()
			for i, size := range sizes {
				if b.w.closed && i < len(sizes)-1 {
					t.Fatalf("closed after %d events", i)
				}
				mustBeNil(t, n.Emit("large", strings.Repeat("x", size), 1))
				synctest.Wait()
			}
			if err := wait(t, asked); !b.w.closed || n.Count() != 0 || !errors.Is(err, ErrDisconnected) {
				t.Fatalf("the connection is open, %v", err)
			}
			b.read()
			b.online(n.Server())
			if fmt.Sprint(b.got) != "[0 1 2]" || b.recovered != 2 {
				t.Errorf("got %v", b.got)
			}
		})
	}
}

func TestASessionIsTakenUpWhileItIsBroughtUpToDate(t *testing.T) {
	duringReplay(t, func(t *testing.T, n *Namespace, log *diskLog, b *browser) {
		s := n.Socket(b.sid)
		var told []string
		n.OnConnection(func(s *Socket) { told = append(told, fmt.Sprint("connection ", s.Connected())) })
		n.OnDisconnect(func(*Socket, Reason) { told = append(told, "disconnect") })
		s.Join("other")
		publish(t, n.Server(), log, 3)
		b.read()
		b.online(n.Server())
		if fmt.Sprint(b.got) != "[0 1 2 3]" || b.recovered != 2 || n.Count() != 1 || n.RoomSize("other") != 1 {
			t.Errorf("got %v, %d sockets, %d in the room", b.got, n.Count(), n.RoomSize("other"))
		}
		time.Sleep(2 * drainCheck) // virtual
		synctest.Wait()
		if fmt.Sprint(told) != "[connection true]" {
			t.Errorf("told of %q", told)
		}
	})
}

// A client that was told nothing comes again; one that waits for CONNECT would not.
func TestAReplayThatFailsEndsTheConnection(t *testing.T) {
	for name, fail := range map[string]func(n *Namespace, id string) error{
		"error":          func(*Namespace, string) error { return errFlaky },
		"panic":          func(*Namespace, string) error { panic("broken log") },
		"after a kick":   func(n *Namespace, id string) error { n.Socket(id).Disconnect(false); return errFlaky },
		"after an event": func(n *Namespace, id string) error { _ = n.Emit("note", 1); return errFlaky },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &flakyLog{&diskLog{epoch: "e"}, func() error { return nil }}
				srv := recoveryServer(t, log, func(r *Recovery) { r.RingBytes = 1 })
				b := &browser{t: t, name: "b"}
				b.online(srv)
				b.offline()
				publish(t, srv, log.diskLog, 1, 2, 3)
				n := srv.Of("/")
				log.read = func() error {
					if s := n.Socket(b.sid); s == nil { // the session is being judged
						return nil
					}
					return fail(n, b.sid)
				}
				b.connect(srv)
				synctest.Wait()
				if !b.w.closed || n.Count() != 0 || len(b.w.received) != 0 {
					t.Errorf("%d sockets, %q", n.Count(), b.w.received)
				}
				log.read = func() error { return nil }
			})
		})
	}
}

func TestReplaysKeepToALowBoundOfTheQueue(t *testing.T) {
	const bound, size = 64 << 10, 4 << 10
	synctest.Test(t, func(t *testing.T) {
		log := &diskLog{epoch: "e"}
		srv := newTestServer(t, Options{Engine: engineio.Options{MaxQueuedBytes: bound}, Recovery: &Recovery{Log: log}})
		b := &browser{t: t, name: "b"}
		b.online(srv)
		b.offline()
		publishLarge(t, srv, log, 60, size)
		b.w = newWire(srv)
		b.w.slow, b.connected = true, false
		b.w.say(fmt.Sprintf(`0{"pid":%q}`, b.pid))
		synctest.Wait()
		if n := b.w.Buffered(); n < bound/4 || n > bound/2 {
			t.Errorf("%d bytes wait", n)
		}
		if b.takeAll(); len(b.got) != 60 {
			t.Errorf("got %v", b.got)
		}
	})
}

// TestALongReplayWaitsForTheConnection has more to replay than a connection
// may have queued.
func TestALongReplayWaitsForTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &diskLog{epoch: "e"}
		srv := recoveryServer(t, log, func(r *Recovery) { r.RingBytes = 100 << 10 })
		b := &browser{t: t, name: "b"}
		b.online(srv)
		b.offline()
		publishLarge(t, srv, log, 200, 20<<10)
		b.connect(srv)
		b.w.mu.Lock()
		b.w.slow = true
		b.w.mu.Unlock()
		for len(b.got) < 200 {
			synctest.Wait()
			if waiting := b.w.Buffered(); waiting > maxReplayQueue {
				t.Fatalf("%d bytes wait", waiting)
			}
			b.read()
			time.Sleep(drainCheck)
		}
		for i, n := range b.got {
			if i != n {
				t.Fatalf("got %v", b.got)
			}
		}
	})
}

// A client that leaves a namespace while it is being brought up to date in it stays
// in its others.
func TestLeavingDuringAReplayLeavesTheConnectionAlone(t *testing.T) {
	duringReplay(t, func(t *testing.T, n *Namespace, log *diskLog, b *browser) {
		other := n.Server().Of("/other")
		b.w.say(`0/other,`, `1`)
		time.Sleep(2 * drainCheck) // virtual
		synctest.Wait()
		if n.Count() != 0 || other.Count() != 1 || b.w.closed {
			t.Errorf("%d and %d sockets, closed: %v", n.Count(), other.Count(), b.w.closed)
		}
	})
}
