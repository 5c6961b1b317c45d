package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestHandlersGetTypedArgumentsAndAnswer(t *testing.T) {
	type order struct {
		Item string `json:"item"`
		N    int    `json:"n"`
	}
	srv := newTestServer(t, Options{})
	On(srv, "one", func(s *Socket, o order) { mustBeNil(t, s.Emit("got", o.Item, o.N)) })
	OnAck(srv, "sum", func(_ *Socket, a Args2[int, int]) (int, error) { return a.A + a.B, nil })
	OnAck(srv, "both", func(_ *Socket, a Args3[int, string, bool]) (Args2[string, int], error) {
		return Args2[string, int]{A: a.B, B: a.A}, nil
	})
	OnAck(srv, "none", func(*Socket, struct{}) (struct{}, error) { return struct{}{}, nil })
	OnAck(srv, "public", func(*Socket, struct{}) (int, error) { return 0, &Error{"too late", 7} })
	OnAck(srv, "secret", func(*Socket, struct{}) (int, error) { return 0, errors.New("password is x") })
	OnAck(srv, "echo", func(_ *Socket, a Args) (Args, error) { return a, nil }, Inline)
	OnEvent(srv, "later", func(e *Event) { mustBeNil(t, e.Ack(e.Args.Any()...)) })
	w := newWire(srv)
	w.join(t, "/")
	w.say(`2["one",{"item":"x","n":3}]`)
	w.expect(t, `2["got","x",3]`)
	w.say(`21["sum",2,3,"ignored"]`, `22["both",1,"b",true]`, `23["none"]`, `24["public"]`, `25["secret"]`, `26["sum","x",1]`)
	w.expect(t, `31[5]`, `32["b",1]`, `33[]`, `34[{"error":"too late","data":7}]`, `35[{"error":"internal error"}]`, `36[{"error":"invalid arguments"}]`)
	w.say(`27["echo",1,{"a":[]}]`)
	w.expect(t, `37[1,{"a":[]}]`)
	w.say(`51-8["echo",{"_placeholder":true,"num":0}]`)
	w.sayBinary([]byte{1, 2})
	w.expect(t, `61-8[{"_placeholder":true,"num":0}]`, `binary 0102`)
	w.say(`29["later","x"]`)
	w.expect(t, `39["x"]`)
	w.say(`210["unknown event",1]`, `2["sum",1,2]`, `211["none"]`)
	w.expect(t, `311[]`)
}

func TestEventsOfASocketAreHandledInOrder(t *testing.T) {
	srv := newTestServer(t, Options{})
	hold := make(chan struct{})
	On(srv, "hold", func(*Socket, struct{}) { <-hold })
	On(srv, "n", func(s *Socket, n int) { mustBeNil(t, s.Emit("n", n)) })
	On(srv, "inline", func(s *Socket, n int) { mustBeNil(t, s.Emit("n", n)) }, Inline)
	w := newWire(srv)
	w.join(t, "/")
	w.say(`2["inline",0]`)
	w.expect(t, `2["n",0]`) // in place: it is there already
	w.say(`2["hold"]`)
	for i := 1; i < 100; i++ {
		w.say(fmt.Sprintf(`2["%s",%d]`, []string{"n", "inline"}[i%2], i))
	}
	w.expectNothing(t)
	close(hold)
	for i := 1; i < 100; i++ {
		w.expect(t, fmt.Sprintf(`2["n",%d]`, i))
	}
}

func TestASocketThatFloodsItsHandlersIsNotReadForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newTestServer(t, Options{MaxPendingBytes: 20 * (taskCost + 9)})
		next := make(chan struct{})
		On(srv, "slow", func(*Socket, struct{}) { <-next })
		w := newWire(srv)
		w.join(t, "/")
		say := func(n int) {
			for range n {
				w.say(`2["slow"]`)
			}
			synctest.Wait()
		}
		say(1) // is being handled
		if say(20); w.pauses.Load() != 0 {
			t.Fatal("paused too early")
		}
		if say(1); w.pauses.Load() != 1 {
			t.Fatal("the connection is read on")
		}
		say(30) // what was read before
		for left := 51; left > 0; left-- {
			next <- struct{}{}
			synctest.Wait()
			if paused, want := w.pauses.Load() == 1, left > 11; paused != want {
				t.Fatalf("%d events wait: paused %v, want %v", left-1, paused, want)
			}
		}
		next <- struct{}{}
	})
}

