package websocket

import (
	"sync"
	"sync/atomic"
	"time"
)

// Handler takes what a connection receives. The methods of one connection are
// called one after the other, never at the same time.
type Handler interface {
	// OnMessage is called for each message, in order. It runs on the event loop
	// that serves many connections, so it must not block; data is valid until it
	// returns and may be changed. What it sends to c leaves in one write after it, and
	// after the messages that arrived in the same read. A panic closes c with 1011.
	OnMessage(c *Conn, op Opcode, data []byte)
	// OnClose is called exactly once, last. err is a *CloseError with the peer's
	// code if its close frame arrived, a *ProtocolError if it violated the protocol,
	// ErrSlow, ErrCloseTimeout, ErrMessageTimeout, ErrNoMemory, ErrHandlerPanic, what Abort was given, or the error of
	// the network (io.EOF: the peer went without a close frame).
	OnClose(c *Conn, err error)
}

// PongHandler is a Handler that wants to know of the peer's pongs.
type PongHandler interface {
	// OnPong is called for each pong, asked for by [Conn.Ping] or not, under the
	// rules of OnMessage. (RFC 6455, section 5.5.3)
	OnPong(c *Conn, payload []byte)
}

// Conn is one end of a WebSocket connection: the server's after [Server.Upgrade], the
// client's after [Client.Dial]. All methods are safe for
// concurrent use, also from within the handler, and none of them blocks.
type Conn struct {
	server  *Server
	handler Handler
	link    link
	in      *inbound // of a message or frame that has arrived in part; owned by the reader

	mu        sync.Mutex    // guards what follows, and the link's descriptor against being closed while it is used
	state     atomic.Uint32 // written under mu, read anywhere
	out       *queue        // nil when nothing is waiting
	held      *held         // arrived, and not yet looked at; nil for nothing
	err       error         // why the connection ended, once known
	answer    int           // bytes of the handshake's answer, which lead the queue before Start
	deflate   bool          // permessage-deflate was negotiated; set before the Conn is shared
	started   bool
	corked    bool        // what is sent waits in out: before Start, and while a batch of messages is handled
	answered  bool        // the peer's close frame arrived
	lingering bool        // after a violation: half-close, and let the peer close
	waiting   bool        // for room: the link will go on
	emptied   bool        // Options.Drained is to be called
	pauses    int         // calls of Pause less those of Resume
	arriving  *time.Timer // of the message that has begun to arrive; nil for none

	paused atomic.Bool // the peer is not read; written under mu
}

// States of a connection; each has only those below it as successors.
const (
	stateOpen    uint32 = iota
	stateClosing        // our close frame is sent or queued: nothing else may be sent, and what arrives is dropped
	stateDead           // nothing is written or read; OnClose was called or is about to be
)

// link is what carries a connection's bytes: a socket on an event loop, or a stream
// with goroutines of its own. Conn.mu is held in all calls.
type link interface {
	// start begins to read: the link calls Conn.receive for what arrives.
	start()
	// write writes what there is room for, without blocking. more says that the
	// link would take more at once; where it is false and bytes are left, await is needed.
	write(bufs [][]byte) (n int, more bool, err error)
	// writeOne is write for a single buffer, without allocation.
	writeOne(b []byte) (n int, err error)
	// kept is how many bytes the link keeps of what is queued, beside the queue.
	kept() int
	// await asks the link to go on as soon as there is room: it then clears
	// Conn.waiting and writes the rest.
	await()
	// later has the link flush the queue soon, on a goroutine of its own.
	later()
	// closing begins the time in which the close handshake must end with shut.
	closing()
	// pause stops reading, or goes on with it, as Conn.paused says.
	pause()
	// drained has the link call Conn.tellDrained, where the mutex is not held.
	drained()
	// halfClose says to the peer that nothing more comes.
	halfClose()
	// shut ends reading and writing; the link then calls Conn.finish, once, on the
	// goroutine that reads. drained says that all that was to be written was.
	shut(drained bool)
}

// Start sends what was queued since Upgrade, with the handshake's answer in front,
// and begins to deliver messages. Calls after the first do nothing.
func (c *Conn) Start() {
	c.mu.Lock()
	c.startLocked()
	c.mu.Unlock()
}

