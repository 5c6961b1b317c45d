package clustertest

import (
	"context"
	"sync"
	"testing"
	"time"

	"podium/protocol/socketio"
)

// A server that did not read for so long that the log was trimmed meanwhile closes its
// connections: the clients are told.
func behindTrim(t *testing.T, s *scene) {
	s.shared()
	s.need(s.Keep != nil && s.OpenAt != nil, "keep little")
	s.Keep(20)
	p := newProxy(t, s.Address)
	slow := s.startWith(s.OpenAt(t, p.addr), nil)
	fast := s.startWith(s.Open(t), nil)
	c := s.dial(slow)
	must(t, fast.emit("", 0))
	check(t, c, []int{0})
	p.hold(true)
	for i := range 1000 {
		must(t, fast.emit("", 1+i))
	}
	p.hold(false)
	eventually(t, "its client is sent away", func() bool { return !c.online() })
	c.reconnect(slow)
	must(t, fast.emit("", 2000))
	eventually(t, "it goes on", func() bool { got, _ := c.state(); return len(got) > 0 && got[len(got)-1] == 2000 })
	if sessions, _, refused := c.counts(); sessions != 2 || refused != string(socketio.RefusedTrimmed) {
		t.Errorf("%d sessions, refused %q", sessions, refused)
	}
	got, _ := c.state()
	if v := Judge(got, append([]int{0}, s.logged()...)); v.Doubled+v.Inversions > 0 {
		t.Error(v)
	}
}

// The service is killed and comes back with what it stored.
func engineRestart(t *testing.T, s *scene) {
	s.shared()
	s.need(s.Kill != nil && s.Start != nil, "be killed")
	nobodyNotices(t, s, s.Kill, s.Start)
}

// Another takes the place of the service.
func engineFailsOver(t *testing.T, s *scene) {
	s.shared()
	s.need(s.FailOver != nil, "fail over")
	nobodyNotices(t, s, s.FailOver, func() {})
}

// nobodyNotices has the service go away and come back with all it had: sessions go on, and
// every client gets what is in the log.
func nobodyNotices(t *testing.T, s *scene, away, back func()) {
	s.start(2)
	here, moves := s.dial(s.nodes[0]), s.dial(s.nodes[0])
	must(t, s.nodes[1].emit("", 1))
	check(t, here, []int{1})
	moves.drop()
	away()
	var work sync.WaitGroup
	work.Go(func() { _ = s.nodes[1].emit("", 2) }) // it waits, or fails: the log decides
	back()
	work.Wait()
	eventually(t, "the servers go on", func() bool { return s.nodes[0].emit("", 3) == nil })
	moves.reconnect(s.nodes[1])
	if !here.online() {
		here.reconnect(s.nodes[0])
	}
	must(t, s.nodes[1].emit("", 4))
	want := s.logged()
	check(t, here, want)
	check(t, moves, want)
	for _, c := range s.fleet {
		if sessions, _, refused := c.counts(); sessions != 1 {
			t.Errorf("%s had %d sessions, refused %q", c.name, sessions, refused)
		}
	}
}

// Nothing is lost while the service is away for seconds; a server that cannot do
// anything says so.
func engineAway(t *testing.T, s *scene) {
	s.shared()
	s.need(s.Kill != nil && s.Start != nil, "be killed")
	e := s.Open(t)
	n := s.startWith(e, func(o *socketio.Options) { o.Recovery.LogTimeout = time.Second })
	c := s.dial(n)
	must(t, n.emit("", 1))
	check(t, c, []int{1})
	moves := s.dial(n)
	moves.drop()
	s.Kill()
	if moves.connect(n) == nil {
		t.Error("a client lost its session to a server that could not look for it")
	}
	began := time.Now()
	if err := n.emit("", 2); err == nil {
		t.Error("an emit succeeded while the service is away")
	} else if d := time.Since(began); d > 8*time.Second {
		t.Errorf("an emit took %s to fail", d)
	}
	eventually(t, "it says that it is not ready", func() bool { return n.io.Ready() != nil })
	must(t, n.io.Of("/").Local().Emit("m", -1))
	eventually(t, "local events go on", func() bool { got, _ := c.state(); return len(got) == 2 })
	s.Start()
	eventually(t, "it is ready again", func() bool { return n.io.Ready() == nil && n.emit("", 3) == nil })
	if !c.online() {
		c.reconnect(n)
	}
	moves.reconnect(n)
	if sessions, _, _ := moves.counts(); sessions != 1 {
		t.Errorf("it had %d sessions", sessions)
	}
	eventually(t, "the event arrives", func() bool { got, _ := c.state(); return got[len(got)-1] == 3 })
}