// A client that has the answer may emit before the connection handler, or the handler
// of the event before, has registered who is to take it.
func TestEventsWaitForWhoRegistersTheirHandlers(t *testing.T) {
	srv := newTestServer(t, Options{})
	hold := make(chan struct{})
	srv.OnConnection(func(s *Socket) {
		<-hold
		On(s, "first", func(s *Socket, _ struct{}) {
			On(s, "second", func(s *Socket, n int) { mustBeNil(t, s.Emit("second", n)) }, Inline)
		})
	})
	w := newWire(srv)
	w.join(t, "/")
	w.say(`2["first"]`, `2["second",1]`, `2["nobody"]`)
	close(hold)
	w.expect(t, `2["second",1]`)
}

func TestAPanicInAHandlerIsSurvived(t *testing.T) {
	srv := newTestServer(t, Options{Logger: slog.New(slog.DiscardHandler)})
	On(srv, "panic", func(*Socket, struct{}) { panic("oops") }, Inline)
	On(srv, "panic2", func(*Socket, struct{}) { panic("oops") })
	OnAck(srv, "ok", func(*Socket, struct{}) (struct{}, error) { return struct{}{}, nil })
	w := newWire(srv)
	w.join(t, "/")
	w.say(`2["panic"]`, `2["panic2"]`, `21["ok"]`)
	w.expect(t, `31[]`)
}

func TestRoomsAndBroadcastFlags(t *testing.T) {
	srv := newTestServer(t, Options{})
	n := srv.Of("/")
	ws, ss := joined(t, srv, 4)
	ss[0].Join("a", "b")
	ss[1].Join("a")
	ss[2].Join("b", "c")
	if got := ss[0].Rooms(); !slices.Equal(got, []string{ss[0].ID(), "a", "b"}) {
		t.Errorf("rooms %v", got)
	}
	tests := []struct {
		name string
		emit func() error
		want []int
	}{
		{"all", func() error { return n.Emit("x", 1) }, []int{0, 1, 2, 3}},
		{"room", func() error { return n.To("a").Emit("x", 1) }, []int{0, 1}},
		{"two rooms", func() error { return n.To("a").To("b").Emit("x", 1) }, []int{0, 1, 2}},
		{"room except room", func() error { return n.In("a", "b").Except("c").Emit("x", 1) }, []int{0, 1}},
		{"except", func() error { return n.Except("a").Emit("x", 1) }, []int{2, 3}},
		{"own room", func() error { return n.To(ss[3].ID()).Emit("x", 1) }, []int{3}},
		{"own room and room", func() error { return n.To(ss[3].ID(), "a", ss[0].ID()).Emit("x", 1) }, []int{0, 1, 3}},
		{"unknown room", func() error { return n.To("zzz").Emit("x", 1) }, nil},
		{"socket broadcast", func() error { return ss[0].Broadcast().Emit("x", 1) }, []int{1, 2, 3}},
		{"socket to room", func() error { return ss[0].To("a").Emit("x", 1) }, []int{1}},
		{"socket except", func() error { return ss[0].Except("b").Emit("x", 1) }, []int{1, 3}},
		{"local", func() error { return n.Local().Compress(false).Emit("x", 1) }, []int{0, 1, 2, 3}},
		{"socket", func() error { return ss[2].Emit("x", 1) }, []int{2}},
		{"own id excepted", func() error { return n.To(ss[3].ID()).Except(ss[3].ID()).Emit("x", 1) }, nil},
	}
	for _, tt := range tests {
		mustBeNil(t, tt.emit())
		for i, w := range ws {
			if slices.Contains(tt.want, i) {
				w.expect(t, `2["x",1]`)
			}
			w.expectNothing(t)
		}
	}
	ss[0].Leave("a")
	mustBeNil(t, n.To("a").SocketsJoin("d"))
	mustBeNil(t, n.To("b").SocketsLeave("b"))
	if n.RoomSize("d") != 1 || n.RoomSize("b") != 0 || n.RoomSize("a") != 1 || len(n.Rooms()) != 3 {
		t.Errorf("rooms %v", n.Rooms())
	}
	found, err := n.To("d").FetchSockets(context.Background())
	if err != nil || len(found) != 1 || found[0].ID != ss[1].ID() || !slices.Contains(found[0].Rooms, "d") {
		t.Errorf("fetched %v, %v", found, err)
	}
	mustBeNil(t, n.To("d").DisconnectSockets(true))
	ws[1].expect(t, `1`)
	ws[1].expectClosed(t)
	if n.Count() != 3 || n.RoomSize("d") != 0 || n.Socket(ss[1].ID()) != nil {
		t.Errorf("%d sockets remain", n.Count())
	}
}

