package clustertest

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"podium/protocol/socketio"
)

// duration is how long clients move.
func duration(t testing.TB) time.Duration {
	if s := os.Getenv("PODIUM_GAMEDAY"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatalf("PODIUM_GAMEDAY: %v", err)
		}
		return d
	}
	return 2 * time.Second
}

// emitAll has every server emit some events at the same time.
func (s *scene) emitAll(each int) {
	var work sync.WaitGroup
	for i, n := range s.nodes {
		work.Go(func() {
			for k := range each {
				if err := n.emit("", i*1_000_000+k); err != nil {
					s.t.Errorf("%s: %v", n.name, err)
				}
			}
		})
	}
	work.Wait()
}

// Every client of every server sees the same order, which is the log's.
func order(t *testing.T, s *scene) {
	s.shared()
	s.start(3)
	for _, n := range s.nodes {
		s.dial(n)
	}
	s.emitAll(200)
	want := s.logged()
	if len(want) != 600 {
		t.Fatalf("the log has %d events", len(want))
	}
	for _, c := range s.fleet {
		check(t, c, want)
	}
}

// An event that is emitted after sockets were moved reaches those that were moved, and
// not the others, wherever it is emitted.
func joinThenEmit(t *testing.T, s *scene) {
	s.shared()
	s.start(2)
	c := s.dial(s.nodes[1])
	main := s.nodes[0].io.Of("/")
	var want []int
	for i := range 100 {
		must(t, main.SocketsJoin("room"))
		must(t, s.nodes[i%2].emit("room", i))
		want = append(want, i)
		must(t, main.SocketsLeave("room"))
		must(t, s.nodes[i%2].emit("room", -1))
	}
	check(t, c, want)
	must(t, main.To(c.sid).DisconnectSockets(false))
	eventually(t, "it is put out", func() bool { return !c.online() })
}

// A client that was told that it is in a room is in it after its server died at that
// moment, also where the events come from another.
func joinKept(t *testing.T, s *scene) {
	s.shared()
	s.start(2)
	c := s.dial(s.nodes[0])
	c.call("join", "room")
	s.nodes[0].crash()
	must(t, s.nodes[1].emit("room", 1))
	c.reconnect(s.nodes[1])
	must(t, s.nodes[1].emit("room", 2))
	check(t, c, []int{1, 2})
}

// storm has clients move while events are emitted everywhere, until the time is over.
// each is called a few times a second.
func (s *scene) storm(clients int, each func()) {
	s.t.Helper()
	for i := range clients {
		c := s.dial(s.nodes[i%len(s.nodes)])
		if i%2 == 0 {
			c.call("join", "room")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), duration(s.t))
	defer cancel()
	var work sync.WaitGroup
	var number atomic.Int64
	alive := func() []*node { return s.living() }
	work.Go(func() {
		for ctx.Err() == nil {
			nodes := alive()
			n := int(number.Add(1))
			room := ""
			if n%3 == 0 {
				room = "room"
			}
			_ = nodes[n%len(nodes)].emit(room, n) // one that fails is in the log or not: that decides
			time.Sleep(time.Millisecond)
		}
	})
	for i, c := range s.fleet {
		work.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			for ctx.Err() == nil {
				nodes := alive()
				_ = c.connect(nodes[rng.IntN(len(nodes))]) // the next one may take it
				time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
			}
		})
	}
	for ctx.Err() == nil {
		select {
		case <-time.After(300 * time.Millisecond):
			if each != nil {
				each()
			}
		case <-ctx.Done():
		}
	}
	work.Wait()
	all, some := s.logged("room"), s.logged()
	for i, c := range s.fleet {
		c.reconnect(alive()...)
		want := all
		if i%2 == 1 {
			want = some
		}
		check(s.t, c, want)
		if sessions, _, refused := c.counts(); sessions != 1 {
			s.t.Errorf("%s had %d sessions, refused %q", c.name, sessions, refused)
		}
	}
}

