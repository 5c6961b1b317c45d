package websocket

import (
	"bytes"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"podium/protocol/budget"
)

func TestWhatWaitsForPeersThatDoNotReadHasABoundTogether(t *testing.T) {
	for _, mode := range []string{"loop", "stream", "loop-tls"} {
		t.Run(mode, func(t *testing.T) {
			const limit, deaf = 4 << 20, 12
			machine := budget.New(limit)
			h := serve(t, mode, Options{Charge: charging(machine), MaxQueuedBytes: 64 << 20}, nil)
			var conns []*Conn
			for range deaf {
				peer := h.dial(t)
				if tcp, ok := peer.Conn.(*net.TCPConn); ok {
					_ = tcp.SetReadBuffer(4096)
				}
				conns = append(conns, h.conn(t))
			}
			reader := h.dial(t)
			listening := h.conn(t)
			var all sync.WaitGroup
			for i, c := range conns {
				all.Go(func() {
					part := bytes.Repeat([]byte("x"), 10_000)
					for n := 0; n < 1500; n++ {
						var err error
						if (i+n)%2 == 0 {
							err = c.SendParts(OpBinary, part)
						} else {
							err = c.Post(NewMessage(OpBinary, part))
						}
						if err != nil {
							return // it made room
						}
						if held := machine.Held(); held > limit {
							t.Errorf("%d bytes are held", held)
							return
						}
					}
				})
			}
			for n := range 200 { // who reads is not disturbed
				m := numbered(n, 20_000)
				if err := listening.Send(m); err != nil {
					t.Fatal(err)
				}
				wantNumbered(t, reader, n, 20_000)
			}
			all.Wait()
			if n := h.Stats().Connections; n > deaf {
				t.Errorf("%d connections are left", n)
			}
			for _, c := range conns {
				c.Abort(nil)
			}
			untilHeld(t, machine, "bytes are still held", func(n int64) bool { return n == 0 })
		})
	}
}

// Thousands for whom a broadcast waits keep it once.
func TestABroadcastThatWaitsForManyIsNotCountedManyTimes(t *testing.T) {
	machine := budget.New(8 << 20)
	s := NewServer(Options{Charge: charging(machine)})
	m := NewMessage(OpBinary, make([]byte, 500_000))
	var conns []*Conn
	for range 1000 {
		c, l := fakeConnOf(s, newRecorder(nil), false)
		l.room = 100
		conns = append(conns, c)
		if err := c.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	if held := machine.Held(); held < 500_000 || held > 8<<20 {
		t.Errorf("%d bytes are charged for one message", held)
	}
	for _, c := range conns {
		c.Abort(nil)
	}
	if n := m.keepers.Load(); n != 0 || machine.Held() != 0 {
		t.Errorf("%d queues keep the message, and %d bytes are held", n, machine.Held())
	}
}

func TestShortQueuesAreNotCharged(t *testing.T) {
	machine := budget.New(1 << 20)
	c, l := fakeConnOf(NewServer(Options{Charge: charging(machine)}), newRecorder(nil), false)
	l.room = 0
	_ = c.Send(NewMessage(OpText, make([]byte, 500)))
	_ = c.SendParts(OpText, make([]byte, 500))
	if held := machine.Held(); held != 0 {
		t.Errorf("%d bytes are held", held)
	}
	for range 20 {
		_ = c.SendParts(OpText, make([]byte, 500))
	}
	if held := machine.Held(); held < 10_000 || held > 40_000 {
		t.Errorf("%d bytes are held for 11,000", held)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l.room, c.waiting = -1, false
	c.flushLocked()
	if held := machine.Held(); held != 0 {
		t.Errorf("%d bytes are held of a queue that has left", held)
	}
}

// One byte that a peer leaves keeps the whole of what it is in.
func TestTheRestOfALargeMessageIsChargedWhole(t *testing.T) {
	machine := budget.New(4 << 20)
	c, l := fakeConnOf(NewServer(Options{Charge: charging(machine)}), newRecorder(nil), false)
	l.room = 1_000_000
	_ = c.Send(NewMessage(OpBinary, make([]byte, 1_000_000)))
	if held := machine.Held(); held < 1_000_000 {
		t.Errorf("%d bytes are held", held)
	}
}

// What queues count is given back, in whatever order frames come and leave.
func TestQueuesCountWhatTheyKeep(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		q, shared := &queue{last: -1}, NewMessage(OpBinary, make([]byte, 3000))
		var other []*Message
		for range random.IntN(400) {
			switch random.IntN(5) {
			case 0:
				q.add(shared, shared.frame, len(shared.frame))
			case 1:
				m := NewMessage(OpBinary, make([]byte, random.IntN(3000)))
				other = append(other, m)
				q.add(m, m.frame, len(m.frame))
			case 2:
				q.addCopy(make([]byte, random.IntN(3000)))
			case 3:
				q.share()
			case 4:
				if q.bytes > 0 {
					q.drop(1 + random.IntN(q.bytes))
				}
			}
			pinned, taken := 0, 0
			for _, o := range q.origins[q.head:] {
				pinned, taken = pinned+int(o.pinned), taken+int(o.taken)
			}
			if q.pinned != pinned || q.taken != taken || q.bytes > q.size() {
				t.Fatalf("%+v: %d pinned, %d taken", q, pinned, taken)
			}
			if q.last >= 0 && (q.last < q.head || q.origins[q.last].m != nil) {
				t.Fatalf("%+v: the last of the arena is none", q)
			}
		}
		if random.IntN(2) == 0 {
			q.discard()
		} else if q.bytes > 0 {
			q.drop(q.bytes)
		}
		for _, m := range append(other, shared) {
			if m.keepers.Load() != 0 {
				t.Fatalf("%d keep a message that is in no queue", m.keepers.Load())
			}
		}
	}
}
