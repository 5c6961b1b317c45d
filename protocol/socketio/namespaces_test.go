package socketio

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"testing"
)

func TestNamespacesThatAreMadeByNameBelongToTheirPattern(t *testing.T) {
	srv := newTestServer(t, Options{CleanupEmptyChildNamespaces: true})
	d := srv.OfPattern(regexp.MustCompile(`^/room-\d+$`))
	d.Use(func(s *Socket) error { s.Join("seen by the pattern"); return nil })
	n := srv.Of("/room-1")
	w := newWire(srv)
	s := w.join(t, "/room-1")
	if !slices.Contains(s.Rooms(), "seen by the pattern") || d.Count() != 1 {
		t.Errorf("rooms %v, %d sockets of the pattern", s.Rooms(), d.Count())
	}
	mustBeNil(t, d.Emit("to all"))
	w.expect(t, `2/room-1,["to all"]`)
	w.say(`1/room-1,`)
	if srv.existing("/room-1") != nil || n.Count() != 0 {
		t.Error("a namespace that was made by name is kept when it is empty")
	}
}

func TestNewNamespacesAreAnnouncedBeforeClientsJoinThem(t *testing.T) {
	srv := newTestServer(t, Options{})
	srv.OfPattern(regexp.MustCompile(`^/dynamic-\d+$`))
	var made []string
	remove := srv.OnNewNamespace(func(n *Namespace) {
		made = append(made, fmt.Sprint(n.Name(), " ", n.Count()))
		srv.Of("/made by the hook") // it may make others
		n.OnConnection(func(s *Socket) { _ = s.Emit("hello") })
	})
	w := newWire(srv)
	w.join(t, "/dynamic-101")
	w.expect(t, `2/dynamic-101,["hello"]`)
	srv.Of("/named")
	srv.Of("/named")
	newWire(srv).join(t, "/dynamic-101")
	remove()
	srv.Of("/later")
	want := []string{"/dynamic-101 0", "/made by the hook 0", "/named 0"}
	if !slices.Equal(made, want) {
		t.Errorf("announced %q, want %q", made, want)
	}
}

func TestARefusedClientIsInNoRoomWhenItLearnsOfIt(t *testing.T) {
	srv := newTestServer(t, Options{})
	n := srv.Of("/")
	n.Use(func(s *Socket) error { s.Join("room1"); return &Error{Message: "nope"} })
	w := newWire(srv)
	w.say("0")
	w.expect(t, `4{"message":"nope"}`)
	if rooms := n.Rooms(); len(rooms) != 0 {
		t.Errorf("rooms %v", rooms)
	}
}

func TestEventsThatWaitAreDroppedWhenTheServerDisconnects(t *testing.T) {
	srv := newTestServer(t, Options{})
	first, goOn := make(chan struct{}), make(chan struct{})
	handled := make(chan int, 3)
	On(srv, "n", func(s *Socket, n int) {
		if n == 1 {
			close(first)
			<-goOn
			s.Disconnect(false)
		}
		handled <- n
	})
	gone := make(chan Reason, 1)
	srv.Of("/").OnDisconnect(func(_ *Socket, r Reason) { gone <- r })
	w := newWire(srv)
	w.join(t, "/")
	w.say(`2["n",1]`, `2["n",2]`)
	wait(t, first)
	close(goOn)
	if r := wait(t, gone); r != ReasonServerDisconnect || len(handled) != 1 {
		t.Errorf("%q after %d events", r, len(handled))
	}
	w.expect(t, "1")
}

// What a client sent before it left counts.
func TestEventsThatWaitAreHandledWhenTheClientDisconnects(t *testing.T) {
	srv := newTestServer(t, Options{})
	first, goOn := make(chan struct{}, 2), make(chan struct{})
	handled := make(chan int, 3)
	On(srv, "n", func(_ *Socket, n int) {
		first <- struct{}{}
		<-goOn
		handled <- n
	})
	gone := make(chan Reason, 1)
	srv.Of("/").OnDisconnect(func(_ *Socket, r Reason) { gone <- r })
	w := newWire(srv)
	w.join(t, "/")
	w.say(`2["n",1]`, `2["n",2]`, "1")
	wait(t, first)
	close(goOn)
	if r := wait(t, gone); r != ReasonClientDisconnect || len(handled) != 2 {
		t.Errorf("%q after %d events", r, len(handled))
	}
}