// startLocked is Start; mu must be held.
func (c *Conn) startLocked() {
	if c.started || c.state.Load() == stateDead {
		return
	}
	c.started, c.corked = true, false
	c.link.start()
	c.flushLocked()
}

// Send sends the messages in order and with nothing between them. It writes at once
// where nothing is queued, several messages in one system call, and queues what the
// kernel does not take. The queue is bounded by Options.MaxQueuedBytes: a peer that
// reads so slowly that it would grow beyond is disconnected, with ErrSlow for result
// and for OnClose. A nil result means written or queued. ErrClosed: the connection
// is closed, closing, or found broken. No allocation where the kernel takes all.
func (c *Conn) Send(ms ...*Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Load() != stateOpen {
		return c.closedLocked()
	}
	if len(ms) == 0 {
		return nil // a queue is never left empty: a stream's writer takes its first frame
	}
	if len(ms) == 1 && c.out == nil && !c.corked && !c.server.client {
		return c.sendOneLocked(ms[0].frameFor(c), ms[0])
	}
	c.enqueueLocked(ms)
	if c.corked {
		return c.boundLocked()
	}
	c.flushLocked()
	return c.boundLocked()
}

// Ping asks the peer for a pong, behind all that was sent. Every peer answers, browsers
// too; a [PongHandler] is told. It returns what Send would.
func (c *Conn) Ping() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Load() != stateOpen {
		return c.closedLocked()
	}
	c.copyLocked([]byte{bitFin | byte(opPing), 0})
	if !c.corked {
		c.flushLocked()
	}
	return c.boundLocked()
}

// Post is Send for broadcasts: it queues the messages and leaves the writing to the
// connection's loop, which does it right away, but for all that were posted until
// it comes to this connection in one system call. A burst of broadcasts so costs
// one write a connection instead of one a message. Order with Send is kept.
func (c *Conn) Post(ms ...*Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Load() != stateOpen {
		return c.closedLocked()
	}
	if len(ms) == 0 {
		return nil // as in Send
	}
	idle := c.out == nil
	c.enqueueLocked(ms)
	if c.corked {
		return c.boundLocked()
	}
	if c.out.bytes >= flushAtQueued {
		c.flushLocked()
	} else if idle {
		c.link.later()
	}
	return c.boundLocked()
}

// SendParts sends one message made of the parts, for this connection only, without
// allocation where the kernel takes it. It is Send in everything else.
func (c *Conn) SendParts(op Opcode, parts ...[]byte) error {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if c.deflate && size >= c.server.compression.threshold {
		return c.Send(NewMessage(op, parts...))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Load() != stateOpen {
		return c.closedLocked()
	}
	if c.out == nil && !c.corked && !c.server.client {
		buf := c.server.pools.encodeBuffer()
		b := appendHeader((*buf)[:0], bitFin|byte(op), size)
		for _, p := range parts {
			b = append(b, p...)
		}
		*buf = b
		err := c.sendOneLocked(b, nil)
		c.server.pools.freeEncode(buf)
		return err
	}
	q := c.queueLocked()
	q.reserve(size + maxHeader)
	start := len(q.arena)
	q.arena = appendHeader(q.arena, bitFin|byte(op), size)
	if c.server.client {
		q.arena = addKey(q.arena, start)
	}
	payload := len(q.arena)
	for _, p := range parts {
		q.arena = append(q.arena, p...)
	}
	if c.server.client {
		mask(q.arena[payload:], keyBefore(q.arena, payload))
	}
	q.addArena(start)
	c.server.messagesOut.Add(1)
	if !c.corked {
		c.flushLocked()
	}
	return c.boundLocked()
}

// StartApart is Start, but the handshake's answer leaves alone, and what is sent
// follows after delay, or as soon as the peer has sent something. Peers that begin
// to listen only when they have seen the answer miss a message that comes with it:
// in JavaScript, code behind await. Connections without an event loop (see
// Options.Loops) do not wait.
func (c *Conn) StartApart(delay time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.started || c.state.Load() != stateOpen || !c.answerLocked() {
		c.startLocked()
		return
	}
	c.started = true // corked until then
	c.link.start()
	time.AfterFunc(delay, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.corked = false
		c.flushLocked()
	})
}

