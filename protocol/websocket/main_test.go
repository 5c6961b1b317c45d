package websocket

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"podium/protocol/budget"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wait bounds everything a test waits for.
const wait = 20 * time.Second

// modes are the links that the behaviour suite runs over.
var modes = []string{"loop", "stream", "loop-tls", "stream-tls"}

// received is a message as a handler got it.
type received struct {
	op   Opcode
	data string
}

// recorder is a handler that hands on what it gets.
type recorder struct {
	onMessage func(c *Conn, op Opcode, data []byte) // nil: send it back
	messages  chan received
	closed    chan error
}

func newRecorder(onMessage func(*Conn, Opcode, []byte)) *recorder {
	return &recorder{onMessage: onMessage, messages: make(chan received, 4096), closed: make(chan error, 2)}
}

func (r *recorder) OnMessage(c *Conn, op Opcode, data []byte) {
	select {
	case r.messages <- received{op, string(data)}:
	default:
	}
	if r.onMessage != nil {
		r.onMessage(c, op, data)
		return
	}
	_ = c.Send(NewMessage(op, data))
}

func (r *recorder) OnClose(_ *Conn, err error) { r.closed <- err }

func (r *recorder) wantClosed(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.closed:
		return err
	case <-time.After(wait):
		t.Fatal("OnClose was not called")
		return nil
	}
}

// host serves WebSockets over HTTP for a test.
type host struct {
	*Server
	http  *httptest.Server
	conns chan *Conn
	mode  string
}

// serve starts a server whose connections get handlers from newHandler; nil means
// a recorder that sends everything back. Everything is closed at the test's end.
func serve(t testing.TB, mode string, o Options, newHandler func() Handler) *host {
	t.Helper()
	if strings.HasPrefix(mode, "stream") {
		o.Loops = -1
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	h := &host{Server: NewServer(o), conns: make(chan *Conn, 32768), mode: mode}
	if newHandler == nil {
		newHandler = func() Handler { return newRecorder(nil) }
	}
	h.http = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := h.Upgrade(w, r, newHandler(), http.Header{"X-Extra": {"yes"}})
		if err != nil {
			return
		}
		h.conns <- c
		c.Start()
	}))
	h.http.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if strings.HasSuffix(mode, "tls") {
		if mode != "bare-tls" {
			h.http.Listener = NewListener(h.http.Listener)
		}
		h.http.TLS = &tls.Config{SessionTicketsDisabled: true} // see dialRecords
		h.http.StartTLS()
	} else {
		h.http.Start()
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = h.Shutdown(ctx)
		h.http.Close()
	})
	return h
}

// conn is the server's end of the connection dialled last.
func (h *host) conn(t testing.TB) *Conn {
	t.Helper()
	select {
	case c := <-h.conns:
		return c
	case <-time.After(wait):
		t.Fatal("no connection was accepted")
		return nil
	}
}

// client is a bare WebSocket client that can break every rule.
type client struct {
	net.Conn
	t  testing.TB
	br *bufio.Reader
}

const clientKey = "dGhlIHNhbXBsZSBub25jZQ=="

func (h *host) dial(t testing.TB, header ...string) *client {
	t.Helper()
	return h.dialWith(t, "", header...)
}

// dialWith sends extra bytes in one write with the handshake.
func (h *host) dialWith(t testing.TB, extra string, header ...string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", h.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(h.mode, "tls") {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
	}
	return shake(t, nc, extra, header...)
}

// shake asks for a WebSocket on a connection.
func shake(t testing.TB, nc net.Conn, extra string, header ...string) *client {
	t.Helper()
	c := &client{Conn: nc, t: t, br: bufio.NewReader(nc)}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(wait))
	lines := append([]string{
		"GET / HTTP/1.1", "Host: test", "Upgrade: websocket", "Connection: keep-alive, Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + clientKey,
	}, header...)
	c.write([]byte(strings.Join(lines, "\r\n") + "\r\n\r\n" + extra))
	answer, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake answered with %s", answer.Status)
	}
	return c
}

func (c *client) write(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatalf("client writes: %v", err)
	}
}

// frame is a frame as it is on the wire.
type frame struct {
	first   byte
	payload string
}

func (f frame) String() string {
	if len(f.payload) > 40 {
		return fmt.Sprintf("%#x %q… (%d)", f.first, f.payload[:40], len(f.payload))
	}
	return fmt.Sprintf("%#x %q", f.first, f.payload)
}