func TestMiddlewareMayRenameAnEvent(t *testing.T) {
	srv := newTestServer(t, Options{})
	n := srv.Of("/")
	n.UseEvents(func(e *Event) error {
		name, err := ArgsOf(e.Name)
		e.Name, e.Args = "wrap", append(name, e.Args...)
		return err
	})
	got := make(chan Args2[string, string], 1)
	On(n, "wrap", func(_ *Socket, a Args2[string, string]) { got <- a })
	On(n, "join", func(*Socket, struct{}) { t.Error("the old name") })
	w := newWire(srv)
	w.join(t, "/")
	w.say(`2["join","woot"]`)
	if a := wait(t, got); a.A != "join" || a.B != "woot" {
		t.Errorf("got %+v", a)
	}
}

func TestNamesKeptForTheServerAreNotEmittedToOtherServers(t *testing.T) {
	n := newTestServer(t, Options{}).Of("/")
	for _, event := range []string{"connect", "connection", "new_namespace"} {
		if err := n.ServerSideEmit(event); err != ErrReservedEvent {
			t.Errorf("%s: %v", event, err)
		}
		if _, err := n.ServerSideEmitWithAck(t.Context(), event); err != ErrReservedEvent {
			t.Errorf("%s: %v", event, err)
		}
	}
}

// Hooks come in the order of the socket's life, whatever runs meanwhile.
func TestDisconnectingHooksWaitForTheConnectionHandler(t *testing.T) {
	srv := newTestServer(t, Options{})
	n := srv.Of("/")
	goOn := make(chan struct{})
	got := make(chan string, 4)
	n.OnConnection(func(s *Socket) {
		<-goOn
		<-s.Context().Done() // it has ended, though its hooks wait
		got <- fmt.Sprint("connection ", len(s.Rooms()), " ", context.Cause(s.Context()))
	})
	n.OnDisconnecting(func(s *Socket, _ Reason) { got <- fmt.Sprint("disconnecting ", len(s.Rooms())) })
	n.OnDisconnect(func(s *Socket, _ Reason) { got <- fmt.Sprint("disconnect ", len(s.Rooms())) })
	w := newWire(srv)
	s := w.join(t, "/")
	s.Join("r")
	w.say("1")
	if s.Connected() || w.client.socket("/") != nil {
		t.Error("still connected")
	}
	if err := n.Emit("x"); err != nil {
		t.Error(err)
	}
	w.expectNothing(t)
	w.join(t, "/") // the client may join again meanwhile
	close(goOn)
	for _, want := range []string{"connection 2 " + (&DisconnectError{ReasonClientDisconnect}).Error(), "disconnecting 2", "disconnect 0"} {
		if g := wait(t, got); g != want {
			t.Errorf("got %s, want %s", g, want)
		}
	}
	if n.RoomSize("r") != 0 {
		t.Error("it is still in the room")
	}
}

func TestAttachmentsAreBase64InText(t *testing.T) {
	args, err := ArgsOf(map[string]any{"a": []byte{1, 2, 3}}, []byte{}, "\n")
	mustBeNil(t, err)
	if got := fmt.Sprint(args); got != `[{"a":"AQID"} "" "\n"]` {
		t.Errorf("got %s", got)
	}
}

func TestTheNamespacesOfAConnectionAreLeftInTheOrderOfJoining(t *testing.T) {
	srv := newTestServer(t, Options{})
	names := []string{"/", "/e", "/c", "/d", "/a", "/b"}
	w := newWire(srv)
	var first *Socket
	for _, name := range names {
		srv.Of(name)
		if s := w.join(t, name); first == nil {
			first = s
		}
	}
	first.Disconnect(true)
	w.expect(t, "1", "1/e,", "1/c,", "1/d,", "1/a,", "1/b,")
	w.expectClosed(t)
}
