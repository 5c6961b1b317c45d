package engineio_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"podium/protocol/engineio"
)

// bubble is a server and one client within a synctest bubble: the connections
// are pipes and time is fake, so that after settle everything that an action
// sets off has happened. The bubble ends only when no goroutine is left.
type bubble struct {
	*testing.T
	engine   *engineio.Server
	http     *http.Server
	pipes    pipes
	query    string            // names the session
	greet    bool              // sessions get "hi" when they open
	receiver engineio.Receiver // of the sessions, in place of serverSide; or nil
	clientSide
	serverSide
}

// serverSide is what the session's receiver saw.
type serverSide struct {
	session *engineio.Session
	mu      sync.Mutex // guards the fields below
	got     []string   // the messages; binary ones behind a "b"
	reasons []engineio.Reason
	atEnd   func() // is called once, when a session has ended; may be nil
}

func (s *serverSide) OnMessage(data []byte, binary bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if binary {
		data = slices.Concat([]byte("b"), data)
	}
	s.got = append(s.got, string(data))
	if len(s.reasons) > 0 {
		s.got = append(s.got, "after the end")
	}
}

func (s *serverSide) OnClose(r engineio.Reason, _ error) {
	s.mu.Lock()
	s.reasons = append(s.reasons, r)
	f := s.atEnd
	s.atEnd = nil
	s.mu.Unlock()
	if f != nil {
		f()
	}
}

func (s *serverSide) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.reasons) > 0
}

// clientSide is what the client received, over whatever transport.
type clientSide struct {
	version int      // of the protocol; 4 where it is 0
	packets []string // in order of arrival; written between settles only by one goroutine at a time
	guard   sync.Mutex
}

// take takes what read makes of data.
func (c *clientSide) take(read func(version int, data []byte, binary bool) []string, data []byte, binary bool) {
	c.guard.Lock()
	defer c.guard.Unlock()
	c.packets = append(c.packets, read(c.version, data, binary)...)
}

// messages are the messages received; binary ones are behind a "b".
func (c *clientSide) messages() []string {
	c.guard.Lock()
	defer c.guard.Unlock()
	var all []string
	for _, p := range c.packets {
		if message, found := strings.CutPrefix(p, "4"); found {
			all = append(all, message)
		}
	}
	return all
}

// pipes is a listener whose connections are pipes.
type pipes struct {
	conns   chan net.Conn
	clients []net.Conn // their other ends; owned by the test's goroutine
}

func (p *pipes) Accept() (net.Conn, error) {
	c, ok := <-p.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p *pipes) Close() error   { return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.clients = append(p.clients, client)
	p.conns <- unwatchable{server}
	return client
}

// unwatchable is a connection of which a poll can be parked, but not watched.
type unwatchable struct{ net.Conn }

func (unwatchable) SyscallConn() (syscall.RawConn, error) { return noSocket{}, nil }

type noSocket struct{}

func (noSocket) Control(func(uintptr)) error    { return errors.ErrUnsupported }
func (noSocket) Read(func(uintptr) bool) error  { return errors.ErrUnsupported }
func (noSocket) Write(func(uintptr) bool) error { return errors.ErrUnsupported }

func inBubble(t *testing.T, o engineio.Options, f func(*bubble)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{T: t, pipes: pipes{conns: make(chan net.Conn)}}
		o.Loops = -1 // they wait in the kernel, which the bubble does not see
		if o.ParkAfter == 0 {
			o.ParkAfter = -1 // as above
		}
		b.engine = engineio.NewServer(o, func(s *engineio.Session) engineio.Receiver {
			b.session = s
			if b.greet {
				_ = s.Send(engineio.Text([]byte("hi")))
			}
			if b.receiver != nil {
				return b.receiver
			}
			return &b.serverSide
		})
		if o.ParkAfter > 0 {
			b.engine.ParkUnwatched()
		}
		b.http = &http.Server{Handler: b.engine}
		go func() { _ = b.http.Serve(&b.pipes) }()
		defer b.end()
		f(b)
	})
}

// end shuts everything down.
func (b *bubble) end() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := b.engine.Shutdown(ctx); err != nil {
		b.Errorf("shutdown: %v", err)
	}
	close(b.pipes.conns)
	_ = b.http.Close()
	for _, c := range b.pipes.clients {
		_ = c.Close()
	}
}