// read reads a frame from the server.
func (c *client) read() (frame, error) {
	var head [2]byte
	if _, err := io.ReadFull(c.br, head[:]); err != nil {
		return frame{}, err
	}
	n := uint64(head[1])
	switch n {
	case 126:
		var b [2]byte
		if _, err := io.ReadFull(c.br, b[:]); err != nil {
			return frame{}, err
		}
		n = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		if _, err := io.ReadFull(c.br, b[:]); err != nil {
			return frame{}, err
		}
		n = binary.BigEndian.Uint64(b[:])
	}
	if n > 1<<30 {
		return frame{}, fmt.Errorf("frame of %d bytes", n)
	}
	payload := make([]byte, n)
	_, err := io.ReadFull(c.br, payload)
	return frame{head[0], string(payload)}, err
}

func (c *client) want(first byte, payload string) {
	c.t.Helper()
	got, err := c.read()
	if err != nil {
		c.t.Fatalf("client reads: %v, want %v", err, frame{first, payload})
	}
	if got.first != first || got.payload != payload {
		c.t.Fatalf("client got %v, want %v", got, frame{first, payload})
	}
}

// wantClose reads up to the close frame and wants its code.
func (c *client) wantClose(code int) {
	c.t.Helper()
	for {
		f, err := c.read()
		if err != nil {
			c.t.Fatalf("no close frame: %v", err)
		}
		if f.first != bitFin|byte(opClose) {
			continue
		}
		got := CloseNoStatus
		if len(f.payload) >= 2 {
			got = int(binary.BigEndian.Uint16([]byte(f.payload)))
		}
		if got != code {
			c.t.Fatalf("close code is %d, want %d", got, code)
		}
		return
	}
}

// wantEOF wants the server to close the connection, with nothing in front.
func (c *client) wantEOF() {
	c.t.Helper()
	if b, err := c.br.ReadByte(); err == nil {
		c.t.Fatalf("client got byte %#x, want the end", b)
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		c.t.Fatal("the server did not close")
	}
}

// masked is a client's frame.
func masked(first byte, payload string) []byte {
	b := appendHeader(nil, first, len(payload))
	b[1] |= bitMask
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b = append(b, key[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i&3])
	}
	return b
}

func closePayload(code int, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(code))) + reason
}

// charging opens charges of one client on machine.
func charging(machine *budget.Budget) func(Handler, func()) *budget.Charge {
	share := machine.Share("messages", 0)
	return func(_ Handler, evict func()) *budget.Charge {
		return share.Open(netip.MustParseAddr("192.0.2.1"), evict)
	}
}

// fakeLink is a link without a network, for what can be tested without.
type fakeLink struct {
	mu     sync.Mutex
	sent   []byte
	room   int // bytes that it takes; negative: any
	shutAt bool
}

func (l *fakeLink) start()     {}
func (l *fakeLink) kept() int  { return 0 }
func (l *fakeLink) await()     {}
func (l *fakeLink) later()     {}
func (l *fakeLink) closing()   {}
func (l *fakeLink) drained()   {}
func (l *fakeLink) halfClose() {}
func (l *fakeLink) shut(bool)  { l.shutAt = true }

func (l *fakeLink) write(bufs [][]byte) (n int, more bool, err error) {
	for _, b := range bufs {
		k, _ := l.writeOne(b)
		n += k
		if k < len(b) {
			return n, false, nil
		}
	}
	return n, true, nil
}

func (l *fakeLink) writeOne(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(b)
	if l.room >= 0 {
		n = min(n, l.room)
		l.room -= n
	}
	l.sent = append(l.sent, b[:n]...)
	return n, nil
}

func (l *fakeLink) pause() {}

// fakeConn is a started connection over a fakeLink with room for everything.
func fakeConn(o Options, h Handler, deflate bool) (*Conn, *fakeLink) {
	o.Logger = slog.New(slog.DiscardHandler)
	return fakeConnOf(NewServer(o), h, deflate)
}

// fakeConnOf is fakeConn for tests that make many connections of one server.
func fakeConnOf(s *Server, h Handler, deflate bool) (*Conn, *fakeLink) {
	l := &fakeLink{room: -1}
	c := &Conn{server: s, handler: h, link: l, deflate: deflate}
	c.Start()
	return c, l
}
