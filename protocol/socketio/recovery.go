package socketio

import (
	"time"
)

// Recovery lets clients that fell off take up their session: the same id,
// rooms and data, and every event that they missed, in order and once.
// Official clients from 4.6 on do it by themselves.
//
// # What is recovered
//
// Events in the log. With an [Appender], such as [MemoryLog], these are all
// events but volatile ones, local ones and those with an acknowledgement; with
// a log that is only followed, those that the log's owner committed. Events
// that are not logged are lost on a client that is away. On one that is being sent
// what it missed they come in their place, but for volatile ones.
//
// # How exactly once comes about
//
// An event that is logged carries its offset to the client as a last argument,
// and the client offers the offset of the last event that it handled when it
// comes back. CONNECT is answered first, then come the events after that
// offset, then live ones: the socket joins those under the lock that publishing
// takes, and they wait until the others have left. A connection that breaks in
// between leaves the client with the offset of the last event it got. Official
// clients take any last argument that is a string for an offset; so an event that
// is not logged and ends in a string, or has no argument, gets the current offset
// appended.
//
// # What a session record is for, and how stale it may be
//
// The private session id that the client holds is signed and says which socket
// it was and where in the log its session began. That is all that a client in
// no room and without data needs, and nothing is stored for it. Rooms and data
// are in a record, saved in batches no later than SaveEvery after a change; an
// orderly Shutdown saves all of them. So a crash may undo joins, leaves and
// data of the last SaveEvery. It loses no event: with an Appender, an event for
// rooms is appended only after the changes before it were saved, so a client
// that was in the room when the event was emitted is in it when it comes back.
// It doubles none, because what was delivered is known to the client and not
// taken from the record. Where memberships must survive a crash within that
// second too, [Server.SaveSessions] saves them at once, or the connection
// handler joins again: joining twice is joining once.
//
// # Who is not let back in
//
// Clients that left by themselves, were disconnected by Disconnect, or sent an
// invalid Engine.IO packet, and those that offer an offset that is no string.
// Two connections with the same session: the newest wins and the older is
// closed. A client that missed more than MaxMissed events, or one older than
// MaxAge, gets a new session (recovered is false there), followed by the newest
// events within those limits as ordinary events.
type Recovery struct {
	// Log holds the events. Required.
	Log Log
	// Key signs session ids, 16 bytes or more. It must be the same after a
	// restart for sessions to survive it. Nil means a random one.
	Key []byte
	// Sessions keeps session records beyond the process. Nil means that they
	// are kept in memory.
	Sessions SessionStore
	// SaveEvery is how stale a record may be. Zero means 1 s.
	SaveEvery time.Duration
	// MaxSessions bounds the session records. Zero means 100,000.
	MaxSessions int
	// MaxMissed is how many events a client may have missed. Zero means 1,000.
	MaxMissed int
	// MaxAge is how old a missed event may be. Zero means 5 minutes.
	MaxAge time.Duration
	// RingBytes bounds the memory for encoded events that recovering clients
	// share. Older events are read from the log. Zero means 8 MiB.
	RingBytes int
	// Shared says that all servers of an adapter append to the same Log: they
	// are told to look there rather than sent the event.
	Shared bool
	// RunMiddleware runs namespace middleware for recovered sockets too.
	RunMiddleware bool
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// maxTicketAge is how old a session id without a record may be, and how long
// it is remembered that a client may not come back.
const maxTicketAge = 24 * time.Hour

func (r Recovery) withDefaults() Recovery {
	if r.SaveEvery == 0 {
		r.SaveEvery = time.Second
	}
	if r.MaxSessions == 0 {
		r.MaxSessions = 100_000
	}
	if r.MaxMissed == 0 {
		r.MaxMissed = 1000
	}
	if r.MaxAge == 0 {
		r.MaxAge = 5 * time.Minute
	}
	if r.RingBytes == 0 {
		r.RingBytes = 8 << 20
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	return r
}

// sessionOffer is what a client offers in its CONNECT payload.
type sessionOffer struct {
	pid, offset string
	malformed   bool // there is an offset, and it is no string
}

// offerOf reads what the client offers. Payloads that offer nothing, or
// something of another type, are left to the application.
func offerOf(p *publisher, s *Socket, auth Value) (o sessionOffer) {
	if p == nil || !auth.Present() || s.client.conn.Protocol() == 3 {
		return o
	}
	var loose struct {
		PID    any `json:"pid"`
		Offset any `json:"offset"`
	}
	if auth.Decode(&loose) != nil {
		return o
	}
	o.pid, _ = loose.PID.(string)
	var isString bool
	o.offset, isString = loose.Offset.(string)
	o.malformed = loose.Offset != nil && !isString
	return o
}

// position is where a session stands in the log when its socket connects.
type position struct {
	pid     string  // answered with CONNECT; "" where the log cannot be read
	after   uint64  // events after this offset are to be sent
	refused Refusal // why the session that was offered is not this one; "" where none was
}

// resume decides whether s takes up the session it offers. If so it gives s
// the session's id, rooms and data. It may read the session store.
func (p *publisher) resume(s *Socket, o sessionOffer) position {
	if o.pid == "" {
		return p.fresh(s)
	}
	p.server.stats.attempts.Add(1)
	p.turns.take()
	defer p.turns.giveBack()
	if err := p.start(); err != nil {
		p.refused(s, RefusedLog, ticket{}, 0)
		return p.fresh(s).because(RefusedLog)
	}
	t, ok := openTicket(o.pid, p.options.Key, s.nsp.name, p.tag)
	if !ok || o.malformed {
		p.refused(s, RefusedTicket, t, 0)
		return p.fresh(s).because(RefusedTicket)
	}
	// The older connections close first, so that their rooms are remembered: where
	// one is closing by itself, that is waited for.
	for _, old := range s.nsp.roster.claim(t.id, s) {
		if old.state.Load() != stateClosed {
			p.server.stats.superseded.Add(1)
			p.server.rememberSession(old, ReasonTransportClose)
			old.client.close(ReasonTransportClose)
		}
		old.awaitEnding()
	}
	pos, rec, why := p.judge(s, t, o)
	if why != "" {
		s.nsp.roster.release(t.id, s)
		p.refused(s, why, t, pos)
		if why.tooMuch() {
			return p.freshAfter(s, pos).because(why)
		}
		return p.fresh(s).because(why)
	}
	s.nsp.roster.rename(s, t.id)
	s.recovered = true
	if len(rec.Rooms) > 0 {
		s.nsp.roster.rejoin(s, rec.Rooms)
	}
	if known := len(rec.Rooms) > 0 || rec.Data != nil; known {
		s.tracked.Store(true)
	}
	if rec.Data != nil || rec.live != nil {
		m := s.extras()
		s.mu.Lock()
		if m.data = rec.live; rec.live == nil {
			m.data = rec.Data
		}
		s.mu.Unlock()
	}
	p.server.stats.recovered.Add(1)
	return position{pid: o.pid, after: pos}
}

// because notes why the position is that of a new session.
func (pos position) because(why Refusal) position {
	pos.refused = why
	return pos
}

// judge returns from where on t's session continues, and why it may not.
func (p *publisher) judge(s *Socket, t ticket, o sessionOffer) (uint64, SessionRecord, Refusal) {
	pos := t.begin
	// A stale offset outlives a refused recovery, so the later one counts.
	if off, ok := parseOffset(o.offset, p.tag); ok {
		pos = max(pos, off)
	}
	rec, known, err := p.server.sessions.load(t.id, s.nsp.name)
	if err != nil {
		p.server.opts.Logger.Error("socket.io recovery: read a session", "error", err)
		return pos, rec, RefusedRecord
	}
	if rec.Denied {
		return pos, rec, RefusedDenied
	}
	if pos > p.delivered(pos) {
		return pos, rec, RefusedAhead
	}
	if !known && p.options.Now().Sub(t.issued) > maxTicketAge {
		return pos, rec, RefusedExpired
	}
	m, err := p.missed(s.nsp.name, pos, t.id, rec.Rooms)
	if err != nil {
		p.server.opts.Logger.Error("socket.io recovery: read the log", "error", err)
		return pos, rec, RefusedLog
	}
	return pos, rec, m.tooMuch
}

// delivered returns the offset up to which events were delivered. Where that
// is before pos it waits for a delivery under way, since the client may have got
// the event before the delivery to all others came to its end, and then looks into
// the log: the client may have got it from another server that shares the log.
func (p *publisher) delivered(pos uint64) uint64 {
	if last := p.last.Load(); last >= pos {
		return last
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last.Load() < pos {
		if err := p.publishLocked(); err != nil {
			p.server.opts.Logger.Error("socket.io recovery: read the log", "error", err)
			p.retryLater()
		}
	}
	return p.last.Load()
}

// fresh begins a new session at the end of the log.
func (p *publisher) fresh(s *Socket) position {
	if err := p.start(); err != nil {
		p.server.opts.Logger.Error("socket.io recovery: open the log", "error", err)
		return position{}
	}
	return p.freshAt(s, p.last.Load())
}

// freshAfter begins a new session that gets the newest events after an offset
// which are within the limits.
func (p *publisher) freshAfter(s *Socket, after uint64) position {
	m, err := p.missed(s.nsp.name, after, s.id, nil)
	if err != nil {
		return p.freshAt(s, p.last.Load())
	}
	p.server.stats.dropped.Add(uint64(m.dropped))
	return p.freshAt(s, m.newest)
}

func (p *publisher) freshAt(s *Socket, begin uint64) position {
	t := ticket{id: s.id, begin: begin, issued: p.options.Now()}
	return position{pid: t.seal(p.options.Key, s.nsp.name, p.tag), after: begin}
}
