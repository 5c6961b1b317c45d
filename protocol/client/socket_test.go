package client_test

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"podium/protocol/client"
	"podium/protocol/socketio/parser"
)

func TestEchoesEveryKindOfArgument(t *testing.T) {
	everywhere(t, serverOptions{}, testEcho)
}

func TestEchoesWithMsgpack(t *testing.T) {
	everywhere(t, serverOptions{Msgpack: true}, func(t *testing.T, srv *server, o client.Options) {
		if strings.Contains(t.Name(), "2.5") {
			t.Skip("the official parser of this version is for servers from 3 on")
		}
		testEcho(t, srv, o)
	})
}

func testEcho(t *testing.T, srv *server, o client.Options) {
	s := connect(t, srv.url, o)
	echoed := make(chan parser.Args, 100)
	client.On(s, "echo", func(a parser.Args) { echoed <- a })
	values := []any{
		"text", "äß€𝄞 \u2028", "", 0.0, 42.0, -1.5, true, nil,
		[]any{}, []any{1.0, "two", nil},
		map[string]any{"a": map[string]any{"b": []any{"c"}}},
		[]byte{}, []byte{0, 1, 2, 255}, bytes.Repeat([]byte("x"), 100_000),
		map[string]any{"deep": []any{[]byte("bytes"), map[string]any{"more": []byte{4}}}},
	}
	if err := s.Emit("echo", values...); err != nil {
		t.Fatal(err)
	}
	got := receive(t, echoed)
	if len(got) != len(values) {
		t.Fatalf("%d values came back", len(got))
	}
	for i, want := range values {
		var v any
		if err := got[i].Decode(&v); err != nil {
			t.Fatal(err)
		}
		if b, ok := v.([]byte); ok && len(b) == 0 {
			v = []byte{}
		}
		if !reflect.DeepEqual(v, want) {
			t.Errorf("value %d: %.100v came back as %.100v", i, want, v)
		}
	}
	if err := s.Emit("echo"); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, echoed); len(got) != 0 {
		t.Errorf("no argument came back as %v", got)
	}
}

func TestAcknowledgesBothWays(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		s := connect(t, srv.url, o)
		ctx := within(t)
		if n, err := client.Call[int](ctx, s, "echo", 7); err != nil || n != 7 {
			t.Errorf("got %v, %v", n, err)
		}
		two, err := client.Call[parser.Args2[string, []byte]](ctx, s, "echo", "a", []byte("b"))
		if err != nil || two.A != "a" || string(two.B) != "b" {
			t.Errorf("got %v, %v", two, err)
		}
		if a, err := s.EmitWithAck(ctx, "echo"); err != nil || len(a) != 0 {
			t.Errorf("got %v, %v", a, err)
		}
		if _, err := client.Call[int](ctx, s, "echo", "text"); err == nil {
			t.Error("text was taken for a number")
		}

		answers := make(chan parser.Args, 10)
		client.On(s, "answer", func(a parser.Args) { answers <- a })
		client.OnAck(s, "sum", func(a parser.Args2[int, int]) (int, error) { return a.A + a.B, nil })
		client.OnAck(s, "bytes", func(struct{}) (parser.Binary, error) { return parser.Binary{1, 2}, nil })
		client.OnAck(s, "fails", func(struct{}) (int, error) { return 0, &client.Error{Message: "no", Data: 3} })
		client.OnAck(s, "panics", func(struct{}) (int, error) { panic("at the server's question") })
		for _, tc := range []struct {
			ask  []any
			want string
		}{
			{[]any{"sum", 3, 4}, "7"},
			{[]any{"fails"}, `{"data":3,"error":"no"}`},
			{[]any{"sum", "x"}, `{"error":"invalid arguments"}`},
			{[]any{"panics"}, `{"error":"internal error"}`},
		} {
			_ = s.Emit("ask", tc.ask...)
			var v any
			_ = receive(t, answers).Get(0).Decode(&v)
			want, _ := parser.ArgsOf(v)
			if got := want.Get(0).String(); got != tc.want {
				t.Errorf("%v is answered with %s", tc.ask, got)
			}
		}
		_ = s.Emit("ask", "bytes")
		if b, ok := receive(t, answers).Get(0).Bytes(); !ok || !bytes.Equal(b, []byte{1, 2}) {
			t.Errorf("got %v", b)
		}
	})
}