// The service is far from one server and near to another: both have one order.
func engineSlow(t *testing.T, s *scene) {
	s.shared()
	s.need(s.OpenAt != nil, "be reached through a proxy")
	p := newProxy(t, s.Address)
	far, near := s.startWith(s.OpenAt(t, p.addr), nil), s.startWith(s.Open(t), nil)
	s.dial(far)
	s.dial(near)
	p.slow(100 * time.Millisecond)
	var work sync.WaitGroup
	for i, n := range s.nodes {
		for k := range 20 {
			work.Go(func() {
				if err := n.emit("", 100*i+k); err != nil {
					t.Error(err)
				}
			})
		}
	}
	work.Wait()
	want := s.logged()
	if len(want) != 40 {
		t.Errorf("the log has %d events", len(want))
	}
	for _, c := range s.fleet {
		check(t, c, want)
	}
}

// The service answers and takes nothing: emits fail with its reason, clients stay, and
// one that comes back has its session again when that is over.
func engineRefuses(t *testing.T, s *scene) {
	s.shared()
	s.need(s.Refuse != nil, "refuse what it is to keep")
	n := s.startWith(s.Open(t), func(o *socketio.Options) { o.Recovery.LogTimeout = time.Second })
	here, moves := s.dial(n), s.dial(n)
	must(t, n.emit("", 1))
	check(t, here, []int{1})
	check(t, moves, []int{1})
	moves.drop()
	s.Refuse(true)
	if err := n.emit("", 2); err == nil {
		t.Error("an emit succeeded that cannot be in the log")
	} else {
		t.Log(err)
	}
	if moves.connect(n) == nil {
		if sessions, _, refused := moves.counts(); sessions != 1 {
			t.Errorf("a client lost its session for it: %q", refused)
		}
		moves.drop()
	}
	must(t, n.io.Of("/").Local().Emit("m", -1))
	eventually(t, "local events go on", func() bool { got, _ := here.state(); return len(got) == 2 })
	s.Refuse(false)
	eventually(t, "emits go on", func() bool { return n.emit("", 3) == nil })
	moves.reconnect(n)
	check(t, here, []int{1, -1, 3})
	check(t, moves, []int{1, 3})
	for _, c := range s.fleet {
		if sessions, _, refused := c.counts(); sessions != 1 {
			t.Errorf("%s had %d sessions, refused %q", c.name, sessions, refused)
		}
	}
}

// The service hangs: emits fail in time, and nothing is doubled when it goes on.
func engineHangs(t *testing.T, s *scene) {
	s.shared()
	s.need(s.Pause != nil && s.Resume != nil, "hang")
	n := s.startWith(s.Open(t), func(o *socketio.Options) { o.Recovery.LogTimeout = time.Second })
	c := s.dial(n)
	must(t, n.emit("", 1))
	s.Pause()
	began := time.Now()
	err := n.emit("", 2)
	d := time.Since(began)
	s.Resume()
	if err == nil || d > 8*time.Second {
		t.Errorf("after %s: %v", d, err)
	}
	eventually(t, "it goes on", func() bool { return n.emit("", 3) == nil })
	if !c.online() {
		c.reconnect(n)
	}
	check(t, c, s.logged())
}

