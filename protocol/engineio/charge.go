package engineio

import (
	"net/netip"

	"podium/protocol/budget"
	"podium/protocol/websocket"
)

// Charge opens a charge on Options.Memory for what is kept for the session's client,
// beyond what the session charges itself. evict is as in budget.Share.Open.
func (s *Session) Charge(evict func()) *budget.Charge {
	memory := s.server.opts.Memory
	if memory == nil {
		return nil
	}
	return memory.Open(s.request.Addr(), evict)
}

// Addr is the address without the port, or the zero Addr where it is none.
func (r *Request) Addr() netip.Addr {
	if with, err := netip.ParseAddrPort(r.Address); err == nil {
		return with.Addr()
	}
	addr, _ := netip.ParseAddr(r.Address)
	return addr
}

// addressOf is the address of the session whose WebSocket has the handler h.
func addressOf(h websocket.Handler) netip.Addr {
	if s := sessionOf(h); s != nil {
		return s.request.Addr()
	}
	return netip.Addr{}
}

// charge opens the charge for a message that arrives over a WebSocket.
func charge(h websocket.Handler, evict func()) *budget.Charge {
	if s := sessionOf(h); s != nil {
		return s.Charge(evict)
	}
	return nil
}

// chargeFrom is the size in bytes from which a body is charged: below it, a connection
// of net/http takes more.
const chargeFrom = 16 << 10

// bodyCharge is the charge for a body that is being read.
type bodyCharge struct {
	session *Session
	charge  *budget.Charge
	held    int
}

// hold charges that the body takes size bytes.
func (c *bodyCharge) hold(size int) error {
	if size < chargeFrom || size <= c.held {
		return nil
	}
	if c.charge == nil {
		c.charge = c.session.Charge(func() { c.session.end(ReasonTransportError, errNoMemory) })
	}
	c.charge.Progress(int64(size - c.held)) // as much arrived, about
	if err := c.charge.Hold(int64(size - c.held)); err != nil {
		return errNoMemory
	}
	c.held = size
	return nil
}
