package client_test

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"podium/protocol/client"
	"podium/protocol/socketio"
)

func TestConnectsAgainThroughResets(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		line := newCable(t, srv.url)
		s := unconnected(t, line.url(), o)
		ups := connects(s)
		mustConnect(t, s)
		receive(t, ups)
		for range 5 {
			line.cutUntil(t, ups)
		}
		if n, err := client.Call[int](within(t), s, "echo", 1); err != nil || n != 1 {
			t.Errorf("got %v, %v", n, err)
		}
	})
}

// TestRecoversEachEventOnce resets the connection at random moments, the upgrade's among
// them, while a room is told numbers.
func TestRecoversEachEventOnce(t *testing.T) {
	for _, b := range backends {
		if b.eio3 || b.name == "node 3.1" {
			continue // recovery is younger
		}
		t.Run(b.name, func(t *testing.T) {
			srv := b.start(t, serverOptions{Recovery: true})
			for name, mode := range modes {
				recovers := func(t *testing.T, delay time.Duration) {
					if b.name != "ours" && name != "websocket" {
						t.Skip("the official server does not know of a client whose answer was lost, and cannot recover it before it does")
					}
					o := fast()
					mode(&o)
					line := newSlowCable(t, srv.url, delay, 4<<10)
					s := unconnected(t, line.url(), o)
					numbers, ups := arrivals[int](s, "number"), connects(s)
					mustConnect(t, s)
					room := t.Name()
					if _, err := s.EmitWithAck(within(t), "join", room); err != nil {
						t.Fatal(err)
					}
					srv.say(room, "number", 0) // from here on there is an offset
					if n := receive(t, numbers); n != 0 {
						t.Fatalf("got %d", n)
					}
					receive(t, ups)
					const count = 300
					for i := 1; i <= count; i++ {
						srv.say(room, "number", i)
						if i%30 == 0 {
							time.Sleep(time.Duration(rand.IntN(5)) * time.Millisecond)
							line.cutUntil(t, ups)
							if !s.Recovered() {
								t.Fatal("not recovered")
							}
						}
					}
					for i := 1; i <= count; i++ {
						if n := receive(t, numbers); n != i {
							t.Fatalf("got %d instead of %d", n, i)
						}
					}
				}
				t.Run(name, func(t *testing.T) { recovers(t, 0) })
				t.Run(name+", slow network", func(t *testing.T) { recovers(t, 3*time.Millisecond) })
			}
		})
	}
}

// TestNeverFallsSilent resets the WebSocket alone, in the moments in which the official
// client would wait for ever for its last poll.
func TestNeverFallsSilent(t *testing.T) {
	cuts, longest := int64(0), time.Duration(0)
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			srv := b.start(t, serverOptions{})
			for range 60 {
				o := fast()
				o.EIO3 = b.eio3
				dialer := &webSocketBreaker{after: 1 + rand.IntN(4)}
				transport := &client.Transport{DialContext: dialer.dial, Loops: -1}
				o.Transport = transport
				s := unconnected(t, srv.url, o)
				ups := connects(s)
				s.Open()
				receive(t, ups)
				began := time.Now()
				until(t, "answer", func() bool {
					n, err := client.Call[int](within(t), s, "echo", 3)
					return err == nil && n == 3
				})
				longest = max(longest, time.Since(began))
				_ = s.Close()
				transport.Close()
				cuts += min(dialer.broken.Load(), 2)
			}
		})
	}
	t.Logf("%d WebSockets were cut, 0 clients fell silent; the longest wait for an answer was %v", cuts, longest)
}

func TestKeepsWhatIsEmittedWhileAway(t *testing.T) {
	everywhere(t, serverOptions{}, func(t *testing.T, srv *server, o client.Options) {
		line := newCable(t, srv.url)
		s := unconnected(t, line.url(), o)
		numbers, reasons, ups := arrivals[int](s, "echo"), disconnects(s), connects(s)
		_ = s.Emit("echo", 0) // before the first connect
		mustConnect(t, s)
		receive(t, ups)
		if n := receive(t, numbers); n != 0 {
			t.Fatalf("got %d", n)
		}
		line.cut(true)
		receive(t, reasons)
		for i := range 10 {
			_ = s.Emit("echo", 1+i)
		}
		if err := s.Volatile().Emit("echo", -1); !errors.Is(err, client.ErrDropped) {
			t.Errorf("volatile: %v", err)
		}
		answer := make(chan int, 1)
		go func() {
			n, _ := client.Call[int](t.Context(), s, "echo", 99)
			answer <- n
		}()
		line.cut(false)
		receive(t, ups)
		for i := range 10 {
			if n := receive(t, numbers); n != 1+i {
				t.Fatalf("got %d instead of %d", n, 1+i)
			}
		}
		if n := receive(t, answer); n != 99 {
			t.Errorf("acknowledged with %d", n)
		}
	})
}

