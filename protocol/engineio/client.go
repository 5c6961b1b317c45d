package engineio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"podium/protocol/websocket"
)

// Client is a session as a client holds it, see [Dial]. All methods are safe for
// concurrent use, and none blocks but Shutdown.
type Client struct {
	opts     DialOptions
	codec    codec
	requests requests

	// Set when the session opens, and constant from then on.
	id           string
	pingInterval time.Duration
	pingTimeout  time.Duration
	maxPayload   int
	receiver     Receiver

	// recvMu is held while the receiver is called. It is taken before mu.
	recvMu sync.Mutex

	ctx    context.Context // of what the session does in the background
	cancel context.CancelFunc
	work   sync.WaitGroup // goroutines and connections

	// mu guards the fields below.
	mu       sync.Mutex
	state    clientState
	queue    []*Message // what waits for a POST
	polling  bool       // a poll is under way
	posting  bool       // a POST is under way
	quiet    chan struct{}
	link     *clientLink // the WebSocket, once it is the transport or opens the session
	timer    *time.Timer // of the heartbeat
	deadline time.Time   // of the heartbeat
	pinged   bool        // protocol 3: our ping has no answer yet
	err      error       // why opening failed
}

// clientState is where a client is in its life.
type clientState uint8

const (
	// clientOpening: the handshake is under way. → clientPolling, clientWebSocket, clientClosed
	clientOpening clientState = iota
	// clientPolling: polls and POSTs. → clientPausing, clientClosing, clientClosed
	clientPolling
	// clientPausing: a WebSocket was probed; the last poll and POST are awaited. →
	// clientPolling (the WebSocket broke), clientWebSocket, clientClosing, clientClosed
	clientPausing
	// clientWebSocket: everything goes over the WebSocket. → clientClosing, clientClosed
	clientWebSocket
	// clientClosing: Close was called, the receiver is told, and what was queued leaves
	// yet. → clientClosed
	clientClosing
	// clientClosed: nothing is sent or received. Terminal.
	clientClosed
)

// handshake is the content of an open packet.
// (Engine.IO protocol v4, "Protocol", "Handshake")
type handshake struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int64    `json:"pingInterval"` // milliseconds
	PingTimeout  int64    `json:"pingTimeout"`
	MaxPayload   int      `json:"maxPayload"` // bytes; 0 where the server does not tell
}

// ID is the session's id.
func (c *Client) ID() string { return c.id }

// Protocol is the Engine.IO protocol version, 4 or 3.
func (c *Client) Protocol() int { return c.codec.version() }

// Transport is the name of the transport in use.
func (c *Client) Transport() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != nil {
		return TransportWebSocket
	}
	return TransportPolling
}

// Writable reports whether a message that is sent now leaves at once.
func (c *Client) Writable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.state {
	case clientPolling:
		return !c.posting && len(c.queue) == 0
	case clientWebSocket:
		return c.link.conn.Buffered() == 0
	}
	return false
}

// Send sends messages in order, with nothing between them. It queues what cannot
// leave at once, without bound: the server's heartbeat ends a session that is
// stuck. ErrClosed means that the session is closed, or that its server has been
// silent for too long and is about to be given up.
func (c *Client) Send(ms ...*Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.state {
	case clientPolling, clientPausing, clientWebSocket:
	default:
		return ErrClosed
	}
	if time.Now().After(c.deadline) {
		return ErrClosed // the timer is late: the machine slept
	}
	c.sendLocked(ms)
	return nil
}

func (c *Client) sendLocked(ms []*Message) {
	if c.state == clientWebSocket {
		c.link.send(c.codec, ms)
		return
	}
	c.queue = append(c.queue, ms...)
	c.postLocked()
}

// Close ends the session. The receiver is told at once, with "forced close"; what was
// sent before still leaves, within [DialOptions.CloseTimeout].
func (c *Client) Close() { c.close(ReasonForcedClose, nil) }

// Shutdown is Close, and waits until what was sent has left and nothing of the
// session is running any more. When ctx ends it cuts what is left.
func (c *Client) Shutdown(ctx context.Context) {
	c.Close()
	stop := context.AfterFunc(ctx, c.cut)
	defer stop()
	c.work.Wait()
}

// Abort breaks the connection, as a failing network would, without a word to the server.
// The receiver is told "transport error".
func (c *Client) Abort() { c.close(ReasonTransportError, nil) }

// cut ends what a closing session still does.
func (c *Client) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLocked()
}

// endLocked ends all background work; mu must be held.
func (c *Client) endLocked() {
	c.state = clientClosed
	c.queue = nil
	c.cancel()
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.link != nil {
		c.link.conn.Abort(nil)
	}
}

// close ends the session for a reason that the receiver is told. The first call
// decides. What ended an open session has mostly ended the connections that
// net/http keeps for later requests too, and the next session would lose what it sends
// on them, or wait.
func (c *Client) close(reason Reason, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state >= clientClosing {
		return
	}
	opening := c.state == clientOpening
	if opening {
		c.err = err
	}
	if reason == ReasonForcedClose && !opening {
		c.closeGentlyLocked()
	} else {
		c.endLocked()
	}
	if opening {
		return // Dial's caller is told
	}
	// On a goroutine of its own, for the caller may be within the receiver.
	c.work.Go(func() {
		if reason != ReasonForcedClose {
			c.opts.HTTPClient.CloseIdleConnections() // before the receiver opens the next session
		}
		c.recvMu.Lock()
		defer c.recvMu.Unlock()
		c.receiver.OnClose(reason, err)
	})
}

