package socketio

import "podium/protocol/engineio"

// A socket that comes in is in the roster before its client has the answer: who
// acts on the answer finds it, and broadcasts reach it. What they send waits
// until CONNECT is queued, and with recovery what was missed, so that everything
// comes in the order of emitting.

// bringIn is how one socket comes into its namespace: it joins, and gets the answer
// to CONNECT, the events after its session's position, and what was emitted since
// it joined.
type bringIn struct {
	server *Server
	pub    *publisher // nil where nothing is recovered
	socket *Socket
	position
	mayWait bool // for a turn and for the client: never on a goroutine that reads for many connections

	rooms    []RoomRecord          // when it joined
	until    uint64                // the offset at which it joined
	out      [][]*engineio.Message // to be sent next
	size     int
	replayed int
}

// join puts the socket into the roster. What is emitted from then on is held back;
// what was logged before, and nothing else, is to be replayed. It returns false
// where [roster.add] does.
func (b *bringIn) join() bool {
	s := b.socket
	if b.pid == "" {
		return s.nsp.roster.add(s)
	}
	b.pub.mu.RLock()
	defer b.pub.mu.RUnlock()
	b.rooms, _ = s.nsp.roster.memberships(s)
	b.until = b.pub.last.Load()
	s.replaying = b.after < b.until
	return s.nsp.roster.add(s)
}

// run sends everything and opens the socket. It returns false where the socket was
// closed meanwhile. Where something could not be sent or read the connection is
// closed: the client comes again for it. One that left by itself is let alone.
func (b *bringIn) run() (open bool) {
	sent := false
	defer func() { // also where a parser or a log panics
		if !sent && !b.socket.gone() {
			b.socket.client.close(ReasonTransportClose)
		}
	}()
	p := Packet{Type: Connect, Namespace: b.socket.nsp.name, ID: NoID}
	if b.socket.client.conn.Protocol() != 3 {
		p.Args = []any{connectAnswer{b.socket.id, b.pid, b.refused}}
	}
	head, err := b.server.opts.Parser.Encode(&p)
	if err != nil {
		return false
	}
	b.out = append(b.out, head)
	if b.replay() {
		open, sent = b.open()
	}
	return open
}

// open sends what was held back, and lets everything through once that is nothing.
func (b *bringIn) open() (open, sent bool) {
	for {
		held, open := b.socket.release()
		if held == nil {
			return open, true
		}
		for _, ms := range held {
			if !b.queue(ms, size(ms)) {
				return false, false
			}
		}
		if !b.flush() {
			return false, false
		}
	}
}

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
// nothing has to wait.
func (s *Socket) hold(ms []*engineio.Message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.opening {
		return false
	}
	m := s.extras()
	if m.held == nil {
		m.held = new(heldEvents)
	}
	h := m.held
	if h.full {
		return true
	}
	h.bytes += heldOverhead + size(ms)
	if h.full = h.bytes > maxHeld && len(h.events) > 0; h.full {
		s.nsp.server.workers.start(func() { s.client.close(ReasonTransportClose) }) // the caller may hold locks
		return true
	}
	h.events = append(h.events, ms)
	return true
}

// size is the length of the messages together.
func size(ms []*engineio.Message) (n int) {
	for _, m := range ms {
		n += len(m.Payload())
	}
	return n
}

// release takes what is held back. Where that is nothing the socket is connected
// from now on, unless it is closed.
func (s *Socket) release() (held [][]*engineio.Message, connected bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.more.Load(); m != nil && m.held != nil {
		if m.held.full {
			return nil, false
		}
		held, m.held = m.held.events, nil
		return held, false
	}
	s.opening = false
	return nil, s.state.CompareAndSwap(stateJoined, stateConnected)
}

// gone reports whether nothing may be sent to s any more, because its client has
// left, perhaps to join again. One that was put out gets what was sent before.
func (s *Socket) gone() bool { return s.state.Load() == stateClosed && !s.expelled.Load() }
