package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"podium/protocol/client"
	"podium/protocol/engineio"
	"podium/protocol/socketio/parser"
	"podium/protocol/websocket"
)

func TestItsIDIsTheServers(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		for _, namespace := range []string{"/", "/chat"} {
			s := unconnected(t, srv.url+namespace, o)
			ups := connects(s)
			mustConnect(t, s)
			receive(t, ups)
			first := s.ID()
			if id, err := client.Call[string](within(t), s, "id"); err != nil || id != first || id == "" {
				t.Errorf("%s: the server's is %q, %v; ours %q", namespace, id, err, first)
			}
			if !o.EIO3 && s.Manager().EngineID() == first {
				t.Error("it is that of the connection, which is a secret")
			}
			s.Manager().Reset()
			receive(t, ups)
			if id, err := client.Call[string](within(t), s, "id"); err != nil || id != s.ID() || id == first {
				t.Errorf("%s: after a reset the server's is %q, %v; ours %q", namespace, id, err, s.ID())
			}
		}
	})
}

func TestTimesComeAsText(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		s := connect(t, srv.url, o)
		type dated struct {
			Date time.Time `json:"date"`
		}
		got, err := client.Call[parser.Args2[time.Time, dated]](within(t), s, "date")
		if err != nil || got.A.UnixMilli() != 0 || got.B.Date.UnixMilli() != 0 {
			t.Errorf("got %v, %v", got, err)
		}
		now := time.Now().UTC()
		if back, err := client.Call[time.Time](within(t), s, "echo", now); err != nil || !back.Equal(now) {
			t.Errorf("%v came back as %v, %v", now, back, err)
		}
	})
}

func TestSendsAuthAsAnObject(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		if o.EIO3 {
			o.Socket.Auth = map[string]string{"a": "b"}
		} else {
			o.Socket.Auth = struct {
				A string         `json:"a"`
				C map[string]int `json:"c"`
			}{"b", map[string]int{"d": 1}}
		}
		s := connect(t, srv.url+"/chat", o)
		got, err := client.Call[about](within(t), s, "about")
		switch {
		case err != nil:
			t.Error(err)
		case o.EIO3:
			if got.Query["a"] != "b" && got.Auth["a"] != "b" {
				t.Errorf("got %v %v", got.Auth, got.Query)
			}
		case got.Auth["a"] != "b" || fmt.Sprint(got.Auth["c"]) != "map[d:1]" || got.Query["a"] != "":
			t.Errorf("got %v %v", got.Auth, got.Query)
		}
	})
}

func TestAnAuthThatCannotBeHadIsARefusal(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		broken := errors.New("no token")
		o.Socket.AuthFunc = func(context.Context) (any, error) { return nil, broken }
		s := unconnected(t, srv.url+"/chat", o)
		if err := s.Connect(within(t)); !errors.Is(err, broken) || s.Active() {
			t.Errorf("got %v; active: %v", err, s.Active())
		}
	})
}

func TestARefusedSocketStaysAway(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		m := manager(t, srv.url, o)
		main, refused := m.Socket("/", client.SocketOptions{}), m.Socket("/refused", client.SocketOptions{})
		ups := connects(main)
		told := make(chan error, 10)
		refused.OnConnectError(func(err error) { told <- err })
		mustConnect(t, main)
		receive(t, ups)
		var e *client.ConnectError
		if err := refused.Connect(within(t)); !errors.As(err, &e) {
			t.Fatalf("got %v", err)
		}
		receive(t, told)
		m.Reset()
		receive(t, ups)
		if n, err := client.Call[int](within(t), main, "echo", 1); err != nil || n != 1 {
			t.Errorf("got %v, %v", n, err)
		}
		if len(told) != 0 {
			t.Errorf("asked again by itself: %v", <-told)
		}
		if err := refused.Connect(within(t)); !errors.As(err, &e) {
			t.Errorf("got %v", err)
		}
		receive(t, told)
	})
}