// request sends a request on a connection of its own.
func (b *bubble) request(method, query, body string) *answer {
	return b.requestInPart(method, query, body, len(body))
}

// requestInPart sends a request whose body has length bytes, of which body is the
// beginning.
func (b *bubble) requestInPart(method, query, body string, length int) *answer {
	a := &answer{conn: b.pipes.dial()}
	go func() {
		_, err := fmt.Fprintf(a.conn, "%s /engine.io/?%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", method, query, length, body)
		if err != nil {
			return
		}
		res, err := http.ReadResponse(bufio.NewReader(a.conn), nil)
		if err != nil {
			return
		}
		text, err := io.ReadAll(res.Body)
		if err != nil {
			return
		}
		a.mu.Lock()
		a.status, a.body = res.StatusCode, string(text)
		a.mu.Unlock()
		if method == http.MethodGet && res.StatusCode == http.StatusOK {
			b.take(engineio.ReadPayload, text, res.Header.Get("Content-Type") == "application/octet-stream")
		}
		_ = a.conn.Close()
	}()
	synctest.Wait()
	return a
}

// answer is the answer to a request; status is 0 until it is there.
type answer struct {
	conn   net.Conn
	mu     sync.Mutex // guards the fields below
	status int
	body   string
}

func (a *answer) done() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.status != 0
}

// open makes a long-polling session.
func (b *bubble) open(version int) {
	b.Helper()
	b.version = version
	a := b.request("GET", fmt.Sprintf("EIO=%d&transport=polling", version), "")
	if a.status != 200 {
		b.Fatalf("handshake: %d %s", a.status, a.body)
	}
	b.query = fmt.Sprintf("EIO=%d&transport=polling&sid=%s", version, b.session.ID())
}

func (b *bubble) get() *answer             { return b.request("GET", b.query, "") }
func (b *bubble) post(body string) *answer { return b.request("POST", b.query, body) }

// socket is the client's end of a WebSocket.
type socket struct {
	conn net.Conn
	mu   sync.Mutex // guards the fields below
	pong bool       // "3probe" came
	over bool       // the server closed it
	mute bool       // it answers no ping; set before it is asked
}

func (b *bubble) dialWebSocket(query string) *socket {
	w := &socket{conn: b.pipes.dial()}
	go func() {
		_, err := fmt.Fprintf(w.conn, "GET /engine.io/?%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", query)
		if err == nil {
			err = w.read(b)
		}
		w.mu.Lock()
		w.over = err != nil
		w.mu.Unlock()
		_ = w.conn.Close()
	}()
	synctest.Wait()
	return w
}

var errRefused = errors.New("refused")

func (w *socket) read(b *bubble) error {
	in := bufio.NewReader(w.conn)
	if res, err := http.ReadResponse(in, nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		return errors.Join(err, errRefused)
	}
	for {
		var head [2]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return err
		}
		n := int(head[1])
		if n == 126 {
			var length [2]byte
			if _, err := io.ReadFull(in, length[:]); err != nil {
				return err
			}
			n = int(binary.BigEndian.Uint16(length[:]))
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(in, payload); err != nil {
			return err
		}
		switch {
		case head[0] == 0x88:
			go func() { _, _ = w.conn.Write([]byte{0x88, 0x80, 0, 0, 0, 0}) }()
			continue // the server closes
		case head[0] == 0x89 && !w.mute:
			go func() { _, _ = w.conn.Write([]byte{0x8a, 0x80, 0, 0, 0, 0}) }()
		case head[0] == 0x89:
		case string(payload) == "3probe":
			w.mu.Lock()
			w.pong = true
			w.mu.Unlock()
		default:
			b.take(engineio.ReadFrame, payload, head[0] == 0x82)
		}
	}
}

// send sends a text message of less than 126 bytes, masked with zeros.
func (w *socket) send(text string) { w.sendFrame(0x81, text) }

// sendFrame is send with any first byte.
func (w *socket) sendFrame(first byte, data string) {
	_, _ = w.conn.Write(append([]byte{first, 0x80 | byte(len(data)), 0, 0, 0, 0}, data...)) // a closed one takes nothing
	synctest.Wait()
}

func (w *socket) closed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.over
}

func (w *socket) probed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pong
}

// websocketQuery is the query of an upgrade.
func websocketQuery(b *bubble) string {
	return strings.Replace(b.query, "polling", "websocket", 1)
}