// closeGentlyLocked lets what is queued leave before the end; mu must be held.
func (c *Client) closeGentlyLocked() {
	webSocket := c.state == clientWebSocket
	c.state = clientClosing
	c.timer.Stop()
	c.timer = time.AfterFunc(c.opts.CloseTimeout, c.cut)
	if webSocket {
		c.link.conn.Close(websocket.CloseNormal, "")
		return
	}
	c.queue = append(c.queue, control(string(packetClose)))
	c.postLocked()
}

// opened takes the handshake.
func (c *Client) opened(data []byte) error {
	var h handshake
	if err := json.Unmarshal(data, &h); err != nil {
		return fmt.Errorf("%w: open: %w", ErrInvalidPacket, err)
	}
	if h.SID == "" || h.PingInterval < 0 || h.PingTimeout < 0 || h.PingInterval+h.PingTimeout <= 0 {
		return fmt.Errorf("%w: open lacks a session id or the heartbeat's times", ErrInvalidPacket)
	}
	c.id = h.SID
	c.pingInterval = time.Duration(h.PingInterval) * time.Millisecond
	c.pingTimeout = time.Duration(h.PingTimeout) * time.Millisecond
	c.maxPayload = h.MaxPayload
	c.mu.Lock()
	if c.state != clientOpening {
		c.mu.Unlock()
		return ErrClosed
	}
	c.state = clientPolling
	if c.link != nil {
		c.state = clientWebSocket
	}
	wait := c.pingInterval + c.pingTimeout
	if c.codec.version() == 3 {
		wait = c.pingInterval
	}
	c.timer = time.AfterFunc(wait, c.beat)
	c.deadline = time.Now().Add(c.pingInterval + c.pingTimeout)
	upgrade := c.link == nil && c.opts.upgradable() && slices.Contains(h.Upgrades, TransportWebSocket)
	c.mu.Unlock()
	c.receiver = c.opts.open(c)
	if upgrade {
		c.work.Go(c.upgrade)
	}
	return nil
}

// beat is called when the heartbeat's timer ends.
func (c *Client) beat() {
	if c.codec.version() == 4 {
		c.close(ReasonPingTimeout, nil)
		return
	}
	c.mu.Lock()
	if c.pinged || c.state >= clientClosing {
		c.mu.Unlock()
		c.close(ReasonPingTimeout, nil)
		return
	}
	c.pinged = true
	c.timer.Reset(c.pingTimeout)
	c.sendLocked([]*Message{control(string(packetPing))})
	c.mu.Unlock()
}

// refresh begins the heartbeat's time anew; mu must be held.
func (c *Client) refreshLocked(wait time.Duration) {
	if c.state < clientClosing {
		c.deadline = time.Now().Add(c.pingInterval + c.pingTimeout)
		c.timer.Reset(wait)
	}
}

// onPacket handles a packet. An error ends the session.
func (c *Client) onPacket(p packet) error {
	c.recvMu.Lock()
	defer c.recvMu.Unlock()
	c.mu.Lock()
	state := c.state
	if c.pinged && state < clientClosing {
		c.refreshLocked(c.pingTimeout) // anything shows that the server lives
	}
	c.mu.Unlock()
	if state >= clientClosing {
		return nil
	}
	if (p.kind == packetOpen) != (state == clientOpening) {
		return fmt.Errorf("%w: packet %q out of place", ErrInvalidPacket, p.kind)
	}
	switch p.kind {
	case packetOpen:
		return c.opened(p.data)
	case packetMessage:
		c.receiver.OnMessage(p.data, p.binary)
	case packetPing:
		c.onPing(p.data)
	case packetPong:
		c.onPong()
	case packetClose:
		c.close(ReasonTransportClose, nil)
	}
	return nil
}

// onPing answers the server's ping. (Engine.IO protocol v4, "Heartbeat")
func (c *Client) onPing(data []byte) {
	c.mu.Lock()
	if c.state < clientClosing {
		c.refreshLocked(c.pingInterval + c.pingTimeout)
		c.sendLocked([]*Message{control(string(packetPong) + string(data))})
	}
	c.mu.Unlock()
	if f := c.opts.OnPing; f != nil {
		f()
	}
}

// onPong takes the answer to our ping. (Engine.IO protocol v3, "ping")
func (c *Client) onPong() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pinged {
		c.pinged = false
		c.refreshLocked(c.pingInterval)
	}
}

// fail ends the session, or its opening, because a transport failed.
func (c *Client) fail(err error) {
	reason := ReasonTransportError
	if errors.Is(err, errTransportClosed) {
		reason = ReasonTransportClose
	}
	c.close(reason, err)
}

// errTransportClosed is wrapped where the server closed the transport in order.
var errTransportClosed = errors.New("engineio: connection closed by the server")

// ServerError is an answer other than 200 to a request of a client, or to its
// WebSocket handshake.
type ServerError struct {
	Status int
	// Code is the server's, see [Error]; -1 where the answer was no official error.
	Code    int
	Message string
}

// Error implements error.
func (e *ServerError) Error() string {
	return fmt.Sprintf("engineio: server answered %d: %s", e.Status, e.Message)
}

// Is reports whether target is the official [Error] of the same code.
func (e *ServerError) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// serverError reads an answer's body. Official servers answer the handshake of a WebSocket
// with the message alone.
func serverError(status int, body []byte) *ServerError {
	var official struct {
		Code    *int   `json:"code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &official) == nil && official.Code != nil {
		return &ServerError{status, *official.Code, official.Message}
	}
	text := string(body)
	for _, e := range []*Error{ErrUnknownTransport, ErrUnknownSession, ErrBadHandshakeMethod, ErrBadRequest, ErrForbidden, ErrUnsupportedProtocol} {
		if text == e.Message {
			return &ServerError{status, e.Code, text}
		}
	}
	if text == "" {
		text = http.StatusText(status)
	}
	return &ServerError{status, -1, text}
}
