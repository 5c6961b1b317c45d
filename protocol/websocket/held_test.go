package websocket

import (
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"podium/protocol/budget"
)

// A batch of messages is left in its middle where the handler pauses the connection.
func TestAPauseHoldsWhatWasReadWithTheMessage(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		rec := newRecorder(func(c *Conn, _ Opcode, _ []byte) { c.Pause() })
		machine := budget.New(1 << 20)
		h := serve(t, mode, Options{Charge: charging(machine), Compression: &Compression{}}, func() Handler { return rec })
		peer := h.dial(t, offerDeflate)
		conn := h.conn(t)
		const n = 20
		var batch []byte
		for i := range n {
			text := fmt.Sprint("message ", i)
			if i%2 == 0 {
				batch = append(batch, masked(bitFin|bitRsv1|byte(OpText), pack(t, text))...)
			} else {
				batch = append(batch, masked(bitFin|byte(OpText), text)...)
			}
		}
		peer.write(batch)
		for i := range n {
			if got := <-rec.messages; got.data != fmt.Sprint("message ", i) {
				t.Fatalf("message %d is %q", i, got.data)
			}
			select {
			case got := <-rec.messages:
				t.Fatalf("%q came while the connection was paused", got.data)
			default:
			}
			conn.Resume()
		}
		untilHeld(t, machine, "bytes are still held", func(n int64) bool { return n == 0 })
	})
}

// Frames of a few hundred bytes become megabytes: those beyond the bound wait, in their
// order, and everybody else is served meanwhile.
func TestMessagesThatInflateWaitForTheirTurn(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		const n, size = 6, 300_000
		var spent, refused atomic.Int64
		open := make(chan struct{})
		rec := newRecorder(func(*Conn, Opcode, []byte) {})
		h := serve(t, mode, Options{
			Compression: &Compression{},
			MayInflate: func(_ Handler, s int) time.Duration {
				select {
				case <-open:
				default:
					if spent.Load() > 2*size {
						refused.Add(1)
						return 5 * time.Millisecond
					}
				}
				return 0
			},
			Inflated: func(_ Handler, more int) { spent.Add(int64(more)) },
		}, func() Handler { return rec })
		peer := h.dial(t, offerDeflate)
		h.conn(t)
		var batch []byte
		for i := range n {
			batch = append(batch, masked(bitFin|bitRsv1|byte(OpText), pack(t, fmt.Sprint(i, strings.Repeat(" ", size))))...)
			batch = append(batch, masked(byte(OpText)|bitRsv1, pack(t, fmt.Sprint("s", i))[:1])...)
			batch = append(batch, masked(bitFin, pack(t, fmt.Sprint("s", i))[1:])...)
		}
		peer.write(batch)
		next := func(i int) {
			t.Helper()
			if got := <-rec.messages; !strings.HasPrefix(got.data, fmt.Sprint(i, " ")) {
				t.Fatalf("message %d is %.10q", i, got.data)
			}
			if got := <-rec.messages; got.data != fmt.Sprint("s", i) {
				t.Fatalf("behind message %d came %.10q", i, got.data)
			}
		}
		for i := range 3 {
			next(i)
		}
		for deadline := time.Now().Add(wait); refused.Load() < 3; {
			if time.Now().After(deadline) {
				t.Fatal("nothing waits")
			}
			<-time.After(time.Millisecond)
		}
		if len(rec.messages) > 0 {
			t.Error("a message did not wait")
		}
		close(open)
		for i := 3; i < n; i++ {
			next(i)
		}
	})
}

