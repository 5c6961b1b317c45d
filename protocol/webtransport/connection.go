package webtransport

import (
	"context"
	"net"
	"sync"
	"time"

	wt "github.com/quic-go/webtransport-go"

	"podium/protocol/budget"
	"podium/protocol/engineio"
	"podium/protocol/websocket"
)

// connection is a session of WebTransport with the one stream that carries packets:
// the first bidirectional one that the client opens. Others are ignored, as by the
// official server, and so are datagrams.
type connection struct {
	peer    *peer
	session *wt.Session
	bounds  engineio.Bounds
	packets packetReader // owned by who calls Read
	close   func()

	writing sync.Mutex // held by who writes
	mu      sync.Mutex // guards the fields below
	stream  *wt.Stream // nil until the client has opened it
	closed  bool
	evicted bool // it had to make room for others
}

var _ engineio.Connection = (*connection)(nil)

func newConnection(p *peer, session *wt.Session, b engineio.Bounds) *connection {
	c := &connection{peer: p, session: session, bounds: b}
	c.packets = packetReader{
		limit: b.MaxPayload, charge: b.Charge, evict: c.evict,
		began: func() { c.limitRead(b.BodyTimeout) },
		done:  func() { c.limitRead(0) },
	}
	c.close = sync.OnceFunc(func() { p.server.running.Go(c.end) })
	return c
}

// limitRead sets for how long may be read; for ever where d is not positive.
func (c *connection) limitRead(d time.Duration) {
	var until time.Time
	if d > 0 {
		until = time.Now().Add(d)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		_ = c.stream.SetReadDeadline(until) // does not fail
	}
}

// Read implements engineio.Connection.
func (c *connection) Read() (data []byte, binary bool, err error) {
	if c.packets.from == nil {
		if err := c.acceptStream(); err != nil {
			return nil, false, err
		}
	}
	data, binary, err = c.packets.next()
	if err != nil {
		err = c.reason(err)
	}
	return data, binary, err
}

// reason is why nothing can be read, where reading fails with err.
func (c *connection) reason(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.evicted:
		return budget.ErrEvicted
	case c.closed:
		return net.ErrClosed
	}
	return err
}

// evict makes room for others.
func (c *connection) evict() {
	c.mu.Lock()
	c.evicted = true
	c.mu.Unlock()
	c.Close()
}

// acceptStream waits for the client's stream.
func (c *connection) acceptStream() error {
	ctx, cancel := context.WithTimeout(c.session.Context(), c.bounds.OpenTimeout)
	defer cancel()
	stream, err := c.session.AcceptStream(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.stream = stream
	c.packets.from = stream
	return nil
}

// gatherBytes is up to which size packets are written together.
const gatherBytes = 16 << 10

// gatherers are what packets are written from; QUIC copies them into its own.
var gatherers = sync.Pool{New: func() any { return new([gatherBytes]byte) }}

// Write implements engineio.Connection.
func (c *connection) Write(ms []*engineio.Message) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	scratch := gatherers.Get().(*[gatherBytes]byte)
	defer gatherers.Put(scratch)
	b := scratch[:0]
	for _, m := range ms {
		payload := m.Payload()
		if len(b)+maxHeader+len(payload) > gatherBytes && len(b) > 0 {
			if _, err := c.stream.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
		b = appendHeader(b, len(payload), m.Op() == websocket.OpBinary)
		if len(b)+len(payload) <= gatherBytes {
			b = append(b, payload...)
			continue
		}
		if _, err := c.stream.Write(b); err != nil {
			return err
		}
		if _, err := c.stream.Write(payload); err != nil {
			return err
		}
		b = b[:0]
	}
	if len(b) == 0 {
		return nil
	}
	_, err := c.stream.Write(b)
	return err
}

// Close implements engineio.Connection.
func (c *connection) Close() { c.close() }

// end ends the connection.
func (c *connection) end() {
	// 1. Who reads or writes is woken. What QUIC has taken from them stays with it.
	c.mu.Lock()
	c.closed = true
	stream := c.stream
	c.mu.Unlock()
	if stream != nil {
		_ = stream.SetDeadline(time.Unix(1, 0)) // does not fail
		// 2. The end of the stream follows what was written, and the client gets the time
		// for it: the end of the session would take what is under way with it. Official
		// clients ignore the end of the stream.
		c.writing.Lock()
		_ = stream.Close() // fails where the client has cut it
		c.writing.Unlock()
		c.linger(c.session.Context())
	}
	// 3. The session, by whose end official clients go. Then they close the connection:
	// where that ended first, they would take it for a failure.
	_ = c.session.CloseWithError(0, "") // always nil
	c.linger(c.peer.conn.Context())
	// 4. The connection, which has no other session.
	c.peer.hangUp()
}

// longestLinger bounds how long a client gets for what is under way.
const longestLinger = 500 * time.Millisecond

// linger waits until gone ends, or what is under way can have been sent three times
// (RFC 9002, section 6.2.1; RFC 9000, section 10.2, gives the end of a connection as long).
func (c *connection) linger(gone context.Context) {
	stats := c.peer.conn.ConnectionStats()
	probe := stats.SmoothedRTT + max(4*stats.MeanDeviation, time.Millisecond) + 25*time.Millisecond
	timer := time.NewTimer(min(3*probe, longestLinger))
	defer timer.Stop()
	select {
	case <-gone.Done():
	case <-timer.C:
	}
}
