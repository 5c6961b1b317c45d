package engineio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"podium/protocol/websocket"
)

// clientLink is a client's WebSocket.
type clientLink struct {
	client *Client
	conn   *websocket.Conn
	gone   chan struct{} // closed when the connection has ended
	ready  chan struct{} // closed when it opened the session, or answered the probe
	err    error         // why it ended; set before gone is closed

	probing bool // owned by the reader, as is shown
	shown   bool // ready is closed
}

var _ websocket.Handler = (*clientLink)(nil)

// dial makes the WebSocket's handshake. Nothing is read before it is started.
func (c *Client) dial(ctx context.Context, probing bool) (*clientLink, error) {
	if d := c.opts.RequestTimeout; d > 0 {
		bounded, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		ctx = bounded
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.requests.url(c.codec.version(), TransportWebSocket, c.id, ""), nil)
	if err != nil {
		return nil, fmt.Errorf("engineio: make request: %w", err)
	}
	c.opts.addHeader(r)
	l := &clientLink{client: c, gone: make(chan struct{}), ready: make(chan struct{}), probing: probing}
	c.work.Add(1) // until OnClose
	l.conn, err = c.opts.WebSocket.Dial(c.opts.HTTPClient, r, l)
	if err == nil {
		return l, nil
	}
	c.work.Done()
	var refused *websocket.HandshakeError
	if errors.As(err, &refused) {
		return nil, serverError(refused.Status, []byte(refused.Reason))
	}
	return nil, fmt.Errorf("engineio: %w", err)
}

// openWebSocket opens the session on a WebSocket.
func (c *Client) openWebSocket(ctx context.Context) error {
	l, err := c.dial(ctx, false)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.link = l
	c.mu.Unlock()
	l.conn.Start()
	select {
	case <-l.ready:
		return nil
	case <-l.gone:
		if l.opened() {
			return nil // and closed at once: the receiver knows
		}
		return failed("handshake", l.err)
	case <-ctx.Done():
		if l.opened() {
			return nil
		}
		l.conn.Abort(nil)
		<-l.gone
		return failed("handshake", context.Cause(ctx))
	}
}

// opened reports whether ready is closed.
func (l *clientLink) opened() bool {
	select {
	case <-l.ready:
		return true
	default:
		return false
	}
}

// send sends messages. That the connection has broken it learns from OnClose.
func (l *clientLink) send(cd codec, ms []*Message) {
	var few [4]*Message
	frames := few[:0]
	for _, m := range ms {
		if m.Op() == websocket.OpBinary {
			m = cd.frame(m, false)
		}
		frames = append(frames, m)
	}
	_ = l.conn.Send(frames...)
}

// OnMessage implements [websocket.Handler].
func (l *clientLink) OnMessage(_ *websocket.Conn, op websocket.Opcode, data []byte) {
	decode := l.client.codec.decodeText
	if op == websocket.OpBinary {
		decode = l.client.codec.decodeBinary
	}
	p, err := decode(data)
	switch {
	case err != nil:
	case l.probing && !l.shown:
		if p.kind != packetPong || string(p.data) != "probe" {
			err = fmt.Errorf("%w: probe answered with %q", ErrInvalidPacket, p.kind)
		}
	default:
		err = l.client.onPacket(p)
	}
	if err != nil {
		l.conn.Abort(err)
		return
	}
	if !l.shown {
		l.shown = true
		close(l.ready)
	}
}

// OnClose implements [websocket.Handler].
func (l *clientLink) OnClose(_ *websocket.Conn, err error) {
	defer l.client.work.Done()
	var closed *websocket.CloseError
	if errors.As(err, &closed) || errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", errTransportClosed, err)
	}
	l.err = err
	close(l.gone)
	c := l.client
	c.mu.Lock()
	inUse := c.link == l
	if inUse && c.state == clientClosing {
		c.endLocked()
	}
	c.mu.Unlock()
	if inUse {
		c.fail(err)
	}
}

// upgradeTimeout bounds an upgrade from its probe on, as the official server does.
const upgradeTimeout = 10 * time.Second

// upgrade is the goroutine that moves the session to a WebSocket.
// (Engine.IO protocol v4, "Protocol", "Upgrade")
//
// The official client stops to poll when the probe is answered, and falls silent
// where the WebSocket breaks before its last poll is answered. Here the session goes
// on polling: the server has not been told of the upgrade yet.
func (c *Client) upgrade() {
	ctx, cancel := context.WithTimeout(c.ctx, upgradeTimeout)
	defer cancel()
	if err := c.tryUpgrade(ctx); err != nil {
		c.resume()
		if f := c.opts.OnUpgradeError; f != nil && c.ctx.Err() == nil {
			f(err)
		}
	}
}

func (c *Client) tryUpgrade(ctx context.Context) error {
	l, err := c.dial(ctx, true)
	if err != nil {
		return err
	}
	moved := false
	defer func() {
		if !moved {
			l.conn.Abort(nil)
		}
	}()
	l.conn.Start()
	_ = l.conn.Send(control(string(packetPing) + "probe")) // where it has broken, gone says so
	if err := l.await(ctx, l.ready); err != nil {
		return err
	}
	if err := l.await(ctx, c.pause()); err != nil {
		return err
	}
	if moved = c.move(l); !moved {
		return ErrClosed
	}
	if f := c.opts.OnUpgrade; f != nil {
		f()
	}
	return nil
}

// await waits for what, or for the end of the connection or of ctx.
func (l *clientLink) await(ctx context.Context, what <-chan struct{}) error {
	select {
	case <-l.gone:
		return failed("upgrade", l.err)
	default:
	}
	select {
	case <-what:
		return nil
	case <-l.gone:
		return failed("upgrade", l.err)
	case <-ctx.Done():
		return failed("upgrade", context.Cause(ctx))
	}
}

// pause keeps new polls and POSTs from beginning, and returns what is closed when
// none is under way.
func (c *Client) pause() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	quiet := make(chan struct{})
	if c.state == clientPolling {
		c.state = clientPausing
		c.quiet = quiet
		c.calmLocked()
	}
	return quiet
}

// resume goes on polling where the upgrade failed.
func (c *Client) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == clientPausing {
		c.state = clientPolling
		c.quiet = nil
		c.pollLocked()
		c.postLocked()
	}
}

// move makes l the transport.
func (c *Client) move(l *clientLink) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != clientPausing {
		return false
	}
	if l.conn.Send(control(string(packetUpgrade))) != nil {
		return false // it broke a moment ago: the server goes on polling as we do
	}
	c.link = l
	c.state = clientWebSocket
	if len(c.queue) > 0 {
		l.send(c.codec, c.queue)
		c.queue = nil
	}
	return true
}
