package websocket

import (
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"
)

// numbered is a message of n bytes that begins with its number.
func numbered(i, n int) *Message {
	b := make([]byte, n)
	binary.BigEndian.PutUint32(b, uint32(i))
	for k := 4; k < n; k++ {
		b[k] = byte(i + k)
	}
	return NewMessage(OpBinary, b)
}

func wantNumbered(t *testing.T, c *client, i, n int) {
	t.Helper()
	f, err := c.read()
	if err != nil {
		t.Errorf("message %d: %v", i, err)
		return
	}
	if len(f.payload) != n || f.first != bitFin|byte(OpBinary) {
		t.Errorf("message %d: frame %#x of %d bytes", i, f.first, len(f.payload))
		return
	}
	if got := binary.BigEndian.Uint32([]byte(f.payload)); int(got) != i {
		t.Errorf("got message %d, want %d", got, i)
		return
	}
	for k := 4; k < n; k++ {
		if f.payload[k] != byte(i+k) {
			t.Errorf("message %d: byte %d is wrong", i, k)
			return
		}
	}
}

// The kernel takes only a part of what is sent to peers that do not read, in any
// cut, so that every way of going on with a partial write is used.
func TestSlowReadersGetEverythingInOrder(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		const conns, frames = 8, 400
		size := func(i int) int { return []int{10, 70000, 300, 33000, 5, 1200}[i%6] }
		h := serve(t, mode, Options{MaxQueuedBytes: 64 << 20}, nil)
		var clients []*client
		var servers []*Conn
		for range conns {
			clients = append(clients, h.dial(t))
			servers = append(servers, h.conn(t))
		}
		queued := 0
		for i := range frames {
			m := numbered(i, size(i))
			for k, s := range servers {
				send := s.Send
				if (i+k)%3 == 0 {
					send = s.Post
				}
				if err := send(m); err != nil {
					t.Fatalf("message %d: %v", i, err)
				}
				queued = max(queued, s.Buffered())
			}
		}
		if queued < 1<<20 {
			t.Errorf("only %d bytes were ever queued: nothing was slow", queued)
		}
		var readers sync.WaitGroup
		for _, c := range clients {
			readers.Go(func() {
				for i := range frames {
					wantNumbered(t, c, i, size(i))
					if t.Failed() {
						return
					}
				}
			})
		}
		readers.Wait()
		for _, s := range servers {
			if n := s.Buffered(); n != 0 && !t.Failed() {
				t.Errorf("%d bytes are still queued", n)
			}
		}
	})
}

func TestWhoNeverReadsIsDisconnected(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		const bound = 1 << 20
		r := newRecorder(nil)
		h := serve(t, mode, Options{MaxQueuedBytes: bound}, func() Handler { return r })
		h.dial(t)
		conn := h.conn(t)
		m := numbered(0, 50000)
		var err error
		for i := 0; err == nil; i++ {
			if err = conn.Send(m); i > 10000 {
				t.Fatal("nothing bounds the queue")
			}
			if n := conn.Buffered(); n > bound+len(m.Payload())+10 {
				t.Fatalf("%d bytes are queued", n)
			}
		}
		if err != ErrSlow {
			t.Fatalf("Send gives %v", err)
		}
		if err := conn.Send(m); err != ErrSlow {
			t.Errorf("the next Send gives %v", err)
		}
		if err := r.wantClosed(t); err != ErrSlow {
			t.Errorf("OnClose got %v", err)
		}
	})
}

func TestPingFloodOfOneWhoNeverReadsIsBounded(t *testing.T) {
	r := newRecorder(nil)
	h := serve(t, "loop", Options{MaxQueuedBytes: 64 << 10}, func() Handler { return r })
	c := h.dial(t)
	ping := masked(bitFin|byte(opPing), string(make([]byte, 125)))
	var flood []byte
	for range 500 {
		flood = append(flood, ping...)
	}
	for {
		if _, err := c.Write(flood); err != nil {
			break // disconnected
		}
	}
	if err := r.wantClosed(t); !errors.Is(err, ErrSlow) {
		t.Errorf("OnClose got %v", err)
	}
}