var living sync.Mutex // guards scene.nodes while servers come and go

func (s *scene) living() []*node {
	living.Lock()
	defer living.Unlock()
	return slices.Clone(s.nodes)
}

// replace takes a server away in some way, and starts another.
func (s *scene) replace(away func(*node)) {
	living.Lock()
	n := s.nodes[0]
	s.nodes = s.nodes[1:]
	living.Unlock()
	away(n)
	e := s.Open(s.t)
	living.Lock()
	defer living.Unlock()
	s.startWith(e, nil)
}

func exactlyOnceUnderMoves(_ *testing.T, s *scene) {
	s.shared()
	s.start(3)
	s.storm(12, nil)
}

// A server is killed every third of a second.
func killNode(_ *testing.T, s *scene) {
	s.shared()
	s.start(3)
	s.storm(12, func() { s.replace((*node).crash) })
}

// Servers are stopped one after the other, as by a deployment.
func rollingStop(_ *testing.T, s *scene) {
	s.shared()
	s.start(3)
	s.storm(12, func() { s.replace((*node).stop) })
}

func beforeAFirstEvent(t *testing.T, s *scene) {
	s.shared()
	s.start(2)
	c := s.dial(s.nodes[0])
	s.nodes[0].crash()
	must(t, s.nodes[1].emit("", 1))
	c.reconnect(s.nodes[1])
	check(t, c, []int{1})
	if _, recovered, refused := c.counts(); recovered != 1 {
		t.Errorf("not recovered: %q", refused)
	}
}

// Orders apply to sockets that are away, in their place among the events.
func awayThenMoved(t *testing.T, s *scene) {
	s.shared()
	s.start(2)
	c, out := s.dial(s.nodes[0]), s.dial(s.nodes[0])
	c.call("join", "old")
	c.drop()
	out.drop()
	eventually(t, "both are away", func() bool { return s.nodes[0].io.Of("/").Count() == 0 })
	other := s.nodes[1].io.Of("/")
	must(t, s.nodes[1].emit("new", 1))
	must(t, other.To("old").SocketsJoin("new"))
	must(t, s.nodes[1].emit("new", 2))
	must(t, other.To("new").SocketsLeave("old"))
	must(t, s.nodes[1].emit("old", 3))
	must(t, other.To(out.sid).DisconnectSockets(false))
	c.reconnect(s.nodes[1])
	must(t, s.nodes[0].emit("new", 4))
	must(t, s.nodes[0].emit("old", 5))
	check(t, c, []int{2, 4})
	out.reconnect(s.nodes[1])
	if _, recovered, refused := out.counts(); recovered != 0 || refused != string(socketio.RefusedDenied) {
		t.Errorf("one that was put out: %d recoveries, refused %q", recovered, refused)
	}
}

// A client is back at another server before the first knows that it is gone.
func takeOver(t *testing.T, s *scene) {
	s.shared()
	s.start(2)
	c := s.dial(s.nodes[0])
	c.call("join", "room")
	before := &client{s: s, name: "its old connection", acks: map[int]chan string{}}
	s.t.Cleanup(before.drop)
	c.mu.Lock()
	before.conn, before.ended = c.conn, c.ended
	c.conn = nil // it stays open
	c.mu.Unlock()
	c.reconnect(s.nodes[1])
	eventually(t, "the old connection is closed", func() bool { return s.nodes[0].io.Of("/").Count() == 0 })
	must(t, s.nodes[0].emit("room", 1))
	check(t, c, []int{1})
	if _, recovered, refused := c.counts(); recovered != 1 {
		t.Errorf("not recovered: %q", refused)
	}
}