func TestVolatileEventsAreDroppedWhereTheyWouldWait(t *testing.T) {
	srv := newTestServer(t, Options{})
	ws, ss := joined(t, srv, 2)
	ws[0].blocked.Store(true)
	mustBeNil(t, srv.Of("/").Volatile().Emit("v", 1))
	mustBeNil(t, ss[0].Volatile().Emit("v", 1))
	mustBeNil(t, ss[0].Emit("n", 1))
	ws[1].expect(t, `2["v",1]`)
	ws[0].expect(t, `2["n",1]`)
}

func TestAcknowledgementsFromClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newTestServer(t, Options{})
		ws, ss := joined(t, srv, 3)
		type result struct {
			n   int
			err error
		}
		got := make(chan result, 1)
		go func() {
			n, err := Call[int](context.Background(), ss[0], "q", "x")
			got <- result{n, err}
		}()
		ws[0].expect(t, `20["q","x"]`)
		ws[0].say(`399["nobody waits"]`, `30[42]`, `30[43]`)
		if r := wait(t, got); r.n != 42 || r.err != nil {
			t.Errorf("got %+v", r)
		}
		_, err := ss[0].Timeout(time.Second).EmitWithAck(context.Background(), "q")
		if !errors.Is(err, ErrAckTimeout) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		ws[0].expect(t, `21["q"]`)
		go func() {
			all, err := CallAll[int](context.Background(), srv.Of("/").Timeout(time.Second), "q")
			got <- result{len(all), err}
		}()
		for i, w := range ws {
			w.expect(t, `22["q"]`)
			if i < 2 {
				w.say(`32[1]`)
			}
		}
		if r := wait(t, got); r.n != 2 || !errors.Is(r.err, ErrAckTimeout) {
			t.Errorf("got %+v", r)
		}
		go func() {
			all, err := srv.Of("/").EmitWithAck(context.Background(), "q")
			got <- result{len(all), err}
		}()
		for i, w := range ws {
			w.expect(t, `23["q"]`)
			if i < 2 {
				w.say(`33[1]`)
			} else {
				w.drop()
			}
		}
		if r := wait(t, got); r.n != 2 || r.err != nil {
			t.Errorf("got %+v", r)
		}
		go func() {
			_, err := ss[0].Timeout(0).EmitWithAck(context.Background(), "q") // no timeout
			got <- result{0, err}
		}()
		ws[0].expect(t, `24["q"]`)
		ss[0].Disconnect(false)
		if r := wait(t, got); !errors.Is(r.err, ErrDisconnected) {
			t.Errorf("got %+v", r)
		}
		if err := ss[0].Emit("x"); !errors.Is(err, ErrDisconnected) {
			t.Errorf("emit after disconnect: %v", err)
		}
		if err := ss[1].Emit("disconnect"); !errors.Is(err, ErrReservedEvent) {
			t.Errorf("reserved event: %v", err)
		}
	})
}

func TestNamespacesAdmitAndRefuse(t *testing.T) {
	srv := newTestServer(t, Options{CleanupEmptyChildNamespaces: true})
	n := srv.Of("secret")
	n.Use(func(s *Socket) error {
		var auth struct{ Token string }
		if s.Handshake().Auth.Decode(&auth) != nil || auth.Token != "right" {
			return &Error{"not authorized", map[string]int{"code": 7}}
		}
		s.SetData("user")
		s.Join("vip")
		return nil
	})
	n.Use(func(s *Socket) error {
		if len(n.Rooms()) == 99 {
			return errors.New("never")
		}
		return nil
	})
	n.OnConnection(func(s *Socket) {
		user, _ := DataOf[string](s)
		mustBeNil(t, s.Emit("welcome", user, len(s.Rooms())))
	})
	w := newWire(srv)
	w.say(`0/secret,{"token":"wrong"}`)
	w.expect(t, `4/secret,{"message":"not authorized","data":{"code":7}}`)
	w.say(`0/nowhere,`)
	w.expect(t, `4/nowhere,{"message":"Invalid namespace"}`)
	w.say(`0/secret,{"token":"right"}`)
	if a := w.next(t); !strings.HasPrefix(a, `0/secret,{"sid":"`) {
		t.Fatal(a)
	}
	w.expect(t, `2/secret,["welcome","user",2]`)
	mustBeNil(t, n.To("vip").Emit("hi"))
	w.expect(t, `2/secret,["hi"]`)
	w.say(`2/other,["x"]`) // a namespace that was not joined
	w.expectClosed(t)
}