// answerLocked writes the handshake's answer, the first bytes of the queue, and
// reports whether it did. mu must be held.
func (c *Conn) answerLocked() bool {
	if c.out == nil || len(c.out.pending()) == 0 || len(c.out.pending()[0]) < c.answer {
		return false
	}
	n, err := c.link.writeOne(c.out.pending()[0][:c.answer])
	if err != nil || n == 0 {
		return false // Start finds out
	}
	c.wroteLocked(n)
	if c.out.bytes == 0 {
		c.server.pools.freeQueue(c.out)
		c.out = nil
	}
	return true
}

// Close begins the close handshake: after what is queued a close frame leaves, and
// the connection ends when the peer has answered it, or after Options.CloseTimeout.
// Nothing can be sent and no message is delivered after it. A code of 0 or
// CloseNoStatus sends a close frame without code; codes that may not be sent (see
// ValidCloseCode) become CloseInternalError. Reason is at most 123 bytes, cut if
// longer. On a closed or closing connection it does nothing.
func (c *Conn) Close(code int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeLocked(code, reason)
}

// closeLocked is Close; mu must be held.
func (c *Conn) closeLocked(code int, reason string) {
	if c.state.Load() != stateOpen {
		return
	}
	var frame [2 + maxControlPayload]byte
	c.copyLocked(appendCloseFrame(frame[:0], code, reason))
	c.state.Store(stateClosing)
	c.resumeLocked() // the answer has to be read
	c.link.closing()
	if !c.started {
		c.startLocked() // somebody has to read the answer
	} else if !c.corked {
		c.flushLocked()
	}
}

// Pause stops reading from the peer: what it sends waits in the kernel, and when that
// has no more room, at the peer. Called by the handler it stops behind the message that
// is being delivered; of what was read with it the rest is kept. Without
// reading, control frames are not answered, nor is the peer's end noticed; sending goes
// on. Each call of Pause needs one of Resume. Close resumes.
func (c *Conn) Pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pauses++; c.pauses == 1 && c.state.Load() == stateOpen {
		c.paused.Store(true)
		c.link.pause()
	}
}

// Resume takes back one call of Pause.
func (c *Conn) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pauses--; c.pauses == 0 {
		c.resumeLocked()
	}
}

// resumeLocked reads on; mu must be held.
func (c *Conn) resumeLocked() {
	if c.paused.Load() && c.state.Load() != stateDead {
		c.paused.Store(false)
		c.link.pause()
	}
}

// Abort ends the connection at once, without a close frame, and drops what is
// queued. OnClose gets err, or ErrClosed where that is nil. On a connection that
// has ended it does nothing.
func (c *Conn) Abort(err error) {
	if err == nil {
		err = ErrClosed
	}
	c.mu.Lock()
	c.failLocked(err)
	c.mu.Unlock()
}

// Buffered is the number of bytes that wait for the peer to read, beyond what the
// kernel holds.
func (c *Conn) Buffered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out == nil {
		return 0
	}
	return c.out.bytes
}

// Compressed reports whether permessage-deflate was negotiated.
func (c *Conn) Compressed() bool { return c.deflate }

// closedLocked is the error for sending on a connection that is not open.
func (c *Conn) closedLocked() error {
	if c.err == ErrSlow {
		return ErrSlow
	}
	return ErrClosed
}

// queueLocked is c.out, made if need be.
func (c *Conn) queueLocked() *queue {
	if c.out == nil {
		c.out = c.server.pools.queue()
	}
	return c.out
}

// enqueueLocked queues the messages; mu must be held.
func (c *Conn) enqueueLocked(ms []*Message) {
	q := c.queueLocked()
	for _, m := range ms {
		frame := m.frameFor(c)
		if c.server.client || len(frame) < joinBelow && c.corked {
			c.copyLocked(frame)
		} else {
			q.add(m, frame, len(frame))
		}
	}
	c.server.messagesOut.Add(uint64(len(ms)))
}

// copyLocked queues a copy of an unmasked frame, masked where this is the client's
// end; mu must be held.
func (c *Conn) copyLocked(frame []byte) {
	if c.server.client {
		c.queueLocked().addMasked(frame)
	} else {
		c.queueLocked().addCopy(frame)
	}
}