// Who asks all servers does not wait for one that died.
func fetchWithADeadNode(t *testing.T, s *scene) {
	s.start(3)
	s.dial(s.nodes[0])
	s.dial(s.nodes[1])
	main := s.nodes[0].io.Of("/")
	s.need(s.nodes[0].engine.Join != nil, "carry messages")
	found, err := main.FetchSockets(t.Context())
	if err != nil || len(found) != 2 {
		t.Fatalf("found %d sockets, %v", len(found), err)
	}
	s.nodes[2].crash()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if found, err = main.FetchSockets(ctx); err != nil || len(found) != 2 {
		t.Errorf("found %d sockets, %v", len(found), err)
	}
	s.nodes[1].io.Of("/").OnServerSide("who", func(e *socketio.ServerEvent) { _ = e.Ack("me") })
	answers, err := main.ServerSideEmitWithAck(ctx, "who")
	if err != nil || len(answers) != 1 {
		t.Errorf("%d answers, %v", len(answers), err)
	}
}

func askEverybody(t *testing.T, s *scene) {
	s.start(2)
	s.need(s.nodes[0].engine.Join != nil, "carry messages")
	s.dial(s.nodes[0])
	s.dial(s.nodes[1])
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	answers, err := s.nodes[0].io.Of("/").EmitWithAck(ctx, "q")
	if err != nil || len(answers) != 2 {
		t.Errorf("%d answers, %v", len(answers), err)
	}
}

// Clocks are an hour apart, and one goes back.
func clockBack(t *testing.T, s *scene) {
	s.shared()
	var shift atomic.Int64
	for _, by := range []time.Duration{-time.Hour, time.Hour} {
		s.startWith(s.Open(t), func(o *socketio.Options) {
			o.Recovery.MaxAge = time.Minute
			o.Recovery.Now = func() time.Time { return time.Now().Add(by + time.Duration(shift.Load())) }
		})
	}
	if _, at, err := s.nodes[0].engine.Recovery.Log.Read(t.Context(), 0, 0); err != nil || at.Now.IsZero() {
		t.Skip("this engine has no clock")
	}
	c := s.dial(s.nodes[0])
	var want []int
	for i := range 10 {
		must(t, s.nodes[i%2].emit("", i))
		want = append(want, i)
		c.drop()
		if i == 5 {
			shift.Store(int64(-time.Hour))
			must(t, s.nodes[0].io.Ready())
			time.Sleep(1500 * time.Millisecond) // the engine's clock is looked at every second
		}
		must(t, s.nodes[(i+1)%2].emit("", 100+i))
		want = append(want, 100+i)
		c.reconnect(s.nodes[(i+1)%2])
	}
	check(t, c, want)
	if sessions, _, refused := c.counts(); sessions != 1 {
		t.Errorf("%d sessions, refused %q", sessions, refused)
	}
}

// A newer version writes what this one does not know.
func mixed(t *testing.T, s *scene) {
	s.shared()
	s.start(1)
	c := s.dial(s.nodes[0])
	log := s.nodes[0].engine.Recovery.Log.(socketio.Appender)
	must(t, s.nodes[0].emit("", 1))
	must(t, log.Append(t.Context(), []socketio.Entry{{At: time.Now(), Kind: 77, Names: []string{"x"}}}))
	must(t, s.nodes[0].emit("", 2))
	check(t, c, []int{1, 2})
	c.reconnect(s.nodes[0])
	must(t, s.nodes[0].emit("", 3))
	check(t, c, []int{1, 2, 3})
}

// What nobody can read stops nobody.
func poison(t *testing.T, s *scene) {
	s.shared()
	s.start(1)
	c := s.dial(s.nodes[0])
	log := s.nodes[0].engine.Recovery.Log.(socketio.Appender)
	must(t, s.nodes[0].emit("", 1))
	bad := socketio.Entry{At: time.Now(), Event: "m", Args: []json.RawMessage{json.RawMessage(`{`)}}
	must(t, log.Append(t.Context(), []socketio.Entry{bad}))
	if s.Poison != nil {
		s.Poison()
	}
	must(t, s.nodes[0].emit("", 2))
	check(t, c, []int{1, 2})
	if n := s.nodes[0].io.Stats().DeadLetters; n == 0 {
		t.Error("it was not counted")
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
