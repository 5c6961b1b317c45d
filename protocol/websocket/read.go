package websocket

import (
	"time"
	"unicode/utf8"

	"podium/protocol/budget"
)

// inbound is what a connection remembers between two reads when a frame or a
// message has arrived in part. A connection between messages has none.
type inbound struct {
	head    [maxHeader]byte // of a header that has arrived in part
	headLen int

	inFrame bool   // h is the frame whose payload is arriving
	h       header // h.key turns with the bytes that arrived
	left    int64  // payload bytes of it still missing

	control    [maxControlPayload]byte
	controlLen int

	open       bool // a message has begun
	op         Opcode
	compressed bool
	message    *[]byte // payload so far, from the pool
	text       textCheck
	charge     *budget.Charge // for message, once there is one
	charged    int            // capacity of message that is
	timed      bool           // its time to arrive runs
	timer      bool           // one was started, perhaps for the message before
}

// idle reports whether nothing need be remembered.
func (in *inbound) idle() bool { return in.headLen == 0 && !in.inFrame && !in.open }

// inbound is c.in, made if need be.
func (c *Conn) inbound() *inbound {
	if c.in == nil {
		if in, ok := c.server.pools.inbounds.Get().(*inbound); ok {
			c.in = in
		} else {
			c.in = new(inbound)
		}
	}
	return c.in
}

// dropInbound gives back what was borrowed for a partial frame or message.
func (c *Conn) dropInbound() {
	in := c.in
	if in == nil {
		return
	}
	c.in = nil
	c.dropMessage(in)
	if in.timer {
		c.stopArriving()
	}
	*in = inbound{}
	c.server.pools.inbounds.Put(in)
}

// dropMessage gives back the buffer of a message, and its charge.
func (c *Conn) dropMessage(in *inbound) {
	in.charge.Close()
	in.charge, in.charged = nil, 0
	if in.message != nil {
		c.server.pools.freeMessage(in.message)
		in.message = nil
	}
}

// receive takes bytes that arrived, and calls the handler for each message that they
// complete. It changes data. Only the link's reading goroutine calls it. What the
// handler sends to c meanwhile leaves in one write at the end.
func (c *Conn) receive(data []byte) {
	c.server.bytesIn.Add(uint64(len(data)))
	c.mu.Lock()
	c.corked = true
	held := c.held
	c.held = nil
	c.mu.Unlock()
	defer c.received()
	if held != nil {
		data = c.takeUp(held, data)
	}
	c.consume(data)
	switch in := c.in; {
	case in == nil:
	case in.idle():
		c.dropInbound()
	case !in.timed:
		in.timed, in.timer = true, true
		c.startArriving()
	}
}

// consume takes data apart until it is used up, or the connection is paused: then it
// keeps the rest.
func (c *Conn) consume(data []byte) {
	for len(data) > 0 && c.reading() {
		if c.paused.Load() {
			c.keepRest(data)
			return
		}
		data = c.step(data)
	}
}

// startArriving begins the time in which a message has to arrive.
func (c *Conn) startArriving() {
	d := c.server.opts.MessageTimeout
	if d < 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.arriving != nil {
		c.arriving.Stop()
	}
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		switch {
		case c.arriving != t:
		case c.paused.Load():
			t.Reset(d) // it is us who do not read
		default:
			c.failLocked(ErrMessageTimeout)
		}
	})
	c.arriving = t
}

// stopArriving ends what startArriving began.
func (c *Conn) stopArriving() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.arriving != nil {
		c.arriving.Stop()
		c.arriving = nil
	}
}