// A message larger than the bound reaches a peer that reads.
func TestBoundDoesNotForbidOneLargeMessage(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		h := serve(t, mode, Options{MaxQueuedBytes: 1000}, nil)
		c := h.dial(t)
		if err := h.conn(t).Send(numbered(7, 8<<20)); err != nil {
			t.Fatal(err)
		}
		wantNumbered(t, c, 7, 8<<20)
	})
}

// Many connections come and go while everybody sends to them, so that descriptors
// and slots are used again at once: nobody may receive what was for another.
func TestClosingRacesWithSending(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		const workers = 8
		rounds := 25
		if testing.Short() {
			rounds = 8
		}
		h := serve(t, mode, Options{Loops: 2, CloseTimeout: 100 * time.Millisecond}, nil)
		var mu, dialling sync.Mutex
		live := map[*Conn]bool{}
		stop := make(chan struct{})
		var senders sync.WaitGroup
		for range 2 {
			senders.Go(func() {
				m := numbered(1, 300)
				for {
					select {
					case <-stop:
						return
					default:
					}
					mu.Lock()
					var all []*Conn
					for c := range live {
						all = append(all, c)
					}
					mu.Unlock()
					for _, c := range all {
						_ = c.Post(m, m)
						_ = c.Send(m)
						_ = c.SendParts(OpBinary, m.Payload())
					}
				}
			})
		}
		var group sync.WaitGroup
		for w := range workers {
			group.Go(func() {
				for i := range rounds {
					dialling.Lock() // so that the two ends belong together
					c := h.dial(t)
					conn := h.conn(t)
					dialling.Unlock()
					mu.Lock()
					live[conn] = true
					mu.Unlock()
					for range 3 {
						f, err := c.read()
						if err != nil {
							break
						}
						if f.first != bitFin|byte(OpBinary) || len(f.payload) != 300 {
							t.Errorf("got %v", f)
						}
					}
					switch (w + i) % 5 {
					case 0:
						_ = c.SetDeadline(time.Now().Add(-1))
						if tcp, ok := c.Conn.(*net.TCPConn); ok {
							_ = tcp.SetLinger(0)
						}
					case 1:
						conn.Close(CloseNormal, "")
					case 2:
						conn.Abort(nil)
					case 3:
						_, _ = c.Write(masked(bitFin|byte(opClose), ""))
						go conn.Close(CloseNormal, "")
						go conn.Abort(nil)
					}
					_ = c.Close()
					mu.Lock()
					delete(live, conn)
					mu.Unlock()
				}
			})
		}
		group.Wait()
		close(stop)
		senders.Wait()
		deadline := time.Now().Add(wait)
		for h.Stats().Connections > 0 {
			if time.Now().After(deadline) {
				t.Fatalf("%d connections are left", h.Stats().Connections)
			}
			<-time.After(time.Millisecond)
		}
	})
}

func TestNoDescriptorIsLeft(t *testing.T) {
	count := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("descriptors cannot be counted here")
		}
		return len(all)
	}
	before := count()
	t.Run("use", func(t *testing.T) {
		h := serve(t, "loop", Options{Loops: 2}, nil)
		for i := range 50 {
			c := h.dial(t)
			c.write(masked(bitFin|byte(OpText), "x"))
			c.want(bitFin|byte(OpText), "x")
			if i%2 == 0 {
				h.conn(t).Abort(nil)
			}
			_ = c.Close()
		}
	})
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	deadline := time.Now().Add(wait)
	for after := count(); after > before+2; after = count() { // the runtime's own poller takes up to two
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors before, %d after", before, after)
		}
		<-time.After(time.Millisecond)
	}
}
