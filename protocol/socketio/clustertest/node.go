package clustertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"podium/protocol/engineio"
	"podium/protocol/socketio"
)

// scene is a test's servers and clients.
type scene struct {
	Setup
	t     *testing.T
	nodes []*node
	fleet []*client
}

func newScene(t *testing.T, s Setup) *scene { return &scene{Setup: s, t: t} }

// need skips the test where an engine cannot show something.
func (s *scene) need(can bool, what string) {
	s.t.Helper()
	if !can {
		s.t.Skip("this engine cannot be made to " + what)
	}
}

// shared skips the test where servers share no log.
func (s *scene) shared() {
	s.t.Helper()
	e := s.Open(s.t)
	defer e.Close()
	s.need(e.Recovery != nil, "share a log")
	_, follows := e.Recovery.Log.(socketio.Follower)
	s.need(follows, "share a log")
}

// node is one server.
type node struct {
	s      *scene
	name   string
	io     *socketio.Server
	web    *http.Server
	addr   string
	engine Engine
	once   sync.Once
}

// start starts some servers.
func (s *scene) start(n int) {
	for range n {
		s.startWith(s.Open(s.t), nil)
	}
}

// startWith starts a server on an engine.
func (s *scene) startWith(e Engine, change func(*socketio.Options)) *node {
	s.t.Helper()
	n := &node{s: s, name: fmt.Sprint("node", len(s.nodes)), engine: e}
	o := socketio.Options{
		Engine:  engineio.Options{PingInterval: 5 * time.Second, PingTimeout: 5 * time.Second, NodeID: n.name},
		Cluster: e.Join, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if e.Recovery != nil {
		o.Recovery = e.Recovery
		o.Recovery.MaxMissed, o.Recovery.MaxAge = 100_000, time.Hour
	}
	if change != nil {
		change(&o)
	}
	n.io = socketio.NewServer(o)
	socketio.OnAck(n.io, "join", func(so *socketio.Socket, room string) (struct{}, error) {
		so.Join(room)
		return struct{}{}, nil
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	n.addr = l.Addr().String()
	n.web = &http.Server{Handler: n.io, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = n.web.Serve(l) // until it is closed
	}()
	s.nodes = append(s.nodes, n)
	s.t.Cleanup(func() {
		n.stop()
		<-served
	})
	return n
}

// stop ends a server in an orderly way.
func (n *node) stop() {
	n.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = n.io.Shutdown(ctx) // an engine that is away is an error, and wanted
		_ = n.web.Close()
		_ = n.engine.Close()
	})
}

// crash ends a server as kill -9 does, as far as others can tell.
func (n *node) crash() {
	n.once.Do(func() {
		_ = n.engine.Close()
		_ = n.web.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
		defer cancel()
		_ = n.io.Shutdown(ctx)
	})
}

// emit emits the next event to a room, or to all for "". It returns the error of the
// emit, where that may fail.
func (n *node) emit(room string, number int) error {
	b := n.io.Of("/").Compress(true)
	if room != "" {
		b = b.To(room)
	}
	return b.Emit("m", number)
}

// logged returns the numbers of the events in the log, in its order, for those in rooms.
func (s *scene) logged(rooms ...string) (numbers []int) {
	s.t.Helper()
	e := s.Open(s.t)
	defer e.Close()
	mine := map[string]bool{}
	for _, r := range rooms {
		mine[r] = true
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for after := uint64(0); ; {
		entries, _, err := e.Recovery.Log.Read(ctx, after, 1000)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, entry := range entries {
			after = entry.Offset
			if entry.Kind != socketio.KindEvent || entry.Event != "m" {
				continue
			}
			if len(entry.Rooms) > 0 && !mine[entry.Rooms[0]] {
				continue
			}
			var number int
			if _, err := fmt.Sscan(string(entry.Args[0]), &number); err != nil {
				s.t.Fatal(err)
			}
			numbers = append(numbers, number)
		}
		if len(entries) < 1000 {
			return numbers
		}
	}
}

var errDeadline = errors.New("not in time")

// eventually waits until something is so.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	if !within(30*time.Second, f) {
		t.Fatalf("%s: %v", what, errDeadline)
	}
}

func within(d time.Duration, f func() bool) bool {
	for end := time.Now().Add(d); !f(); {
		if time.Now().After(end) {
			return false
		}
		time.Sleep(5 * time.Millisecond)
	}
	return true
}