func TestWaitsForAcknowledgementsNoLongerThanAsked(t *testing.T) {
	srv := startOurs(t, serverOptions{})
	s := connect(t, srv.url, fast())
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.EmitWithAck(ctx, "silent"); !errors.Is(err, client.ErrAckTimeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Timeout(time.Millisecond).EmitWithAck(context.Background(), "silent"); !errors.Is(err, client.ErrAckTimeout) {
		t.Errorf("got %v", err)
	}
	o := fast()
	o.Socket.AckTimeout = time.Millisecond
	patient := connect(t, srv.url, o)
	if _, err := patient.EmitWithAck(context.Background(), "silent"); !errors.Is(err, client.ErrAckTimeout) {
		t.Errorf("got %v", err)
	}
}

func TestKeepsTheOrderOfABurst(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		s := unconnected(t, srv.url, o)
		numbers, echoes := arrivals[int](s, "n"), arrivals[int](s, "echo")
		mustConnect(t, s)
		const count = 500
		_ = s.Emit("burst", count)
		for i := range count {
			_ = s.Emit("echo", i)
		}
		for i := range count {
			if n := receive(t, numbers); n != i {
				t.Fatalf("got %d instead of %d", n, i)
			}
			if n := receive(t, echoes); n != i {
				t.Fatalf("got echo %d instead of %d", n, i)
			}
		}
	})
}

func TestTellsWhyItWasDisconnected(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		s := unconnected(t, srv.url, o)
		reasons, ups := disconnects(s), connects(s)
		mustConnect(t, s)
		receive(t, ups)
		_ = s.Emit("kick")
		if r := receive(t, reasons); r != client.ReasonServerDisconnect {
			t.Errorf("kicked: %q", r)
		}
		if s.Connected() || s.Active() || s.ID() != "" {
			t.Error("socket that was put out is active")
		}
		mustConnect(t, s)
		receive(t, ups)
		_ = s.Emit("drop")
		if r := receive(t, reasons); r != client.ReasonTransportClose && r != client.ReasonTransportError {
			t.Errorf("dropped: %q", r)
		}
		receive(t, ups) // by itself
		s.Manager().Reset()
		if r := receive(t, reasons); r != client.ReasonTransportError {
			t.Errorf("reset: %q", r)
		}
		receive(t, ups)
		s.Disconnect()
		if r := receive(t, reasons); r != client.ReasonClientDisconnect {
			t.Errorf("left: %q", r)
		}
	})
}

func TestSharesAConnectionAmongNamespaces(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		m, err := client.NewManager(srv.url, o)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		main, chat := m.Socket("/", client.SocketOptions{}), m.Socket("chat", client.SocketOptions{})
		mustConnect(t, chat)
		id := m.EngineID()
		mustConnect(t, main)
		ctx := within(t)
		for _, s := range []*client.Socket{main, chat} {
			if got, err := client.Call[string](ctx, s, "echo", s.Namespace()); err != nil || got != s.Namespace() {
				t.Errorf("got %q, %v", got, err)
			}
		}
		if m.EngineID() != id || main.ID() == chat.ID() {
			t.Error("there are two connections, or one socket")
		}
		main.Disconnect()
		if got, err := client.Call[int](ctx, chat, "echo", 1); err != nil || got != 1 {
			t.Errorf("after the other left: %v, %v", got, err)
		}
		if strings.Contains(t.Name(), "2.5") {
			return // such servers do not let anybody into the main namespace twice
		}
		mustConnect(t, main)
		if got, err := client.Call[int](ctx, main, "echo", 2); err != nil || got != 2 {
			t.Errorf("after it came back: %v, %v", got, err)
		}
	})
}

func TestIsRefused(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		s := unconnected(t, srv.url+"/refused", o)
		told := make(chan error, 10)
		s.OnConnectError(func(err error) { told <- err })
		err := s.Connect(within(t))
		var refused *client.ConnectError
		if !errors.As(err, &refused) {
			t.Fatalf("got %v", err)
		}
		if receive(t, told) != err {
			t.Error("the handler is told something else")
		}
		if o.EIO3 { // the data takes the message's place there
			if refused.Data.String() != `{"code":7}` {
				t.Errorf("got %v", refused.Data)
			}
		} else if refused.Message != "not you" || refused.Data.String() != `{"code":7}` {
			t.Errorf("got %q %v", refused.Message, refused.Data)
		}
		if s.Active() {
			t.Error("goes on after a refusal")
		}
		unknown := unconnected(t, srv.url+"/unknown", o)
		if err := unknown.Connect(within(t)); !errors.As(err, &refused) || refused.Message != "Invalid namespace" {
			t.Errorf("got %v", err)
		}
	})
}

