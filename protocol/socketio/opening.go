package socketio

import (
	"slices"

	"podium/protocol/engineio"
	"podium/protocol/socketio/parser"
)

// A socket that comes in is in the roster before its client has the answer: who
// acts on the answer finds it, and broadcasts reach it. What they send waits
// until CONNECT is queued, and with recovery what was missed, so that everything
// comes in the order of emitting.

// joining is how one socket comes into its namespace: it joins, and gets the answer
// to CONNECT, the events after its session's position, and what was emitted since
// it joined.
type joining struct {
	server *Server
	pub    *publisher // nil where nothing is recovered
	socket *Socket
	position
	mayWait bool // for a turn and for the client: never on a goroutine that reads for many connections

	until    uint64              // the offset at which it joined
	out      []*engineio.Message // to be sent next
	size     int                 // of out, in bytes
	replayed int                 // events
	inTurn   bool
	failed   bool // the connection has to be closed
}

// join puts the socket into the roster. What is emitted from then on is held back;
// what was logged before, and nothing else, is to be replayed. It returns false
// where [roster.add] does.
func (b *joining) join() bool {
	s := b.socket
	if b.pid == "" {
		return s.nsp.roster.add(s)
	}
	if b.mayWait && b.after < b.pub.last.Load() { // before anything is held back
		b.pub.turns.take()
		b.inTurn = true
	}
	b.pub.mu.RLock()
	defer b.pub.mu.RUnlock()
	if b.pub.history.Load().generation == b.history.generation {
		b.settleRooms()
		b.until = b.pub.last.Load()
		s.replaying = b.after < b.until
		if s.nsp.roster.add(s) {
			return true
		}
	} else {
		s.nsp.server.workers.start(func() { s.client.close(ReasonTransportClose) }) // it comes again and is told
	}
	b.endTurn()
	return false
}

// settleRooms follows the orders that came since the session was judged, and notes
// in which rooms it was while it was away. publisher.mu must be held.
func (b *joining) settleRooms() {
	s, r := b.socket, &b.socket.nsp.roster
	if b.view == nil {
		rooms, _ := r.memberships(s)
		b.view = &view{id: s.id, nsp: s.nsp.name, rooms: rooms}
		return
	}
	if late := b.pub.orders.after(b.judged); len(late) > 0 {
		rooms, _ := r.memberships(s)
		now := &view{id: s.id, nsp: s.nsp.name, rooms: slices.Clone(rooms), pending: late}
		now.advance(b.pub.last.Load())
		r.leave(s, namesBut(rooms, now.rooms))
		r.rejoin(s, now.rooms)
		s.tracked.Store(true)
		if now.out {
			s.barred.Store(true)
			s.nsp.server.workers.start(func() { s.Disconnect(false) })
		}
	}
	rooms, _ := r.memberships(s)
	for _, rm := range rooms {
		if !slices.ContainsFunc(b.view.rooms, rm.sameRoom) { // middleware put it there
			b.view.rooms = append(b.view.rooms, rm)
		}
	}
}

func (r RoomRecord) sameRoom(o RoomRecord) bool { return r.Name == o.Name }

// namesBut returns the names of rooms that are not among others.
func namesBut(rooms, others []RoomRecord) (names []string) {
	for _, rm := range rooms {
		if !slices.ContainsFunc(others, rm.sameRoom) {
			names = append(names, rm.Name)
		}
	}
	return names
}

// endTurn gives the turn back, where it has it.
func (b *joining) endTurn() {
	if b.inTurn {
		b.inTurn = false
		b.pub.turns.giveBack()
	}
}

// run sends everything and opens the socket, and reports whether it came to that.
// Where something could not be read or encoded it closes the connection: the client
// comes again for it.
func (b *joining) run() (opened bool) {
	s := b.socket
	b.failed = true // where a parser or a log panics
	defer func() {
		b.endTurn()
		if b.failed {
			s.client.close(ReasonTransportClose)
		}
		if s.state.Load() == stateClosed {
			s.dropHeld()
			s.client.forget(s)
		}
	}()
	p := parser.Packet{Type: parser.Connect, Namespace: s.nsp.name, ID: parser.NoID}
	if s.client.conn.Protocol() != 3 {
		p.Args = []any{connectAnswer{s.id, b.pid, b.refused}}
	}
	head, err := b.server.opts.Parser.Encode(&p)
	if err != nil {
		return false
	}
	b.out = head
	return b.replay() && b.open()
}

// open sends what was held back, and lets everything through once that is nothing.
func (b *joining) open() bool {
	for {
		held := b.socket.takeHeld()
		if held == nil {
			b.failed = false
			return b.socket.opened
		}
		for _, ms := range held {
			if !b.queue(ms, sizeOf(ms)) {
				return false
			}
		}
		if !b.flush() {
			return false
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
// nothing has to wait, and an error where nothing can any more.
func (s *Socket) hold(ms []*engineio.Message) (held bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	closed := s.state.Load() == stateClosed // else it could come behind DISCONNECT
	if closed || s.opening && !s.holdLocked(ms) {
		return true, ErrDisconnected
	}
	return s.opening, nil
}

// holdLast is hold for the packet that puts a socket out, which is closed.
func (s *Socket) holdLast(ms []*engineio.Message) (held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opening && s.holdLocked(ms)
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

// takeHeld takes what is held back. Where that is nothing the socket is connected
// from now on, unless it is closed or being so.
func (s *Socket) takeHeld() (held [][]*engineio.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.more.Load(); m != nil && m.held != nil {
		if m.held.full {
			m.held.events = nil
			return nil
		}
		held, m.held = m.held.events, nil
		return held
	}
	s.opening = false
	s.opened = s.state.CompareAndSwap(stateJoined, stateConnected)
	return nil
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

// gone reports whether nothing may be sent to s any more. One that was put out gets
// what was sent before, unless its client leaves meanwhile. Socket.ending must be
// held.
func (s *Socket) gone() bool {
	return s.silent || s.state.Load() == stateClosed && !s.expelled.Load()
}