// Whenever a connection is resumed, everything comes, and in its order.
func TestPausesAndWaitsAtAnyMomentKeepTheOrder(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		const n = 80
		var frames [][]byte // made before: packing takes longer than all else here
		for i := range n {
			packed := pack(t, fmt.Sprint(i, strings.Repeat(" ", 1500*(i%2))))
			if i%5 == 0 {
				frames = append(frames, append(masked(bitRsv1|byte(OpText), packed[:1]), masked(bitFin, packed[1:])...))
			} else {
				frames = append(frames, masked(bitFin|bitRsv1|byte(OpText), packed))
			}
		}
		var count, asked atomic.Int64
		rec := newRecorder(func(c *Conn, _ Opcode, _ []byte) {
			if i := count.Add(1); i%3 == 0 {
				c.Pause()
				go c.Resume() // at once, or a little later
			}
		})
		h := serve(t, mode, Options{
			Compression:  &Compression{},
			MayInflate:   func(Handler, int) time.Duration { return time.Duration(asked.Add(1)%2) * time.Nanosecond },
			Inflated:     func(Handler, int) {},
			CloseTimeout: time.Second,
		}, func() Handler { return rec })
		peer := h.dial(t, offerDeflate)
		h.conn(t)
		go func() {
			for _, frame := range frames {
				if _, err := peer.Write(frame); err != nil {
					return // the test has ended
				}
			}
		}()
		for i := range n {
			select {
			case got := <-rec.messages:
				if strings.TrimSpace(got.data) != fmt.Sprint(i) {
					t.Fatalf("message %d is %.10q", i, got.data)
				}
			case <-time.After(wait):
				t.Fatalf("message %d did not come", i)
			}
		}
	})
}

// What waits does not keep a connection from ending, and is given back then.
func TestAConnectionEndsWhileItsMessageWaits(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		for _, how := range []string{"abort", "close", "no memory"} {
			machine := budget.New(1 << 20)
			asked := make(chan struct{}, 100)
			rec := newRecorder(nil)
			h := serve(t, mode, Options{
				Compression: &Compression{}, Charge: charging(machine), CloseTimeout: 50 * time.Millisecond,
				MayInflate: func(Handler, int) time.Duration { asked <- struct{}{}; return time.Hour },
			}, func() Handler { return rec })
			peer := h.dial(t, offerDeflate)
			conn := h.conn(t)
			frame := masked(bitFin|bitRsv1|byte(OpText), pack(t, strings.Repeat("x", 100_000)))
			peer.write(append(frame, frame...))
			<-asked
			switch how {
			case "abort":
				conn.Abort(nil)
			case "close":
				conn.Close(CloseNormal, "")
			case "no memory":
				untilHeld(t, machine, "nothing is held for what waits", func(n int64) bool { return n > 0 })
				other := machine.Share("other", 0).Open(netip.MustParseAddr("192.0.2.2"), nil)
				if err := other.Hold(1<<20 - machine.Held() + 100); err != nil { // a little more than there is
					t.Error(err)
				}
				other.Close()
			}
			rec.wantClosed(t)
			untilHeld(t, machine, how+": bytes are still held", func(n int64) bool { return n == 0 })
		}
	})
}

// untilHeld waits until what the budget holds is right.
func untilHeld(t *testing.T, b *budget.Budget, wrong string, right func(int64) bool) {
	t.Helper()
	for deadline := time.Now().Add(wait); !right(b.Held()); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d", wrong, b.Held())
		}
	}
}

func TestWhatAMessageBecomesIsCharged(t *testing.T) {
	machine := budget.New(2 << 20)
	var most atomic.Int64
	rec := newRecorder(func(*Conn, Opcode, []byte) { most.Store(max(most.Load(), machine.Held())) })
	h := serve(t, "loop", Options{Compression: &Compression{}, Charge: charging(machine)}, func() Handler { return rec })
	peer := h.dial(t, offerDeflate)
	peer.write(masked(bitFin|bitRsv1|byte(OpText), pack(t, strings.Repeat("x", 900_000))))
	<-rec.messages
	peer.write(masked(bitFin|byte(opPing), ""))
	peer.want(bitFin|byte(opPong), "")
	if most.Load() < 900_000 || machine.Held() != 0 {
		t.Errorf("%d bytes were held, and %d are", most.Load(), machine.Held())
	}
}