type about struct {
	Auth      map[string]any
	Query     map[string]string
	Headers   map[string]string
	Transport string
}

func TestSendsAuthQueryAndHeaders(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		o.Query = map[string][]string{"a b": {"c&d"}}
		o.Header = map[string][]string{"x-own": {"value"}, "Cookie": {"k=v"}}
		calls := 0
		o.Socket.AuthFunc = func(context.Context) (any, error) {
			calls++
			return map[string]string{"token": "s e"}, nil
		}
		s := connect(t, srv.url+"/chat?e=f", o)
		got, err := client.Call[about](within(t), s, "about")
		if err != nil {
			t.Fatal(err)
		}
		token := got.Auth["token"]
		if o.EIO3 {
			token = got.Query["token"]
			if token == "" {
				token = got.Auth["token"]
			}
		} else if got.Query["a b"] != "c&d" || got.Query["e"] != "f" {
			t.Errorf("query %v", got.Query)
		}
		if token != "s e" && token != any("s e") {
			t.Errorf("auth %v, query %v", got.Auth, got.Query)
		}
		if got.Headers["x-own"] != "value" || got.Headers["cookie"] != "k=v" {
			t.Errorf("headers %v", got.Headers)
		}
		if calls != 1 {
			t.Errorf("%d calls", calls)
		}
	})
}

func TestUpgrades(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		upgraded, failed := make(chan struct{}, 1), make(chan error, 1)
		o.Trace = &client.Trace{Upgraded: func() { upgraded <- struct{}{} }, UpgradeFailed: func(err error) { failed <- err }}
		s := unconnected(t, srv.url, o)
		numbers := arrivals[int](s, "n")
		mustConnect(t, s)
		_ = s.Emit("burst", 300) // through the upgrade
		for i := range 300 {
			if n := receive(t, numbers); n != i {
				t.Fatalf("got %d instead of %d", n, i)
			}
		}
		want := client.TransportWebSocket
		switch {
		case len(o.Transports) == 0:
			select {
			case <-upgraded:
			case err := <-failed:
				t.Fatal(err)
			case <-time.After(wait):
				t.Fatal("no upgrade")
			}
		case o.Transports[0] == client.TransportPolling:
			want = client.TransportPolling
		}
		if got := s.Manager().Transport(); got != want {
			t.Errorf("transport %q", got)
		}
		until(t, "server's transport", func() bool {
			got, err := client.Call[about](within(t), s, "about")
			return err == nil && got.Transport == want
		})
	})
}

// TestAnUpgradeEndsNoConnection has clients upgrade while they join namespaces and ask.
func TestAnUpgradeEndsNoConnection(t *testing.T) {
	everyServer(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		for range 40 {
			upgraded := make(chan struct{}, 1)
			o.Trace = &client.Trace{
				Upgraded:      func() { upgraded <- struct{}{} },
				UpgradeFailed: func(err error) { t.Errorf("not upgraded: %v", err) },
				Closed: func(r client.Reason, err error) {
					if r != "forced close" {
						t.Errorf("closed for %q: %v", r, err)
					}
				},
			}
			m := manager(t, srv.url, o)
			main, chat := m.Socket("/", client.SocketOptions{}), m.Socket("/chat", client.SocketOptions{})
			for _, s := range []*client.Socket{main, chat} {
				mustConnect(t, s)
				for i := range 5 {
					if n, err := client.Call[int](within(t), s, "echo", i); err != nil || n != i {
						t.Errorf("got %v, %v", n, err)
					}
				}
			}
			receive(t, upgraded)
			_ = m.Close()
		}
	})
}

func TestLivesThroughHeartbeats(t *testing.T) {
	everywhere(t, serverOptions{Pings: true}, func(t *testing.T, srv *server, o client.Options) {
		pings := make(chan struct{}, 100)
		o.Trace = &client.Trace{Ping: func() { pings <- struct{}{} }}
		s := unconnected(t, srv.url, o)
		reasons := disconnects(s)
		mustConnect(t, s)
		if !o.EIO3 {
			for range 3 {
				receive(t, pings)
			}
		}
		if n, err := client.Call[int](within(t), s, "echo", 1); err != nil || n != 1 {
			t.Errorf("got %v, %v", n, err)
		}
		select {
		case r := <-reasons:
			t.Errorf("disconnected: %v", r)
		default:
		}
	})
}
