package socketio

import "podium/protocol/engineio"

// A socket that comes in is in the roster before its client has the answer: who
// acts on the answer finds it, and broadcasts reach it. What they send waits
// until CONNECT is queued, and with recovery until the client has what it missed.

// maxHeld is how many bytes may wait for one socket that comes in. A connection
// that exceeds it is closed, as one that takes its packets too slowly.
const maxHeld = 4 << 20

// heldEvent is what waits for a socket to be connected.
type heldEvent struct {
	messages []*engineio.Message
	renew    func() []*engineio.Message // makes them again where an offset was appended; else nil
}

// heldEvents are those of one socket.
type heldEvents struct {
	events []heldEvent
	bytes  int // of these, and of those that were sent since
}

// hold keeps o until s is connected. It returns false where s is so already.
func (s *Socket) hold(o *outgoing) bool {
	h := heldEvent{messages: o.messages}
	if o.stamped && s.replaying {
		event, args, f := o.event, o.asArgs(), o.flags
		h.renew = func() []*engineio.Message { return s.stampAnew(event, args, f) }
	}
	return s.holdBack(h)
}

// stampAnew returns the messages of an event that is not logged with the offset of
// now, for more was replayed since it was emitted. publisher.mu must be held for
// reading, unless s is closed: there are none then.
func (s *Socket) stampAnew(event string, args Args, f flags) []*engineio.Message {
	if !s.Connected() {
		return nil
	}
	ms, err := s.nsp.encode(event, NoID, s.nsp.server.publisher.withOffset(args.Any()))
	if err != nil {
		return nil // it was encoded before
	}
	return f.compressible(ms)
}

// holdBack is hold for what is no event of an application too.
func (s *Socket) holdBack(h heldEvent) bool {
	size := 0
	for _, m := range h.messages {
		size += len(m.Payload())
	}
	m := s.extras()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.opening {
		return false
	}
	if m.held == nil {
		m.held = new(heldEvents)
	}
	before := m.held.bytes
	m.held.bytes += size
	if m.held.bytes <= maxHeld || before == 0 {
		m.held.events = append(m.held.events, h)
	} else if before <= maxHeld { // the first that is too much; the caller may hold locks
		s.nsp.server.workers.start(func() { s.client.close(ReasonTransportClose) })
	}
	return true
}

// open sends what was held back, and then lets everything through. It returns
// false where s was closed or the connection has ended.
func (s *Socket) open() bool {
	for {
		held, ok := s.release()
		if len(held) == 0 {
			return ok
		}
		var ms []*engineio.Message
		for _, h := range held {
			if h.renew != nil {
				h.messages = h.renew()
			}
			ms = append(ms, h.messages...)
		}
		if len(ms) > 0 && s.client.deliver(ms) != nil {
			return false
		}
	}
}

// release takes what is held back. Where that is nothing the socket is connected
// from now on, unless it is closed.
func (s *Socket) release() (held []heldEvent, connected bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.more.Load()
	if m != nil && m.held != nil && len(m.held.events) > 0 {
		held, m.held.events = m.held.events, nil
		return held, false
	}
	if m != nil {
		m.held = nil
	}
	s.opening = false
	return nil, s.state.CompareAndSwap(stateJoined, stateConnected)
}