func TestNamespacesForPatternsComeAndGo(t *testing.T) {
	srv := newTestServer(t, Options{CleanupEmptyChildNamespaces: true})
	d := srv.OfPattern(regexp.MustCompile(`^/room-\d+$`))
	OnAck(d, "where", func(s *Socket, _ struct{}) (string, error) { return s.Namespace().Name(), nil })
	d.OnConnection(func(s *Socket) { s.Join("everyone") }, Inline)
	srv.OfFunc(func(name string, auth Value) bool { return name == "/func" && auth.Present() })
	w := newWire(srv)
	w.join(t, "/room-1")
	w.say(`2/room-1,5["where"]`)
	w.expect(t, `3/room-1,5["/room-1"]`)
	w2 := newWire(srv)
	s2 := w2.join(t, "/room-2")
	mustBeNil(t, d.To("everyone").Emit("all", 1))
	w.expect(t, `2/room-1,["all",1]`)
	w2.expect(t, `2/room-2,["all",1]`)
	if d.Count() != 2 {
		t.Errorf("%d sockets", d.Count())
	}
	w.say(`0/func,`)
	w.expect(t, `4/func,{"message":"Invalid namespace"}`)
	w.say(`0/func,{}`)
	w.next(t)
	w.say(`1/room-1,`)
	s2.Disconnect(false)
	w2.expect(t, `1/room-2,`)
	names := srv.Namespaces()
	slices.Sort(names)
	if !slices.Equal(names, []string{"/", "/func"}) {
		t.Errorf("namespaces %v", names)
	}
}

func TestListenersAndMiddlewareSeeEveryEvent(t *testing.T) {
	type report struct{ who, event, args string }
	got := make(chan report, 20)
	tell := func(who string) func(*Socket, string, Args) {
		return func(_ *Socket, event string, args Args) { got <- report{who, event, fmt.Sprint(args)} }
	}
	failed := make(chan error, 1)
	srv := newTestServer(t, Options{OnError: func(_ *Socket, err error) { failed <- err }})
	n := srv.Of("/")
	remove := n.OnAny(tell("any"))
	n.PrependAny(tell("first"))
	n.OnAnyOutgoing(tell("out"))
	w := newWire(srv)
	s := w.join(t, "/")
	s.OnAny(tell("own"))
	s.PrependAnyOutgoing(tell("own out"))
	s.Use(func(e *Event) error {
		if e.Name == "bad" {
			return errors.New("no")
		}
		return nil
	})
	On(s, "good", func(s *Socket, n int) { mustBeNil(t, s.Emit("answer", n)) }, Once)
	w.say(`2["good",1]`)
	for _, want := range []report{{"first", "good", "[1]"}, {"any", "good", "[1]"}, {"own", "good", "[1]"}, {"out", "answer", "[1]"}, {"own out", "answer", "[1]"}} {
		if r := wait(t, got); r != want {
			t.Errorf("got %v, want %v", r, want)
		}
	}
	w.expect(t, `2["answer",1]`)
	remove()
	w.say(`2["bad"]`)
	wait(t, got)
	wait(t, got)
	if err := wait(t, failed); !strings.Contains(err.Error(), "no") {
		t.Error(err)
	}
	w.say(`2["good",2]`) // once
	wait(t, got)
	wait(t, got)
	mustBeNil(t, n.Emit("b"))
	w.expect(t, `2["b"]`)
}

func TestDisconnectReasonsAreTheOfficialOnes(t *testing.T) {
	tests := []struct {
		do   func(srv *Server, w *wire, s *Socket)
		want Reason
	}{
		{func(_ *Server, w *wire, _ *Socket) { w.say("1") }, ReasonClientDisconnect},
		{func(_ *Server, _ *wire, s *Socket) { s.Disconnect(false) }, ReasonServerDisconnect},
		{func(_ *Server, _ *wire, s *Socket) { s.Disconnect(true) }, ReasonServerDisconnect},
		{func(_ *Server, w *wire, _ *Socket) { w.drop() }, ReasonTransportClose},
		{func(_ *Server, w *wire, _ *Socket) { w.say("9") }, ReasonForcedClose},
		{func(_ *Server, w *wire, _ *Socket) { w.say(`4{"message":"x"}`) }, ReasonForcedClose},
		{func(_ *Server, w *wire, _ *Socket) { w.say("0") }, ReasonTransportClose}, // another takes its place
		{func(_ *Server, w *wire, _ *Socket) { w.say(`2/other,["x"]`) }, ReasonForcedClose},
		{func(_ *Server, w *wire, _ *Socket) { w.client.OnClose("parse error", nil) }, ReasonParseError},
		{func(_ *Server, w *wire, _ *Socket) { w.client.OnClose("ping timeout", nil) }, ReasonPingTimeout},
		{func(srv *Server, _ *wire, _ *Socket) { _ = srv.Shutdown(context.Background()) }, ReasonServerShutdown},
	}
	for _, tt := range tests {
		srv := NewServer(Options{})
		w := newWire(srv)
		s := w.join(t, "/")
		s.Join("r")
		got := make(chan Reason, 4)
		s.OnDisconnecting(func(s *Socket, r Reason) {
			if len(s.Rooms()) == 2 {
				got <- "in rooms: " + r
			}
		})
		srv.Of("/").OnDisconnect(func(_ *Socket, r Reason) { got <- r })
		ctx := s.Context()
		mustBeNil(t, ctx.Err())
		tt.do(srv, w, s)
		if r := wait(t, got); r != "in rooms: "+tt.want {
			t.Errorf("disconnecting: %q, want %q", r, tt.want)
		}
		if r := wait(t, got); r != tt.want {
			t.Errorf("disconnect: %q, want %q", r, tt.want)
		}
		wait(t, ctx.Done())
		var cause *DisconnectError
		if err := context.Cause(ctx); !errors.As(err, &cause) || !errors.Is(err, ErrDisconnected) || cause.Reason != tt.want {
			t.Errorf("cause %v", err)
		}
		mustBeNil(t, srv.Shutdown(context.Background()))
	}
}

func TestConnectionsThatJoinNothingAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newTestServer(t, Options{ConnectTimeout: time.Second})
		w, w2 := newWire(srv), newWire(srv)
		w2.join(t, "/")
		if n := srv.Connections(); n != 2 {
			t.Errorf("%d connections", n)
		}
		time.Sleep(2 * time.Second) // virtual
		w.expectClosed(t)
		w2.mu.Lock()
		defer w2.mu.Unlock()
		if w2.closed {
			t.Error("one that joined was closed")
		}
	})
}

func TestClientsUpTo2xSpeakProtocol4(t *testing.T) {
	srv := newTestServer(t, Options{})
	srv.Of("/chat").OnConnection(func(s *Socket) { mustBeNil(t, s.Emit("auth", s.Handshake().Auth)) })
	srv.Of("/no").Use(func(*Socket) error { return &Error{"refused", 1} })
	w := newWireFor(srv, 3)
	w.expect(t, `0`)
	if s := w.client.socket("/"); s.ID() != w.id {
		t.Errorf("id %s", s.ID())
	}
	w.say(`0/chat?token=x,`)
	w.expect(t, `0/chat,`, `2/chat,["auth",{"token":"x"}]`)
	if s := w.client.socket("/chat"); s.ID() != "/chat#"+w.id {
		t.Errorf("id %s", s.ID())
	}
	w.say(`0/no,`)
	w.expect(t, `4/no,1`)
}

func TestHandshakeHasTheOfficialFields(t *testing.T) {
	srv := newTestServer(t, Options{})
	w := newWire(srv)
	s := w.join(t, "/")
	raw, err := json.Marshal(s.Handshake())
	mustBeNil(t, err)
	want := `{"headers":{"user-agent":"test"},"time":"Tue Nov 14 2023 22:13:20 GMT+0000 (Coordinated Universal Time)","address":"192.0.2.1","xdomain":false,"secure":false,"issued":1700000000000,"url":"/socket.io/?EIO=4\u0026transport=websocket\u0026key=first\u0026key=value","query":{"EIO":"4","key":"value","transport":"websocket"},"auth":{}}`
	if string(raw) != want {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
}

func TestShutdownLeavesNothing(t *testing.T) {
	srv := NewServer(Options{})
	started, end := make(chan struct{}), make(chan struct{})
	On(srv, "slow", func(s *Socket, _ struct{}) {
		close(started)
		<-s.Context().Done()
		close(end)
	})
	w := newWire(srv)
	w.join(t, "/")
	w.say(`2["slow"]`)
	wait(t, started)
	mustBeNil(t, srv.Shutdown(context.Background()))
	select {
	case <-end:
	default:
		t.Error("Shutdown returned before the handler")
	}
	late := newWire(srv)
	late.expectClosed(t)
}

// Clients connect again at once when the server has put them out.
func TestWhoIsToldOfADisconnectMayJoinAgainAtOnce(t *testing.T) {
	srv := newTestServer(t, Options{})
	w := newWire(srv)
	s := w.join(t, "/")
	srv.Of("/").OnDisconnecting(func(*Socket, Reason) {
		w.mu.Lock()
		told := len(w.received) > 0
		w.mu.Unlock()
		if told {
			w.say("0")
		}
	})
	s.Disconnect(false)
	w.expect(t, "1")
	w.join(t, "/")
}
