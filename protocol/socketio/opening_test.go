package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"podium/protocol/engineio"
)

// admissions are the ways in which a socket comes in: on the goroutine that reads,
// in its mailbox, and with events of a log that is followed or appended to.
var admissions = []struct {
	name       string
	middleware bool
	log        func() Log
}{
	{"in place", false, func() Log { return nil }},
	{"in its mailbox", true, func() Log { return nil }},
	{"following a log", false, func() Log { return &diskLog{epoch: "e"} }},
	{"appending to a log", true, func() Log { return new(MemoryLog) }},
}

// busyParser calls a function whenever it encodes a CONNECT.
type busyParser struct {
	JSONParser
	onConnect func()
}

func (p busyParser) Encode(pkt *Packet) ([]*engineio.Message, error) {
	if pkt.Type == Connect {
		p.onConnect()
	}
	return p.JSONParser.Encode(pkt)
}

// moment is when something happens to a socket that comes in.
type moment string

const (
	beforeCONNECT moment = "before CONNECT" // is queued
	afterCONNECT  moment = "after CONNECT"  // while it is being queued: the socket cannot be closed
)

// comingIn calls test with connections to servers of all kinds. When their clients
// join, act is called at a moment, on the goroutine that lets them in.
func comingIn(t *testing.T, protocols []int, moments []moment, act func(t *testing.T, n *Namespace), test func(t *testing.T, n *Namespace, w *wire)) {
	for _, a := range admissions {
		for _, protocol := range protocols {
			for _, at := range moments {
				t.Run(fmt.Sprintf("%s, protocol %d, %s", a.name, protocol, at), func(t *testing.T) {
					var n *Namespace
					var once sync.Once
					now := func(m moment) func() {
						return func() {
							if m == at {
								once.Do(func() { act(t, n) })
							}
						}
					}
					o := Options{Parser: busyParser{onConnect: now(beforeCONNECT)}}
					if log := a.log(); log != nil {
						o.Recovery = &Recovery{Log: log}
					}
					n = newTestServer(t, o).Of("/")
					if a.middleware {
						n.Use(func(*Socket) error { return nil })
					}
					w := newWireWith(n.Server(), protocol, now(afterCONNECT))
					if protocol == 4 {
						w.say("0")
					}
					if first := w.next(t); !strings.HasPrefix(first, "0") {
						t.Fatalf("first came %s", first)
					}
					test(t, n, w)
				})
			}
		}
	}
}

// noError is mustBeNil on any goroutine.
func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
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
	act := func(t *testing.T, n *Namespace) {
		s := theOnly(n)
		if s == nil || n.Count() != 1 || !s.Connected() || n.Socket(s.ID()) != s {
			t.Errorf("%d sockets, among them %v", n.Count(), s)
			return
		}
		noError(t, n.SocketsJoin("room"))
		noError(t, n.Emit("to all", 1))
		noError(t, n.Local().Emit("of this server", "2"))
		noError(t, n.To("room").Emit("to the room", 3))
		noError(t, n.Volatile().Emit("volatile"))
		noError(t, s.Volatile().Emit("to one", 5))
		noError(t, n.Emit("to all", 6))
	}
	comingIn(t, []int{4, 3}, []moment{beforeCONNECT, afterCONNECT}, act, func(t *testing.T, n *Namespace, w *wire) {
		for _, want := range []string{
			`2["to all",1`, `2["of this server","2"`, `2["to the room",3`, `2["volatile"`, `2["to one",5]`, `2["to all",6`,
		} {
			if got := w.next(t); !strings.HasPrefix(got, want) {
				t.Errorf("received %s, want %s", got, want)
			}
		}
		eventually(t, "the opening", func() bool { return theOnly(n).state.Load() == stateConnected })
		mustBeNil(t, n.Volatile().Emit("later", 7))
		w.expect(t, `2["later",7]`)
	})
}