func TestRefusesToEmitReservedEvents(t *testing.T) {
	srv := startOurs(t, serverOptions{})
	s := connect(t, srv.url, fast())
	for _, event := range []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"} {
		if err := s.Emit(event); !errors.Is(err, client.ErrReservedEvent) {
			t.Errorf("%s: %v", event, err)
		}
		if _, err := s.EmitWithAck(within(t), event); !errors.Is(err, client.ErrReservedEvent) {
			t.Errorf("%s: %v", event, err)
		}
	}
	if err := s.Emit("event", make(chan int)); err == nil {
		t.Error("a channel was emitted")
	}
	if n, err := client.Call[int](within(t), s, "echo", 1); err != nil || n != 1 {
		t.Errorf("afterwards: %v, %v", n, err)
	}
}

func TestWhatWasEmittedFirstLeavesFirst(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		s := unconnected(t, srv.url, o)
		echoes := make(chan parser.Args, 10)
		client.On(s, "echo", func(a parser.Args) { echoes <- a })
		s.OnConnect(func() { _ = s.Emit("echo", "third") })
		_ = s.Emit("echo", "first")
		_ = s.Emit("echo", "second", []byte("bytes"), []byte("more"))
		mustConnect(t, s)
		for _, want := range []string{"first", "second", "third"} {
			var got string
			if err := receive(t, echoes).Decode(&got); err != nil || got != want {
				t.Errorf("got %q, %v, instead of %q", got, err, want)
			}
		}
		for i := range 50 { // bytes and text take turns
			_ = s.Emit("echo", fmt.Sprint(2*i), bytes.Repeat([]byte("b"), 100*i))
			_ = s.Emit("echo", fmt.Sprint(2*i+1))
		}
		for i := range 100 {
			var got string
			if err := receive(t, echoes).Decode(&got); err != nil || got != fmt.Sprint(i) {
				t.Fatalf("got %q, %v, instead of %d", got, err, i)
			}
		}
	})
}

func TestVolatileEventsLeaveAtOnceOrNever(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		s := unconnected(t, srv.url, o)
		echoes := arrivals[int](s, "echo")
		if err := s.Volatile().Emit("echo", -1); !errors.Is(err, client.ErrDropped) {
			t.Errorf("not connected: %v", err)
		}
		if _, err := s.Volatile().EmitWithAck(within(t), "echo", -1); !errors.Is(err, client.ErrDropped) {
			t.Errorf("not connected: %v", err)
		}
		mustConnect(t, s)
		until(t, "one leaves", func() bool { return s.Volatile().Emit("echo", 1) == nil })
		if n := receive(t, echoes); n != 1 {
			t.Errorf("got %d", n)
		}
	})
	t.Run("nothing leaves", func(t *testing.T) {
		srv := startOurs(t, serverOptions{})
		o := fast()
		o.Transports = []string{client.TransportPolling}
		release := make(chan struct{})
		o.HTTPClient = slowPosts(t, release)
		s := unconnected(t, srv.url, o)
		echoes := arrivals[int](s, "echo")
		mustConnect(t, s)
		_ = s.Emit("echo", 1)
		if err := s.Volatile().Emit("echo", 2); !errors.Is(err, client.ErrDropped) {
			t.Errorf("behind another: %v", err)
		}
		close(release)
		if n := receive(t, echoes); n != 1 {
			t.Errorf("got %d", n)
		}
	})
}

func TestCatchesAllEvents(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		s := unconnected(t, srv.url, o)
		seen := make(chan string, 100)
		in := func(name string) func(*client.Event) {
			return func(e *client.Event) { seen <- fmt.Sprintf("%s %s %v", name, e.Name, e.Args) }
		}
		s.OnAny(in("second"))
		s.PrependAny(in("first"))
		s.OnAny(in("removed"))()
		client.On(s, "echo", func(int) { seen <- "handler" })
		out := func(name string) func(string, parser.Args) {
			return func(event string, args parser.Args) {
				b, isBytes := args.Get(0).Bytes()
				seen <- fmt.Sprintf("%s %s %v %s", name, event, isBytes, b)
			}
		}
		s.OnAnyOutgoing(out("out second"))
		s.PrependAnyOutgoing(out("out first"))
		s.OnAnyOutgoing(out("removed"))()
		_ = s.Emit("silent", []byte("bytes")) // seen as it leaves, not before
		if len(seen) != 0 {
			t.Errorf("saw %s", <-seen)
		}
		mustConnect(t, s)
		_ = s.Emit("echo", 7)
		for _, want := range []string{
			"out first silent true bytes", "out second silent true bytes", "out first echo false ", "out second echo false ",
			"first echo [7]", "second echo [7]", "handler",
		} {
			if got := receive(t, seen); got != want {
				t.Errorf("saw %q instead of %q", got, want)
			}
		}
	})
}

