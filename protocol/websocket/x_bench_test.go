package websocket

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"podium/protocol/budget"
)

func BenchmarkMask(b *testing.B) {
	p := make([]byte, 4096)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		mask(p, 0x12345678)
	}
}

// BenchmarkBroadcast is a delivery to each of many connections over loopback.
func BenchmarkBroadcast(b *testing.B) {
	for _, way := range []struct {
		name  string
		burst int
	}{{"single", 1}, {"burst20", 20}} {
		b.Run(way.name, func(b *testing.B) {
			const conns = 200
			h := serve(b, "loop", Options{Charge: charging(budget.New(64 << 20))}, func() Handler { return quietBench{} })
			m := NewMessage(OpText, bytes.Repeat([]byte("x"), 100))
			var ends []*Conn
			var clients []*client
			for range conns {
				clients = append(clients, h.dial(b))
				ends = append(ends, h.conn(b))
			}
			buf := make([]byte, len(m.frame)*way.burst)
			b.ReportAllocs()
			deliveries := 0
			for b.Loop() {
				for range way.burst {
					for _, c := range ends {
						_ = c.Post(m)
					}
				}
				for _, c := range clients {
					if _, err := io.ReadFull(c.br, buf); err != nil {
						b.Fatal(err)
					}
				}
				deliveries += conns * way.burst
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(deliveries), "ns/delivery")
		})
	}
}

// BenchmarkPost is what a burst costs a connection beside the kernel's part: one that
// fits into the queue that is free, and one that does not, each with a budget and
// without.
func BenchmarkPost(b *testing.B) {
	for _, burst := range []int{20, 60} {
		for name, o := range map[string]Options{"uncharged": {}, "charged": {Charge: charging(budget.New(64 << 20))}} {
			b.Run(fmt.Sprintf("burst%d/%s", burst, name), func(b *testing.B) {
				c, l := fakeConn(o, quietBench{}, false)
				m := NewMessage(OpText, bytes.Repeat([]byte("x"), 100))
				l.sent = make([]byte, 0, 1<<20)
				b.ReportAllocs()
				for b.Loop() {
					for range burst {
						_ = c.Post(m)
					}
					l.sent = l.sent[:0]
					c.mu.Lock()
					c.flushLocked()
					c.mu.Unlock()
				}
			})
		}
	}
}

// BenchmarkEcho is round trips over loopback, one or sixteen in flight.
func BenchmarkEcho(b *testing.B) {
	for _, way := range []struct {
		name     string
		inFlight int
	}{{"one", 1}, {"sixteen", 16}} {
		b.Run(way.name, func(b *testing.B) {
			h := serve(b, "loop", Options{}, func() Handler { return echoBench{} })
			c := h.dial(b)
			frame := bytes.Repeat(masked(bitFin|byte(OpText), "round trip"), way.inFlight)
			buf := make([]byte, 12*way.inFlight)
			b.ReportAllocs()
			trips := 0
			for b.Loop() {
				c.write(frame)
				if _, err := io.ReadFull(c.br, buf); err != nil {
					b.Fatal(err)
				}
				trips += way.inFlight
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(trips), "ns/trip")
		})
	}
}

type quietBench struct{}

func (quietBench) OnMessage(*Conn, Opcode, []byte) {}
func (quietBench) OnClose(*Conn, error)            {}

type echoBench struct{ quietBench }

func (echoBench) OnMessage(c *Conn, op Opcode, data []byte) { _ = c.SendParts(op, data) }