func TestAnAcknowledgementMayBeAskedForBeforeCONNECTIsAnswered(t *testing.T) {
	answer := make(chan string, 1)
	act := func(t *testing.T, n *Namespace) {
		s := theOnly(n)
		asking := make(chan struct{})
		s.OnAnyOutgoing(func(*Socket, string, Args) { close(asking) })
		go func() {
			args, err := s.EmitWithAck(t.Context(), "ask")
			answer <- fmt.Sprint(args, err)
		}()
		<-asking
	}
	comingIn(t, []int{4}, []moment{beforeCONNECT, afterCONNECT}, act, func(t *testing.T, n *Namespace, w *wire) {
		w.expect(t, `20["ask"]`)
		w.say(`30["yes"]`)
		if got := wait(t, answer); got != `["yes"] <nil>` {
			t.Errorf("answered %s", got)
		}
	})
}

// DISCONNECT in front of CONNECT would leave the client in a namespace that the
// server put it out of.
func TestASocketThatIsPutOutAsItComesInIsToldInOrder(t *testing.T) {
	var s *Socket
	act := func(t *testing.T, n *Namespace) {
		s = theOnly(n)
		n.OnConnection(func(*Socket) { t.Error("the connection of who was put out") })
		n.OnDisconnecting(func(*Socket, Reason) { t.Error("the end of a connection that was not announced") })
		s.OnDisconnect(func(*Socket, Reason) { t.Error("the end of a connection that was not announced") })
		noError(t, n.Emit("bye", "reason"))
		noError(t, n.DisconnectSockets(false))
		noError(t, n.Emit("too late", 2))
		if err := s.Volatile().Emit("too late", 3); !errors.Is(err, ErrDisconnected) {
			t.Errorf("emitting to who was put out: %v", err)
		}
		if held, err := s.hold(nil); !held || !errors.Is(err, ErrDisconnected) { // as the state was looked at before
			t.Errorf("an event would come behind DISCONNECT: %v, %v", held, err)
		}
	}
	comingIn(t, []int{4}, []moment{beforeCONNECT}, act, func(t *testing.T, n *Namespace, w *wire) {
		if got := w.next(t); !strings.HasPrefix(got, `2["bye","reason"`) {
			t.Errorf("received %s", got)
		}
		w.expect(t, "1")
		eventually(t, "the end of the socket", func() bool { return w.client.socket("/") == nil })
		var why *DisconnectError
		if !errors.As(context.Cause(s.Context()), &why) || why.Reason != ReasonServerDisconnect || n.Count() != 0 {
			t.Errorf("%v, and %d sockets are left", why, n.Count())
		}
		w.expectNothing(t)
	})
}

// It gets nothing of the old session behind the answer of the new one.
func TestAClientMayLeaveAndComeBackAsItIsPutOut(t *testing.T) {
	leave := func(t *testing.T, w *wire) {
		go w.say("1", "0")
		eventually(t, "the client waits for what is being sent", func() bool { return waitsForLock("(*Socket).clientLeft") })
	}
	answered := func(t *testing.T, w *wire) {
		got := w.next(t)
		if got == "1" { // it was told just before it left
			got = w.next(t)
		}
		if !strings.HasPrefix(got, "0{") {
			t.Errorf("received %s", got)
		}
	}
	t.Run("as it comes in", func(t *testing.T) {
		var n *Namespace
		var once sync.Once
		kick := func() { once.Do(func() { noError(t, n.DisconnectSockets(false)) }) }
		n = newTestServer(t, Options{Parser: busyParser{onConnect: kick}}).Of("/")
		n.Use(func(*Socket) error { return nil })
		var w *wire
		w = newWireWith(n.Server(), 4, func() { leave(t, w) })
		w.say("0")
		if got := w.next(t); !strings.HasPrefix(got, "0{") {
			t.Errorf("received %s", got)
		}
		answered(t, w)
		eventually(t, "the new socket alone", func() bool { return n.Count() == 1 && theOnly(n).Connected() })
		w.expectNothing(t)
	})
	t.Run("later", func(t *testing.T) {
		n := newTestServer(t, Options{}).Of("/")
		w := newWire(n.Server())
		s := w.join(t, "/")
		s.OnDisconnecting(func(*Socket, Reason) { leave(t, w) })
		s.Disconnect(false)
		answered(t, w)
		w.expectNothing(t)
	})
}

