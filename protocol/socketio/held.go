package socketio

import "podium/protocol/engineio"

// maxHeld bounds what waits for one socket that comes in, each event counted with
// heldOverhead more bytes than it has. A connection that exceeds it is closed, as
// one that takes its packets too slowly: the client comes again for the rest.
const (
	maxHeld      = 4 << 20
	heldOverhead = 128
)

// heldEvents are what waits for one socket.
type heldEvents struct {
	events [][]*engineio.Message
	bytes  int
	full   bool // the connection is being closed
}

// hold keeps the messages of an event until s is connected. It returns false where
// nothing has to wait, and an error where nothing can any more.
func (s *Socket) hold(ms []*engineio.Message) (held bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch st := s.life(); {
	case st.ended(): // else it could come behind DISCONNECT
		return true, ErrDisconnected
	case !st.joining():
		return false, nil
	case !s.holdLocked(ms):
		return true, ErrDisconnected
	}
	return true, nil
}

// holdLast is hold for the packet that puts a socket out, which is closed. It returns
// false where nothing has to wait, or nothing can.
func (s *Socket) holdLast(ms []*engineio.Message) (held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.life() == stateExpelling && s.holdLocked(ms)
}

// holdLocked does it, and returns whether there was room. Socket.mu must be held.
func (s *Socket) holdLocked(ms []*engineio.Message) bool {
	m := s.extras()
	if m.held == nil {
		m.held = new(heldEvents)
	}
	h := m.held
	h.bytes += heldOverhead + sizeOf(ms)
	switch {
	case h.full:
		return false
	case h.bytes > maxHeld && len(h.events) > 0:
		h.full = true
		s.nsp.server.workers.start(func() { s.client.close(ReasonTransportClose) }) // the caller may hold locks
		return false
	}
	h.events = append(h.events, ms)
	return true
}

// sizeOf is the length of the messages together.
func sizeOf(ms []*engineio.Message) (n int) {
	for _, m := range ms {
		n += len(m.Payload())
	}
	return n
}

// takeHeld takes what is held back. Where that is nothing the answer has been sent: it
// returns whether the socket is connected from now on, which it is unless it has ended.
func (s *Socket) takeHeld() (held [][]*engineio.Message, connected bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.more.Load(); m != nil && m.held != nil {
		if m.held.full {
			m.held.events = nil
			return nil, false
		}
		held, m.held = m.held.events, nil
		return held, false
	}
	if s.enterLocked(stateConnected) {
		return nil, true
	}
	s.enterLocked(stateExpelled) // where it was put out meanwhile
	return nil, false
}

// dropHeld gives up what is held back.
func (s *Socket) dropHeld() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropHeldLocked()
}

func (s *Socket) dropHeldLocked() {
	if m := s.more.Load(); m != nil {
		m.held = nil
	}
}