func TestHandlersComeAndGo(t *testing.T) {
	srv := startOurs(t, serverOptions{})
	s := connect(t, srv.url, fast())
	var got []string // by the socket's handlers, one after another
	remove := client.On(s, "echo", func(int) { got = append(got, "removed") })
	client.On(s, "echo", func(int) { got = append(got, "once") }, client.Once)
	client.On(s, "echo", func(n int) { got = append(got, fmt.Sprint(n)) })
	remove()
	remove() // does nothing
	after := make(chan struct{}, 1)
	s.OnAny(func(e *client.Event) {
		if e.Name == "n" {
			after <- struct{}{}
		}
	})
	ask := func(n int) {
		t.Helper()
		_ = s.Emit("echo", n)
		_ = s.Emit("burst", 1) // what comes of it is handled after the echo
		receive(t, after)
	}
	ask(1)
	ask(2)
	s.Off("echo")
	ask(3)
	client.On(s, "echo", func(int) { got = append(got, "again") })
	s.Off("")
	ask(4)
	if err := s.Close(); err != nil { // the handlers have returned
		t.Fatal(err)
	}
	if want := []string{"once", "1", "2"}; !slices.Equal(got, want) {
		t.Errorf("handled %v", got)
	}
}

func TestAnUnsentQuestionOutlivesADisconnect(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		s := connect(t, srv.url, o)
		// What has left is told at once that no answer will come …
		left := make(chan struct{}, 1)
		remove := s.OnAnyOutgoing(func(string, parser.Args) { left <- struct{}{} })
		failed := make(chan error, 1)
		go func() {
			_, err := s.Timeout(wait).EmitWithAck(t.Context(), "silent")
			failed <- err
		}()
		receive(t, left)
		remove()
		s.Disconnect()
		if err := receive(t, failed); !errors.Is(err, client.ErrDisconnected) {
			t.Errorf("got %v", err)
		}
		// … and what has not waits for the next connection.
		answer := make(chan error, 1)
		go func() {
			n, err := client.Call[int](t.Context(), s, "echo", 5)
			if err == nil && n != 5 {
				err = fmt.Errorf("got %d", n)
			}
			answer <- err
		}()
		for range 5 {
			if _, err := s.Timeout(time.Millisecond).EmitWithAck(t.Context(), "echo", -1); !errors.Is(err, client.ErrAckTimeout) {
				t.Errorf("not connected: %v", err)
			}
		}
		mustConnect(t, s)
		if err := receive(t, answer); err != nil {
			t.Error(err)
		}
	})
}