// sendOneLocked writes a frame where nothing is queued, and queues what is left of
// it: the frame itself if it is that of m, else, with m nil, a copy. mu must be held.
func (c *Conn) sendOneLocked(frame []byte, m *Message) error {
	n, err := c.link.writeOne(frame)
	if err != nil {
		c.failLocked(err)
		return ErrClosed
	}
	c.server.messagesOut.Add(1)
	c.server.bytesOut.Add(uint64(n))
	if n == len(frame) {
		return nil
	}
	if q := c.queueLocked(); m != nil {
		q.add(m, frame[n:], len(frame))
	} else {
		q.addCopy(frame[n:])
	}
	c.awaitLocked()
	if c.state.Load() == stateDead {
		return c.closedLocked() // there was no memory for it
	}
	return nil
}

// awaitLocked leaves what is queued until there is room for it; mu must be held.
func (c *Conn) awaitLocked() {
	c.waiting = true
	c.link.await()
	c.chargeLocked()
}

// boundLocked enforces the queue's bound; mu must be held. What a single call left in
// an empty queue may exceed it: the peer had no chance to read it.
func (c *Conn) boundLocked() error {
	c.chargeLocked()
	if c.state.Load() == stateDead {
		return c.closedLocked()
	}
	q := c.out
	if q == nil || q.bytes <= flushAtQueued {
		return nil
	}
	if c.corked && c.started {
		c.flushLocked() // a batch of replies need not be held in memory
		if q = c.out; q == nil {
			return nil
		}
	}
	if q.bytes > c.server.opts.MaxQueuedBytes && len(q.pending()) > 1 {
		c.failLocked(ErrSlow)
		return ErrSlow
	}
	return nil
}

// flushLocked writes what is queued, as far as there is room; mu must be held. While
// the connection waits for room it does nothing, to save the useless system call.
func (c *Conn) flushLocked() {
	if c.out == nil || c.waiting || c.state.Load() == stateDead {
		return
	}
	for c.out.bytes > 0 {
		n, more, err := c.link.write(c.out.pending())
		if n > 0 {
			c.wroteLocked(n)
		}
		if err != nil {
			c.failLocked(err)
			return
		}
		if !more && c.out.bytes > 0 {
			c.awaitLocked()
			return
		}
	}
	c.drainedLocked()
}

// wroteLocked takes n bytes off the queue; mu must be held.
func (c *Conn) wroteLocked(n int) {
	c.out.drop(n)
	c.server.bytesOut.Add(uint64(n))
	if c.out.charge != nil {
		c.out.wrote(n)
	}
}

// drainedLocked is called when everything queued was written; mu must be held.
func (c *Conn) drainedLocked() {
	c.server.pools.freeQueue(c.out)
	c.out = nil
	if c.state.Load() != stateClosing {
		if c.server.opts.Drained != nil {
			c.emptied = true
			c.link.drained()
		}
		return
	}
	switch {
	case c.answered:
		c.endLocked(c.err, true) // the handshake is complete (section 7.1.1)
	case c.lingering:
		c.link.halfClose()
	}
}

// tellDrained calls Options.Drained where that is due; mu must not be held.
func (c *Conn) tellDrained() {
	c.mu.Lock()
	due := c.emptied && c.state.Load() == stateOpen
	c.emptied = false
	c.mu.Unlock()
	if !due {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			c.server.logPanic("Drained", r)
		}
	}()
	c.server.opts.Drained(c.handler)
}

// failLocked ends the connection without further writing; mu must be held. The
// first reason given is the one that OnClose gets.
func (c *Conn) failLocked(err error) { c.endLocked(err, false) }

func (c *Conn) endLocked(err error, drained bool) {
	if c.state.Load() == stateDead {
		return
	}
	if c.err == nil {
		c.err = err
	}
	c.state.Store(stateDead)
	if c.out != nil {
		c.out.discard()
		c.out = nil // not reused: a write may still be under way from it
	}
	c.held.drop(c.server)
	c.held = nil
	c.link.shut(drained)
}

// fail is failLocked for callers without the lock.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	c.failLocked(err)
	c.mu.Unlock()
}

// finish tells the handler. The link calls it once, after the last receive, on the
// goroutine that reads.
func (c *Conn) finish() {
	c.dropInbound()
	c.mu.Lock()
	err, held := c.err, c.held
	c.held = nil
	c.mu.Unlock()
	held.drop(c.server)
	defer func() {
		if r := recover(); r != nil {
			c.server.logPanic("OnClose", r)
		}
	}()
	c.handler.OnClose(c, err)
}
