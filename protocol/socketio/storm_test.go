package socketio

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

// TestReplayAndLiveEventsMeetInOrder has clients come back again and again
// while events are published as fast as can be, without a virtual clock, so
// that the race detector and the scheduler have their say.
func TestReplayAndLiveEventsMeetInOrder(t *testing.T) {
	const clients, events = 20, 3000
	log := &diskLog{epoch: "e"}
	srv := recoveryServer(t, log, func(r *Recovery) { r.MaxMissed = events; r.RingBytes = 200 * loggedOverhead })
	var browsers []*browser
	for range clients {
		b := &browser{t: t, name: "b"}
		b.connect(srv)
		b.w.until(t, "CONNECT", func() bool { return len(b.w.received) > 0 })
		b.read()
		browsers = append(browsers, b)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range events / 2 {
				log.mu.Lock()
				log.entries = append(log.entries, numberedAt(len(log.entries)))
				log.mu.Unlock()
				mustBeNil(t, srv.Publish())
				mustBeNil(t, srv.Of("/").Emit("note", "with the offset of now"))
				runtime.Gosched()
			}
		})
	}
	var clientsDone sync.WaitGroup
	for i, b := range browsers {
		rng := rand.New(rand.NewPCG(uint64(i), 1))
		clientsDone.Go(func() { comeAndGo(t, srv, b, rng, events, done) })
	}
	wg.Wait()
	close(done)
	clientsDone.Wait()
	for _, b := range browsers {
		if b.sessions != 1 || len(b.got) != events {
			t.Fatalf("%d sessions, %d recoveries, %d events", b.sessions, b.recovered, len(b.got))
		}
		for i, n := range b.got {
			if i != n {
				t.Fatalf("event %d came as number %d", n, i)
			}
		}
	}
}

func numberedAt(n int) Entry {
	e := numbered(n)
	e.Offset = uint64(n) + 1
	return e
}

// comeAndGo reconnects at random moments until all events have come.
func comeAndGo(t *testing.T, srv *Server, b *browser, rng *rand.Rand, events int, done chan struct{}) {
	deadline := time.Now().Add(30 * time.Second)
	for len(b.got) < events && time.Now().Before(deadline) {
		old := b.w
		b.read()
		if rng.IntN(2) == 0 {
			old.drop()
		}
		b.connect(srv)
		b.w.until(t, "CONNECT", func() bool { return len(b.w.received) > 0 || b.w.closed })
		for range rng.IntN(50) {
			b.read()
			runtime.Gosched()
		}
		select {
		case <-done:
			b.w.until(t, "the last event", func() bool { return b.w.closed || b.missing(events) == 0 })
			b.read()
		default:
		}
	}
}

// missing returns how many events have neither been read nor arrived. The
// wire's lock must be held.
func (b *browser) missing(events int) int {
	n := events - len(b.got)
	for _, m := range b.w.received {
		if bytes.HasPrefix(m.data, []byte(`2["logged"`)) {
			n--
		}
	}
	return n
}