func TestKeepsToWhatTheServerTakes(t *testing.T) {
	for _, b := range backends {
		if b.eio3 || b.name == "node 3.1" {
			continue // such servers do not tell
		}
		t.Run(b.name, func(t *testing.T) {
			srv := b.start(t, serverOptions{MaxPayload: 300})
			for name, mode := range modes {
				t.Run(name, func(t *testing.T) {
					o := fast()
					mode(&o)
					closed := make(chan error, 10)
					o.Trace = &client.Trace{Closed: func(_ client.Reason, err error) { closed <- err }}
					s := unconnected(t, srv.url, o)
					echoes := make(chan parser.Args, 100)
					client.On(s, "echo", func(a parser.Args) { echoes <- a })
					values := []any{
						strings.Repeat("a", 250), strings.Repeat("b", 60), strings.Repeat("€", 80), 1, []byte(strings.Repeat("c", 160)),
						strings.Repeat("d", 90), []byte("e"), []byte(strings.Repeat("f", 180)), strings.Repeat("g", 280),
					}
					for _, v := range values {
						_ = s.Emit("echo", v) // all of them leave when it connects
					}
					mustConnect(t, s)
					for i := range values {
						if got := receive(t, echoes); len(got) != 1 {
							t.Errorf("value %d came back as %v", i, got)
						}
					}
					if len(closed) != 0 {
						t.Fatalf("closed: %v", <-closed)
					}
					_ = s.Emit("echo", strings.Repeat("h", 400)) // no use in keeping it
					err := receive(t, closed)
					if name != "websocket" {
						return // the poll may tell of the end before the POST's answer says why
					}
					var answer *engineio.ServerError
					var frame *websocket.CloseError
					if !(errors.As(err, &answer) && answer.Status == 413) && !(errors.As(err, &frame) && frame.Code == websocket.CloseTooBig) {
						t.Errorf("closed: %v", err)
					}
					mustConnect(t, s)
				})
			}
		})
	}
}

// meter counts what is written to connections.
type meter struct {
	net.Conn
	written *atomic.Int64
}

func (m meter) Write(b []byte) (int, error) {
	m.written.Add(int64(len(b)))
	return m.Conn.Write(b)
}

func TestCompressesUnlessToldNotTo(t *testing.T) {
	everyServer(t, serverOptions{Compression: true}, func(t *testing.T, srv *server, o client.Options) {
		var written atomic.Int64
		o.Transports = []string{client.TransportWebSocket}
		o.Transport = transportFor(t, &client.Transport{
			Compression: &websocket.Compression{},
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				return meter{conn, &written}, err
			},
		})
		s := connect(t, srv.url, o)
		text := strings.Repeat("x", 20_000)
		for _, compress := range []bool{true, false} {
			before := written.Load()
			answer, err := s.Compress(compress).EmitWithAck(within(t), "echo", text)
			var back string
			if err != nil || answer.Decode(&back) != nil || back != text {
				t.Fatalf("came back as %.20q…, %v", back, err)
			}
			if n := written.Load() - before; (n < 2_000) != compress {
				t.Errorf("compressed: %v; %d bytes were written", compress, n)
			}
		}
	})
}

// TestWhatWasEmittedLeavesBeforeClose closes right after events. Servers for Node pass over
// those that they read together with the end, as Manager.Close says: there it shows only
// that Close returns.
func TestWhatWasEmittedLeavesBeforeClose(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		arrive := strings.Contains(t.Name(), "ours")
		watcher := unconnected(t, srv.url, o)
		numbers := arrivals[int](watcher, "number")
		mustConnect(t, watcher)
		if _, err := watcher.EmitWithAck(within(t), "join", t.Name()); err != nil {
			t.Fatal(err)
		}
		for round := range 10 {
			s, err := client.Dial(within(t), srv.url, o)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				_ = s.Emit("say", t.Name(), "number", 3*round+i)
			}
			time.Sleep(time.Duration(round) * 200 * time.Microsecond) // other moments of the upgrade
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := s.Emit("say", t.Name(), "number", -1); !errors.Is(err, client.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
		if !arrive {
			return
		}
		var next [10]int // of each socket, which are not in each other's order
		for range 30 {
			got := receive(t, numbers)
			if round := got / 3; got != 3*round+next[round] {
				t.Fatalf("got %d, as number %d of socket %d", got, next[round], round)
			}
			next[got/3]++
		}
	})
}

func TestIsSafeForConcurrentUse(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		s := unconnected(t, srv.url, o)
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				if n, err := client.Call[int](t.Context(), s, "echo", i); err != nil || n != i {
					t.Errorf("got %v, %v", n, err)
				}
			})
			all.Go(func() {
				remove := client.On(s, "other", func(int) {})
				s.OnAny(func(*client.Event) {})()
				remove()
				_, _, _ = s.ID(), s.Connected(), s.Manager().Transport()
			})
			all.Go(func() {
				if err := s.Connect(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	})
}
