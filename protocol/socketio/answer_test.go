package socketio

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"podium/protocol/engineio"
	"podium/protocol/socketio/parser"
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

func (p busyParser) Encode(pkt *parser.Packet) ([]*engineio.Message, error) {
	if pkt.Type == parser.Connect {
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
		eventually(t, "the opening", func() bool { return theOnly(n).life() == stateConnected })
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
		var n *Namespace
		var out *Socket
		p := busyParser{onConnect: func() {
			if out == nil {
				out = theOnly(n)
				out.Disconnect(false)
			}
		}}
		srv := newTestServer(t, Options{Parser: p})
		n = srv.Of("/")
		w := newWire(srv)
		w.onFirst = func() {
			if out == nil || w.client.socket("/") != out {
				t.Error("the client is free to join before it was told")
			}
		}
		w.say("0")
		if got := w.next(t); !strings.HasPrefix(got, "0{") {
			t.Errorf("received %s", got)
		}
		w.expect(t, "1")
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
		s.OnDisconnecting(func(s *Socket, _ Reason) { told <- fmt.Sprint("disconnecting ", len(s.Rooms())) })
		s.OnDisconnect(func(s *Socket, _ Reason) { told <- fmt.Sprint("disconnect ", len(s.Rooms())) })
	})
	w := newWire(n.Server())
	w.join(t, "/").Join("room")
	w.say("1")
	close(goOn)
	for _, want := range []string{"disconnecting 2", "disconnect 0"} {
		if got := wait(t, told); got != want {
			t.Errorf("%s was called, want %s", got, want)
		}
	}
}

// An official client that is not told would connect again by itself.
func TestAConnectionThatIsPutOutAsItComesInIsTold(t *testing.T) {
	for _, a := range admissions[:2] {
		var n *Namespace
		n = newTestServer(t, Options{Parser: busyParser{onConnect: func() { theOnly(n).Disconnect(true) }}}).Of("/")
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