// The service forgets everything: all clients are told, and go on with the new log.
func engineLosesAll(t *testing.T, s *scene) {
	s.shared()
	s.need(s.LoseAll != nil, "lose everything")
	s.start(2)
	c, away := s.dial(s.nodes[0]), s.dial(s.nodes[0])
	must(t, s.nodes[0].emit("", 1))
	check(t, c, []int{1})
	away.drop()
	s.LoseAll()
	eventually(t, "its client is sent away", func() bool { return !c.online() })
	c.reconnect(s.nodes...)
	away.reconnect(s.nodes...)
	for _, c := range s.fleet {
		if sessions, recovered, _ := c.counts(); sessions != 2 || recovered != 0 {
			t.Errorf("%s had %d sessions and %d recoveries", c.name, sessions, recovered)
		}
	}
	eventually(t, "emits go on", func() bool { return s.nodes[1].emit("", 2) == nil })
	check(t, c, []int{1, 2})
}

// The service loses the end of its log and goes on from there, so that positions are
// used again: who has had what is lost is told.
func engineLosesTail(t *testing.T, s *scene) {
	s.shared()
	s.need(s.LoseTail != nil, "lose the end of its log")
	s.start(2)
	early := s.dial(s.nodes[0])
	for i := range 5 {
		must(t, s.nodes[0].emit("", i))
	}
	check(t, early, []int{0, 1, 2, 3, 4})
	early.drop()
	here, late := s.dial(s.nodes[0]), s.dial(s.nodes[1])
	for i := range 5 {
		must(t, s.nodes[1].emit("", 10+i))
	}
	check(t, here, []int{10, 11, 12, 13, 14})
	check(t, late, []int{10, 11, 12, 13, 14})
	late.drop()
	s.LoseTail(5)
	e := s.Open(t)
	other := s.startWith(e, nil)
	for i := range 7 {
		must(t, other.emit("", 20+i)) // positions are used again
	}
	eventually(t, "its client is sent away", func() bool { return !here.online() })
	for _, c := range []*client{here, late} {
		c.reconnect(s.nodes...)
		if sessions, _, refused := c.counts(); sessions != 2 || refused != string(socketio.RefusedLost) {
			t.Errorf("%s had %d sessions, refused %q", c.name, sessions, refused)
		}
	}
	early.reconnect(other)
	check(t, early, []int{0, 1, 2, 3, 4, 20, 21, 22, 23, 24, 25, 26})
	if _, recovered, refused := early.counts(); recovered != 1 {
		t.Errorf("one whose past is whole was not recovered: %q", refused)
	}
}

// The connection breaks behind the request of an append and before its answer.
func appendCut(t *testing.T, s *scene) {
	s.shared()
	s.need(s.OpenAt != nil, "be reached through a proxy")
	p := newProxy(t, s.Address)
	n := s.startWith(s.OpenAt(t, p.addr), nil)
	c := s.dial(s.startWith(s.Open(t), nil))
	for i := range 20 {
		if i%4 == 3 {
			p.cutAnswers()
		}
		must(t, n.emit("", i))
	}
	want := make([]int, 20)
	for i := range want {
		want[i] = i
	}
	check(t, c, want)
	if n := s.logged(); len(n) != len(want) {
		t.Errorf("the log has %d events of %d", len(n), len(want))
	}
}

// A server is cut off from the engine, and the others go on.
func cutOff(t *testing.T, s *scene) {
	s.shared()
	s.need(s.OpenAt != nil, "be reached through a proxy")
	p := newProxy(t, s.Address)
	cut := s.startWith(s.OpenAt(t, p.addr), func(o *socketio.Options) { o.Recovery.LogTimeout = time.Second })
	well := s.startWith(s.Open(t), nil)
	c := s.dial(cut)
	must(t, well.emit("", 1))
	check(t, c, []int{1})
	p.refuse(true)
	must(t, well.emit("", 2))
	eventually(t, "it says that it is not ready", func() bool { return cut.io.Ready() != nil })
	if got, _ := c.state(); len(got) != 1 {
		t.Errorf("its client got %v", got)
	}
	c.reconnect(well)
	check(t, c, []int{1, 2})
	p.refuse(false)
	eventually(t, "it is ready again", func() bool { return cut.io.Ready() == nil })
	if cut.engine.Join != nil {
		eventually(t, "it finds the others again", func() bool {
			ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
			defer stop()
			found, err := cut.io.Of("/").FetchSockets(ctx)
			return err == nil && len(found) == 1
		})
	}
}
