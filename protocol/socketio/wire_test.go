package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"podium/protocol/budget"
	"podium/protocol/engineio"
	"podium/protocol/websocket"
)

// wire is a connection whose other end is a test. What the server sends is
// kept in order; limit, where set, makes the connection break after so many
// further messages.
type wire struct {
	id       string
	protocol int
	blocked  atomic.Bool // not writable

	mu       sync.Mutex // guards the fields below
	received []wireMessage
	onFirst  func() // called when the first message is there, while it is being sent
	limit    int    // messages that still get through; -1 for all
	closed   bool
	slow     bool          // what the test has not read counts as waiting
	changed  chan struct{} // closed and replaced at each change
	client   *client
	closing  chan struct{} // not nil: Close waits for it
	pauses   atomic.Int64  // calls of Pause less those of Resume
}

type wireMessage struct {
	data   []byte
	binary bool
}

var wireIDs atomic.Int64

func newWire(srv *Server) *wire { return newWireFor(srv, 4) }

func newWireFor(srv *Server, protocol int) *wire { return newWireWith(srv, protocol, nil) }

func newWireWith(srv *Server, protocol int, onFirst func()) *wire {
	w := &wire{id: fmt.Sprintf("wire%d", wireIDs.Add(1)), protocol: protocol, limit: -1, changed: make(chan struct{}), onFirst: onFirst}
	c := srv.attach(w)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.client = c
	return w
}

func (w *wire) ID() string     { return w.id }
func (w *wire) Protocol() int  { return w.protocol }
func (w *wire) Writable() bool { return !w.blocked.Load() }

func (w *wire) Context() context.Context { return context.Background() }

func (w *wire) Pause()  { w.pauses.Add(1) }
func (w *wire) Resume() { w.pauses.Add(-1) }

func (w *wire) Charge(func()) *budget.Charge { return nil }

func (w *wire) Buffered() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.slow {
		return 0
	}
	n := 0
	for _, m := range w.received {
		n += len(m.data)
	}
	return n
}

func (w *wire) Request() requestInfo {
	return requestInfo{
		Header: http.Header{"User-Agent": {"test"}}, URL: "/socket.io/?EIO=4&transport=websocket&key=first&key=value",
		Address: "192.0.2.1:1234", Time: time.UnixMilli(1_700_000_000_000),
	}
}

func (w *wire) changeLocked() {
	close(w.changed)
	w.changed = make(chan struct{})
}

var errWire = errors.New("wire is cut")

func (w *wire) Send(ms ...*engineio.Message) error {
	first, err := w.take(ms)
	if first != nil {
		first()
	}
	return err
}

// take does it, and returns what is to be called at the first message.
func (w *wire) take(ms []*engineio.Message) (first func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, errWire
	}
	for _, m := range ms {
		if w.limit == 0 {
			break // swallowed: the peer never sees it
		}
		if w.limit > 0 {
			w.limit--
		}
		w.received = append(w.received, wireMessage{payload(m), isBinary(m)})
	}
	w.changeLocked()
	first, w.onFirst = w.onFirst, nil
	return first, nil
}

func (w *wire) Post(ms ...*engineio.Message) error { return w.Send(ms...) }

func (w *wire) SendText(parts ...[]byte) error { return w.Send(engineio.Text(parts...)) }

// holdClosing makes Close wait until the channel is closed.
func (w *wire) holdClosing() chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closing = make(chan struct{})
	return w.closing
}

func (w *wire) Close() {
	w.mu.Lock()
	if c := w.closing; c != nil {
		w.mu.Unlock()
		<-c
		w.mu.Lock()
	}
	first := !w.closed
	w.closed = true
	if first {
		w.changeLocked()
	}
	c := w.client
	w.mu.Unlock()
	if first && c != nil {
		c.OnClose("forced close", nil)
	}
}

// drop cuts the connection as a network does.
func (w *wire) drop() {
	w.mu.Lock()
	first := !w.closed
	w.closed = true
	w.mu.Unlock()
	if first {
		w.client.OnClose("transport close", nil)
	}
}

// say sends text messages, as the client does.
func (w *wire) say(texts ...string) {
	for _, t := range texts {
		w.client.OnMessage([]byte(t), false)
	}
}

func (w *wire) sayBinary(b []byte) { w.client.OnMessage(b, true) }

// until waits until f, called under the lock, returns true.
func (w *wire) until(t testing.TB, what string, f func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		w.mu.Lock()
		ok, changed := f(), w.changed
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			w.mu.Lock()
			defer w.mu.Unlock()
			t.Fatalf("%s: never; received %q, closed %v", what, w.received, w.closed)
		}
	}
}

// next waits for the next message and takes it.
func (w *wire) next(t testing.TB) string {
	t.Helper()
	var m wireMessage
	w.until(t, "a message", func() bool {
		if len(w.received) == 0 {
			return false
		}
		m, w.received = w.received[0], w.received[1:]
		return true
	})
	if m.binary {
		return fmt.Sprintf("binary %x", m.data)
	}
	return string(m.data)
}

// expect waits for messages.
func (w *wire) expect(t testing.TB, want ...string) {
	t.Helper()
	for _, x := range want {
		if got := w.next(t); got != x {
			t.Fatalf("received %s, want %s", got, x)
		}
	}
}

// expectNothing checks that nothing is waiting.
func (w *wire) expectNothing(t testing.TB) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.received) > 0 {
		t.Fatalf("received %q, want nothing", w.received)
	}
}

func (w *wire) expectClosed(t testing.TB) {
	t.Helper()
	w.until(t, "the end of the connection", func() bool { return w.closed })
}

// join connects to a namespace and returns the socket.
func (w *wire) join(t testing.TB, nsp string) *Socket {
	t.Helper()
	head := "0"
	if nsp != "/" {
		head += nsp + ","
	}
	w.say(head)
	answer := w.next(t)
	var a connectAnswer
	if !strings.HasPrefix(answer, head+"{") || json.Unmarshal([]byte(answer[len(head):]), &a) != nil {
		t.Fatalf("CONNECT was answered %s", answer)
	}
	s := w.client.socket(nsp)
	if s == nil || s.ID() != a.SID {
		t.Fatalf("no socket of id %s", a.SID)
	}
	return s
}

// newTestServer makes a server that is shut down when the test ends.
func newTestServer(t testing.TB, o Options) *Server {
	t.Helper()
	srv := NewServer(o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return srv
}

// joined returns n connections in the main namespace, and their sockets.
func joined(t testing.TB, srv *Server, n int) ([]*wire, []*Socket) {
	t.Helper()
	var ws []*wire
	var ss []*Socket
	for range n {
		w := newWire(srv)
		ws, ss = append(ws, w), append(ss, w.join(t, "/"))
	}
	return ws, ss
}

// wait receives from c, or fails.
func wait[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func mustBeNil(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// payload returns what m carries, without the Engine.IO packet type.
func payload(m *engineio.Message) []byte {
	if isBinary(m) {
		return m.Payload()
	}
	return m.Payload()[1:]
}

func isBinary(m *engineio.Message) bool { return m.Op() == websocket.OpBinary }

func (m wireMessage) String() string {
	if m.binary {
		return fmt.Sprintf("binary %x", m.data)
	}
	return string(m.data)
}