func TestTellsOfAcknowledgementsThatWillNotCome(t *testing.T) {
	srv := startOurs(t, serverOptions{})
	s := connect(t, srv.url, fast())
	failed := make(chan error, 1)
	go func() {
		_, err := s.EmitWithAck(t.Context(), "silent")
		failed <- err
	}()
	if _, err := s.EmitWithAck(within(t), "echo"); err != nil {
		t.Fatal(err)
	}
	until(t, "failure", func() bool {
		s.Manager().Reset()
		select {
		case err := <-failed:
			if !errors.Is(err, client.ErrDisconnected) {
				t.Errorf("got %v", err)
			}
			return true
		default:
			return false
		}
	})
}

func TestRetries(t *testing.T) {
	var lost atomic.Int64
	srv := socketio.NewServer(socketio.Options{})
	got := make(chan int, 100)
	socketio.OnEvent(srv.Of("/"), "number", func(e *socketio.Event) {
		var n int
		_ = e.Args.Decode(&n)
		got <- n
		if lost.Add(-1) >= 0 {
			return // no answer
		}
		_ = e.Ack(n)
	})
	hs := httptest.NewServer(srv)
	defer hs.Close()
	defer func() { _ = srv.Shutdown(t.Context()) }()

	o := fast()
	o.Socket.Retries, o.Socket.AckTimeout = 3, 20*time.Millisecond
	s := unconnected(t, hs.URL, o)
	_ = s.Emit("number", 1)
	_ = s.Emit("number", 2)
	lost.Store(2)
	mustConnect(t, s)
	for _, want := range []int{1, 1, 1, 2} {
		if n := receive(t, got); n != want {
			t.Fatalf("got %d instead of %d", n, want)
		}
	}
	lost.Store(100)
	if _, err := s.EmitWithAck(within(t), "number", 3); !errors.Is(err, client.ErrAckTimeout) {
		t.Errorf("after all tries: %v", err)
	}
	for range 4 {
		if n := receive(t, got); n != 3 {
			t.Fatalf("got %d", n)
		}
	}
	lost.Store(0)
	if n, err := client.Call[int](within(t), s, "number", 4); err != nil || n != 4 {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestGivesUpAfterItsAttempts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := "http://" + l.Addr().String()
	_ = l.Close()
	o := fast()
	o.ReconnectionAttempts = 2
	attempts, failed, gaveUp := 0, 0, 0
	o.Trace = &client.Trace{
		ReconnectAttempt: func(int) { attempts++ },
		Failed:           func(error) { failed++ },
		ReconnectFailed:  func() { gaveUp++ },
	}
	s := unconnected(t, dead, o)
	err = s.Connect(within(t))
	if err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v", err)
	}
	if s.Active() {
		t.Error("active after giving up")
	}
	_ = s.Close()
	if attempts != 2 || failed != 3 || gaveUp != 1 {
		t.Errorf("%d attempts, %d failures, gave up %d times", attempts, failed, gaveUp)
	}
	o = fast()
	o.NoReconnection = true
	if _, err := client.Dial(within(t), dead, o); err == nil {
		t.Error("connected to nobody")
	}
}

func TestStopsConnectingWhenNobodyWantsIt(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, mode := range modes {
		o := fast()
		mode(&o)
		s := unconnected(t, "http://"+l.Addr().String(), o)
		s.Open()
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 4096)
		_ = conn.SetDeadline(time.Now().Add(wait))
		_, err = conn.Read(buf) // the request is under way
		s.Disconnect()
		for err == nil {
			_, err = conn.Read(buf)
		}
		if timeout := (net.Error)(nil); errors.As(err, &timeout) && timeout.Timeout() {
			t.Fatal("connection was not given up")
		}
		_ = conn.Close()
		_ = s.Close()
	}
}