// reading reports whether what arrives still matters: it does until the connection
// has failed, or the close frame has arrived.
func (c *Conn) reading() bool {
	if c.state.Load() == stateOpen {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.Load() == stateClosing && !c.answered && !c.lingering
}

// received ends a batch: it sends the replies, and turns a handler's panic into the
// end of this connection alone.
func (c *Conn) received() {
	if r := recover(); r != nil {
		c.server.logPanic("OnMessage", r)
		c.violate(ErrHandlerPanic, CloseInternalError, "")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.corked = false
	c.flushLocked()
	switch h := c.held; {
	case h != nil && h.wait > 0: // only now: all that is behind it is kept
		time.AfterFunc(h.wait, c.Resume)
		h.wait = 0
	case c.resumedLocked(): // while it was being kept
		c.link.pause()
	}
}

// step consumes one frame, or as much of one as data holds, and returns the rest.
func (c *Conn) step(data []byte) []byte {
	in := c.in
	if in == nil || !in.inFrame {
		h, rest, ok := c.nextHeader(data)
		if !ok {
			return nil
		}
		data, in = rest, c.in
		if in == nil || !in.open || h.op.isControl() {
			if int64(len(data)) >= h.length && (h.fin) {
				payload := data[:h.length]
				mask(payload, h.key)
				if h.op.isControl() {
					c.control(h.op, payload)
				} else {
					c.deliverOrKeep(h.op, payload, h.rsv1)
				}
				return data[h.length:]
			}
		}
		in = c.inbound()
		in.inFrame, in.h, in.left = true, h, h.length
		in.controlLen = 0
		if !h.op.isControl() && h.op != opContinuation {
			in.open, in.op, in.compressed, in.text = true, h.op, h.rsv1, textCheck{}
		}
	}
	n := int(min(int64(len(data)), in.left))
	part := data[:n]
	in.h.key = mask(part, in.h.key)
	in.left -= int64(n)
	if in.h.op.isControl() {
		in.controlLen += copy(in.control[in.controlLen:], part)
	} else if !c.gatherPart(in, part) {
		return nil
	}
	if in.left == 0 {
		in.inFrame = false
		c.frameComplete(in)
	}
	return data[n:]
}

// nextHeader takes a header off data, which may begin or end within it. ok is false
// if it is not complete yet, or not allowed.
func (c *Conn) nextHeader(data []byte) (h header, rest []byte, ok bool) {
	var n int
	var err error
	if c.in == nil || c.in.headLen == 0 {
		h, n, err = parseHeader(data)
		if err == errShortHeader {
			in := c.inbound()
			in.headLen = copy(in.head[:], data)
			return h, nil, false
		}
	} else {
		in := c.in
		had := in.headLen
		in.headLen += copy(in.head[had:], data)
		h, n, err = parseHeader(in.head[:in.headLen])
		if err == errShortHeader {
			return h, nil, false
		}
		in.headLen = 0
		n -= had
	}
	if err != nil {
		c.violate(nil, CloseProtocolError, err.Error())
		return h, nil, false
	}
	if p := c.forbidden(h); p != nil {
		c.violate(p, p.Code, p.Reason)
		return h, nil, false
	}
	return h, data[n:], true
}

// forbidden says what is wrong with a frame's header, here and now (sections 5.1,
// 5.2, 5.4 and 5.5 of RFC 6455, and section 6 of RFC 7692), or nil.
func (c *Conn) forbidden(h header) *ProtocolError {
	bad := func(reason string) *ProtocolError { return &ProtocolError{CloseProtocolError, reason} }
	open := c.in != nil && c.in.open
	switch {
	case h.rsv23:
		return bad("reserved bits set")
	case h.rsv1 && (!c.deflate || !h.op.isData()):
		return bad("compression bit set")
	case h.masked == c.server.client:
		if c.server.client {
			return bad("frame masked")
		}
		return bad("frame not masked")
	case h.op == opClose || h.op == opPing || h.op == opPong:
		if !h.fin {
			return bad("control frame fragmented")
		}
		if h.length > maxControlPayload {
			return bad("control frame too long")
		}
		return nil
	case h.op.isData():
		if open {
			return bad("message begun within a message")
		}
	case h.op == opContinuation:
		if !open {
			return bad("continuation of nothing")
		}
	default:
		return bad("unknown opcode")
	}
	limit := c.server.opts.MaxMessageBytes
	if open && c.in.message != nil {
		limit -= int64(len(*c.in.message))
	}
	if h.length > limit {
		return &ProtocolError{CloseTooBig, "message too big"}
	}
	return nil
}

// gatherPart adds a piece of payload to the message. False: the message is invalid.
func (c *Conn) gatherPart(in *inbound, part []byte) bool {
	if in.op == OpText && !in.compressed && !in.text.add(part) {
		c.violate(nil, CloseInvalidPayload, "text is not UTF-8")
		return false
	}
	if len(part) == 0 {
		return true
	}
	in.message = c.server.pools.grow(in.message, len(part))
	*in.message = append(*in.message, part...)
	in.charge.Progress(int64(len(part)))
	return c.hold(in)
}

// hold charges what the message takes. False: there is no room for it.
func (c *Conn) hold(in *inbound) bool {
	size := cap(*in.message)
	if size == in.charged {
		return true
	}
	if in.charge == nil {
		in.charge = c.server.opts.Charge(c.handler, func() { c.fail(ErrNoMemory) })
	}
	if err := in.charge.Hold(int64(size - in.charged)); err != nil {
		c.violate(ErrNoMemory, CloseTryAgainLater, "")
		c.dropMessage(in)
		return false
	}
	in.charged = size
	return true
}

// frameComplete handles a frame that came in pieces, or a fragment.
func (c *Conn) frameComplete(in *inbound) {
	if in.h.op.isControl() {
		c.control(in.h.op, in.control[:in.controlLen])
		return
	}
	if !in.h.fin {
		return
	}
	in.open, in.timed = false, false // the next has its own time
	if in.op == OpText && !in.compressed && !in.text.complete() {
		c.violate(nil, CloseInvalidPayload, "text is not UTF-8")
		return
	}
	var payload []byte
	if in.message != nil {
		payload = *in.message
	}
	wait := c.deliver(in.op, payload, in.compressed, true)
	if wait == 0 {
		c.dropMessage(in)
		return
	}
	c.keepMessage(&held{op: in.op, message: in.message, charge: in.charge, wait: wait})
	in.message, in.charge, in.charged = nil, nil, 0
}

// deliver hands a whole message to the handler. checked: its text was validated. Where
// wait is not 0 it must be inflated after that time, and keepMessage be called: until
// then the connection is paused.
func (c *Conn) deliver(op Opcode, payload []byte, compressed, checked bool) (wait time.Duration) {
	if c.state.Load() != stateOpen {
		return 0 // we have said that we are closing
	}
	if compressed {
		f := flood{conn: c, arrived: len(payload)}
		defer f.end()
		buf, bad := c.server.inflate(payload, f.grows)
		if f.wait > 0 {
			c.Pause()
			return f.wait
		}
		if bad != nil {
			c.violate(f.err, bad.Code, bad.Reason)
			return 0
		}
		defer c.server.pools.freeMessage(buf)
		payload, checked = *buf, false
	}
	if op == OpText && !checked && !utf8.Valid(payload) {
		c.violate(nil, CloseInvalidPayload, "text is not UTF-8")
		return 0
	}
	c.server.messagesIn.Add(1)
	c.handler.OnMessage(c, op, payload)
	return 0
}

// control handles a whole control frame (section 5.5).
func (c *Conn) control(op Opcode, payload []byte) {
	switch op {
	case opPing:
		c.pong(payload)
	case opPong:
		if h, ok := c.handler.(PongHandler); ok && c.state.Load() == stateOpen {
			h.OnPong(c, payload)
		}
	case opClose:
		c.peerClosed(payload)
	}
}

// pong answers a ping with its own payload (section 5.5.3).
func (c *Conn) pong(payload []byte) {
	var frame [2 + maxControlPayload]byte
	b := appendHeader(frame[:0], bitFin|byte(opPong), len(payload))
	b = append(b, payload...)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Load() != stateOpen {
		return
	}
	c.copyLocked(b)
	_ = c.boundLocked() // the connection is the one to learn of it
}

// peerClosed answers the peer's close frame, or takes it as the answer to ours
// (section 5.5.1). The connection ends when the answer has been written.
func (c *Conn) peerClosed(payload []byte) {
	closed, bad := parseClose(payload)
	if bad != nil {
		c.violate(bad, bad.Code, bad.Reason)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Load() == stateDead {
		return
	}
	if c.err == nil {
		c.err = closed
	}
	c.answered = true
	if c.state.Load() == stateOpen {
		c.closeLocked(closed.Code, closed.Reason)
	} else if c.out == nil {
		c.endLocked(closed, true)
	}
}

// violate fails the connection (section 7.1.7): the peer is told code, and has
// Options.CloseTimeout to close. OnClose gets err, or a ProtocolError with reason
// where that is nil.
func (c *Conn) violate(err error, code int, reason string) {
	if err == nil {
		err = &ProtocolError{code, reason}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Load() == stateDead {
		return
	}
	if c.err == nil {
		c.err = err
	}
	if c.state.Load() == stateClosing {
		c.endLocked(err, c.out == nil)
		return
	}
	c.lingering = true
	c.closeLocked(code, "") // the code alone, as the official server's WebSockets do
}