// The server sends DISCONNECT first, and only then forgets that it was to come.
func TestAClientMayComeBackAsSoonAsItIsToldThatItIsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newTestServer(t, Options{})
		n := srv.Of("/")
		w := newWire(srv)
		s := w.join(t, "/")
		s.state.Store(stateJoined) // as if it had just come in
		s.Disconnect(false)
		w.expect(t, "1")
		if w.client.socket("/") != s {
			t.Error("the client is free to join before it was told")
		}
		w.join(t, "/")
		if n.Count() != 1 || w.closed {
			t.Errorf("%d sockets, closed: %v", n.Count(), w.closed)
		}
	})
}

// Handlers for the connection may run late, and register the others as they do.
func TestDisconnectHooksOfALateConnectionHandlerAreCalled(t *testing.T) {
	n := newTestServer(t, Options{}).Of("/")
	goOn, told := make(chan struct{}), make(chan string, 2)
	n.OnConnection(func(s *Socket) {
		<-goOn
		s.OnDisconnecting(func(*Socket, Reason) { told <- "disconnecting" })
		s.OnDisconnect(func(*Socket, Reason) { told <- "disconnect" })
	})
	w := newWire(n.Server())
	w.join(t, "/")
	w.say("1")
	close(goOn)
	for _, want := range []string{"disconnecting", "disconnect"} {
		if got := wait(t, told); got != want {
			t.Errorf("%s was called, want %s", got, want)
		}
	}
}

// An official client that is not told would connect again by itself.
func TestAConnectionThatIsPutOutAsItComesInIsTold(t *testing.T) {
	act := func(t *testing.T, n *Namespace) { theOnly(n).Disconnect(true) }
	for _, a := range admissions[:2] {
		var n *Namespace
		n = newTestServer(t, Options{Parser: busyParser{onConnect: func() { act(t, n) }}}).Of("/")
		if a.middleware {
			n.Use(func(*Socket) error { return nil })
		}
		w := newWire(n.Server())
		w.say("0")
		w.expect(t, "1")
		w.expectClosed(t)
		w.expectNothing(t)
	}
}

// largeEvent is the size of an event of which one waits in a connection at a time.
const largeEvent = maxReplayQueue - replayChunk

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

// replaying returns a browser, in "room", whose replay of three events that are too
// large to leave at once has begun.
func replaying(t *testing.T, srv *Server, log *diskLog) *browser {
	t.Helper()
	b := &browser{t: t, name: "b"}
	b.online(srv)
	srv.Of("/").Socket(b.sid).Join("room")
	b.offline()
	commitLarge(t, srv, log, largeEvent)
	b.w = newWire(srv)
	b.w.slow = true // nothing that was sent is taken
	b.connected = false
	b.w.say(fmt.Sprintf(`0{"pid":%q}`, b.pid))
	synctest.Wait()
	if s := b.w.client.socket("/"); b.w.Buffered() < largeEvent || s.state.Load() != stateJoined {
		t.Fatalf("no replay is under way: %d bytes wait", b.w.Buffered())
	}
	return b
}

// pidOf returns what a client holds that was there when the log was empty.
func pidOf(srv *Server) string {
	t := ticket{id: newID(), issued: time.Now()}
	return t.seal(srv.publisher.options.Key, "/", srv.publisher.tag)
}

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
		if want := formatOffset(n.Server().publisher.tag, 5); fmt.Sprint(b.got) != "[0 1 2 3 4]" || b.recovered != 1 || b.offset != want {
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
		commitLarge(t, srv, log, replayChunk)
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

// brokenLog is a diskLog that fails as it is read.
type brokenLog struct {
	*diskLog
	read func() error
}

func (l brokenLog) Read(after uint64, f func(Entry) bool) error {
	if err := l.read(); err != nil {
		return err
	}
	return l.diskLog.Read(after, f)
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
				log := brokenLog{&diskLog{epoch: "e"}, func() error { return nil }}
				srv := recoveryServer(t, &log, func(r *Recovery) { r.RingBytes = 1 })
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
		for range 20 {
			commitLarge(t, srv, log, size)
		}
		b.w = newWire(srv)
		b.w.slow, b.connected = true, false
		b.w.say(fmt.Sprintf(`0{"pid":%q}`, b.pid))
		synctest.Wait()
		if n := b.w.Buffered(); n < bound/4 || n > bound {
			t.Errorf("%d bytes wait", n)
		}
		if b.takeAll(); len(b.got) != 60 {
			t.Errorf("got %v", b.got)
		}
	})
}
