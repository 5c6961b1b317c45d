package websocket

import (
	"time"

	"podium/protocol/budget"
)

// held is what has arrived on a connection that was paused before all of it was
// handled: a compressed message that must be inflated later, and the bytes behind it.
// Conn.mu guards Conn.held; who takes it from there owns it.
type held struct {
	op      Opcode
	message *[]byte // compressed, nil for none
	rest    *[]byte // nil for none
	charge  *budget.Charge
	wait    time.Duration // after which the connection goes on; 0 once that is seen to
}

// drop gives back what h borrowed. It may be nil.
func (h *held) drop(s *Server) {
	if h == nil {
		return
	}
	h.charge.Close()
	for _, b := range [...]*[]byte{h.message, h.rest} {
		if b != nil {
			s.pools.freeMessage(b)
		}
	}
}

// deliverOrKeep delivers a message that lies in a link's buffer, which it copies where
// the message has to wait.
func (c *Conn) deliverOrKeep(op Opcode, payload []byte, compressed bool) {
	if wait := c.deliver(op, payload, compressed, false); wait > 0 {
		c.keepMessage(&held{op: op, message: c.server.pools.copyOf(payload), wait: wait})
	}
}

// keepMessage keeps a message for later. Its charge may be open already.
func (c *Conn) keepMessage(h *held) {
	if h.charge == nil {
		h.charge = c.server.opts.Charge(c.handler, func() { c.fail(ErrNoMemory) })
		c.holdMore(h, cap(*h.message))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = h
}

// keepRest keeps data, which was read behind what is held.
func (c *Conn) keepRest(data []byte) {
	c.mu.Lock()
	h := c.held
	c.held = nil
	c.mu.Unlock()
	if h == nil {
		h = &held{charge: c.server.opts.Charge(c.handler, func() { c.fail(ErrNoMemory) })}
	}
	had := 0
	if h.rest != nil {
		had = cap(*h.rest)
	}
	h.rest = c.server.pools.grow(h.rest, len(data))
	*h.rest = append(*h.rest, data...)
	c.holdMore(h, cap(*h.rest)-had)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = h
}

// holdMore charges n more bytes of h, or ends the connection.
func (c *Conn) holdMore(h *held, n int) {
	if h.charge.Hold(int64(n)) != nil {
		c.fail(ErrNoMemory)
	}
}

// takeUp handles what was held, and then data. It returns what is left of data.
func (c *Conn) takeUp(h *held, data []byte) []byte {
	if h.message != nil {
		if wait := c.deliver(h.op, *h.message, true, true); wait > 0 {
			h.wait = wait
			c.keepMessage(h)
			if len(data) > 0 {
				c.keepRest(data)
			}
			return nil
		}
		c.server.pools.freeMessage(h.message)
		h.message = nil
	}
	if h.rest != nil {
		c.consume(*h.rest)
	}
	h.drop(c.server)
	c.mu.Lock()
	again := c.held != nil // though it may be resumed by now
	c.mu.Unlock()
	if again && len(data) > 0 {
		c.keepRest(data)
		return nil
	}
	return data
}

// resumedLocked reports whether there is something held that shall be handled now; mu
// must be held.
func (c *Conn) resumedLocked() bool {
	return c.held != nil && !c.paused.Load() && c.started && c.state.Load() != stateDead
}

// resumed is resumedLocked for callers without the lock.
func (c *Conn) resumed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resumedLocked()
}

// What a message becomes by inflating is asked about when it passes freeInflated bytes,
// below which a frame costs the same without compression, and largeInflated.
const (
	freeInflated  = 1 << 10
	largeInflated = 64 << 10
)

// flood watches what a message becomes.
type flood struct {
	conn    *Conn
	arrived int
	asked   int // up to which size it was allowed
	size    int // so far
	charge  *budget.Charge
	charged int

	wait time.Duration // not now
	err  error         // no memory
}

// grows is told of what there is of the message and of the buffer that holds it, and
// reports whether it may go on.
func (f *flood) grows(size, buffer int) bool {
	f.size = size
	o := &f.conn.server.opts
	for _, step := range [...]int{freeInflated, largeInflated} {
		if size > step && f.asked < step {
			f.asked = step
			if o.MayInflate != nil {
				if f.wait = o.MayInflate(f.conn.handler, step); f.wait > 0 {
					return false
				}
			}
		}
	}
	if buffer <= largeInflated || buffer == f.charged {
		return true
	}
	if f.charge == nil {
		f.charge = o.Charge(f.conn.handler, func() { f.conn.fail(ErrNoMemory) })
	}
	if f.charge.Hold(int64(buffer-f.charged)) != nil {
		f.err = ErrNoMemory
		return false
	}
	f.charged = buffer
	return true
}

// end says what it became. The message has been handled, or waits.
func (f *flood) end() {
	f.charge.Close()
	if told := f.conn.server.opts.Inflated; told != nil && f.size > freeInflated && f.wait == 0 {
		told(f.conn.handler, f.size-f.arrived)
	}
}
