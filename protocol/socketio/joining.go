package socketio

import (
	"slices"

	"podium/protocol/engineio"
	"podium/protocol/socketio/parser"
)

// A socket joins its namespace in one straight line: who it is, whether it may, the
// rooms it is in, the answer to CONNECT with what it missed, and its handlers. From the
// moment that it stands in the roster, which is before its client has the answer,
// broadcasts reach it, and who acts on the answer finds it. What they send waits until
// the answer has left, and with recovery what was missed, so that everything comes in
// the order of emitting.

// joining is how one socket comes into its namespace.
type joining struct {
	server *Server
	pub    *publisher // nil where nothing is recovered
	socket *Socket
	offer  sessionOffer
	position
	mayWait bool // for a turn and for the client: never on a goroutine that reads for many connections

	until    uint64              // the offset at which it joined
	out      []*engineio.Message // to be sent next
	size     int                 // of out, in bytes
	replayed int                 // events
	inTurn   bool
	failed   bool // the connection has to be closed
}

// admit lets s in, unless middleware refuses. What may block runs in the
// socket's mailbox, in front of all its events.
func (n *Namespace) admit(s *Socket, auth Value) {
	j := &joining{server: n.server, pub: n.server.publisher, socket: s}
	if s.client.conn.Protocol() == 3 {
		j.pub = nil
	}
	j.offer = offerOf(j.pub, auth)
	j.mayWait = j.offer.pid != ""
	for _, t := range n.tables(nil) {
		j.mayWait = j.mayWait || len(t.admission) > 0
	}
	if j.mayWait {
		s.post(func() { n.server.guard(s, StageConnection, j.run) })
		return
	}
	if s.begin() { // from here on hooks wait until it is connected
		defer s.finish()
		j.run()
	}
}

// run takes the steps one after the other. The one that ends it has told the client, or
// closed the connection, where somebody is there yet.
func (j *joining) run() {
	if j.identify() && j.passMiddleware() && j.enter() && j.answer() {
		j.socket.nsp.connected(j.socket, j.mayWait)
	}
}

// identify finds out which session the socket is.
func (j *joining) identify() bool {
	if j.pub == nil {
		return true
	}
	j.position = j.pub.resume(j.socket, j.offer)
	if j.away {
		j.socket.client.close(ReasonTransportClose)
	}
	return !j.away
}

// passMiddleware asks middleware. A session that is recovered has been asked.
func (j *joining) passMiddleware() bool {
	s := j.socket
	if s.recovered && !j.pub.options.RunMiddleware {
		return true
	}
	for _, t := range s.nsp.tables(nil) {
		for _, f := range t.admission {
			err := j.server.tryAdmission(s, f)
			if err == nil {
				continue
			}
			// Closed first, so that no room is left when the client knows. Where it is
			// closed already the client has left, and may have asked again.
			if s.close(ReasonServerDisconnect) {
				_ = s.client.refuse(s.nsp.name, err)
			}
			return false
		}
	}
	return true
}

// enter puts the socket among those that broadcasts reach, unless it ended meanwhile.
func (j *joining) enter() bool {
	s := j.socket
	j.pub.keepPID(s, j.pid)
	if !j.join() {
		s.nsp.roster.release(s.id, s) // it ended before it had the id that it claimed
		return false
	}
	s.client.joined()
	if s.tracked.Load() {
		j.server.sessionChanged(s) // rooms and data from middleware
	}
	return true
}

// join puts the socket into the roster. What is emitted from then on is held back;
// what was logged before, and nothing else, is to be replayed. It returns false
// where [roster.add] does.
func (j *joining) join() bool {
	s := j.socket
	if j.pid == "" {
		return s.nsp.roster.add(s, stateJoined)
	}
	if j.mayWait && j.after < j.pub.last.Load() { // before anything is held back
		j.pub.turns.take()
		j.inTurn = true
	}
	j.pub.mu.RLock()
	defer j.pub.mu.RUnlock()
	if j.current() {
		j.settleRooms()
		j.until = j.pub.last.Load()
		as := stateJoined
		if j.after < j.until {
			as = stateReplaying
		}
		if s.nsp.roster.add(s, as) {
			return true
		}
	} else {
		s.nsp.server.workers.start(func() { s.client.close(ReasonTransportClose) }) // it comes again and is told
	}
	j.endTurn()
	return false
}

// settleRooms follows the orders that came since the session was judged, and notes
// in which rooms it was while it was away. publisher.mu must be held.
func (j *joining) settleRooms() {
	s, r := j.socket, &j.socket.nsp.roster
	if j.view == nil {
		rooms, _ := r.memberships(s)
		j.view = &view{id: s.id, nsp: s.nsp.name, rooms: rooms}
		return
	}
	if late, _ := j.pub.orders.after(j.judged); len(late) > 0 {
		rooms, _ := r.memberships(s)
		now := &view{id: s.id, nsp: s.nsp.name, rooms: slices.Clone(rooms), pending: late}
		now.advance(j.pub.last.Load())
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
		if !slices.ContainsFunc(j.view.rooms, rm.sameRoom) { // middleware put it there
			j.view.rooms = append(j.view.rooms, rm)
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
func (j *joining) endTurn() {
	if j.inTurn {
		j.inTurn = false
		j.pub.turns.giveBack()
	}
}

// answer sends CONNECT and what was missed, and reports whether the socket is connected
// then, or was for its client. Where something could not be read or encoded it closes the connection: the
// client comes again for it.
func (j *joining) answer() (connected bool) {
	s := j.socket
	j.failed = true // where a parser or a log panics
	defer func() {
		j.endTurn()
		if j.failed {
			s.client.close(ReasonTransportClose)
		}
		if s.life().ended() {
			s.dropHeld()
			s.client.forget(s)
		}
	}()
	p := parser.Packet{Type: parser.Connect, Namespace: s.nsp.name, ID: parser.NoID}
	if s.client.conn.Protocol() != 3 {
		p.Args = []any{connectAnswer{s.id, j.pid, j.refused}}
	}
	head, err := j.server.opts.Parser.Encode(&p)
	if err != nil {
		return false
	}
	j.out = head
	return j.replay() && j.open() || s.enter(stateClosed)
}

// open sends what was held back, and lets everything through once that is nothing.
func (j *joining) open() bool {
	for {
		held, connected := j.socket.takeHeld()
		if held == nil {
			j.failed = false
			return connected
		}
		for _, ms := range held {
			if !j.queue(ms, sizeOf(ms)) {
				return false
			}
		}
		if !j.flush() {
			return false
		}
	}
}
