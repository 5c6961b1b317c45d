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
// MaxAge, gets a new session: recovered is false there. Where ReplayRefused is set the
// newest events within those limits follow as ordinary events.
type Recovery struct {
	// Log holds the events. Required.
	Log Log
	// Key signs session ids, 16 bytes or more. It must be the same after a
	// restart for sessions to survive it. Nil means a random one.
	Key []byte
	// Sessions keeps session records beyond the process. Nil means that they
	// are kept in memory.
	Sessions SessionStore
	// SaveEvery is how stale a record may be. Zero means 1 s, or 20 ms where the log
	// is shared with other servers.
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
	// LogTimeout is how long an emit waits for the log, and how long one reading of
	// it may take. Zero means 5 s.
	LogTimeout time.Duration
	// ReplayRefused sends clients whose session is not taken up, because they missed
	// more than the limits allow, the newest events within those limits all the same,
	// as ordinary events of their new session. The official server sends none.
	ReplayRefused bool
	// RunMiddleware runs namespace middleware for recovered sockets too.
	RunMiddleware bool
	// Now is the clock that ages are taken by: those of session ids, of session
	// records, and of the events of a Log that appends by it. Where it jumps,
	// clients lose their recovery, or keep it for too long. Nil means the wall
	// clock of when the server was made, and from there on the monotonic one.
	Now func() time.Time
}

// maxTicketAge is how old a session id without a record may be, and how long
// it is remembered that a client may not come back.
const maxTicketAge = 24 * time.Hour

func (r Recovery) withDefaults() Recovery {
	if r.SaveEvery == 0 {
		r.SaveEvery = time.Second
		if _, shared := r.Log.(Follower); shared {
			r.SaveEvery = 20 * time.Millisecond
		}
	}
	if r.LogTimeout == 0 {
		r.LogTimeout = 5 * time.Second
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
		made := time.Now()
		r.Now = func() time.Time { return made.Add(time.Since(made)) }
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
func offerOf(p *publisher, auth Value) (o sessionOffer) {
	if p == nil || !auth.Present() {
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
	pid     string   // answered with CONNECT; "" where the log cannot be read
	after   uint64   // events after this offset are to be sent
	history *history // what the offset is of
	view    *view    // who the session was then; nil for a new one
	judged  uint64   // the offset up to which its rooms are known
	refused Refusal  // why the session that was offered is not this one; "" where none was
	away    bool     // nothing can be said now: the client has to come again, perhaps to another server
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
		if p.follower != nil {
			return position{away: true} // also where the log can be read by now: others may have the session
		}
		return p.fresh(s).because(RefusedLog)
	}
	h := p.history.Load()
	t, ok := openTicket(o.pid, p.options.Key, s.nsp.name, h.tag)
	var taken *SessionRecord // of a session that another kind of server began
	if !ok && !o.malformed {
		var rec SessionRecord
		if t, rec, ok = p.foreignTicket(s, h, o); ok {
			taken = &rec
		}
	}
	if !ok || o.malformed {
		p.refused(s, RefusedTicket, t, 0)
		return p.fresh(s).because(RefusedTicket)
	}
	// The older connections close first, so that their rooms are remembered: where
	// one is closing by itself, that is waited for.
	for _, old := range s.nsp.roster.claim(t.id, s) {
		if !old.life().ended() {
			p.server.stats.superseded.Add(1)
			p.server.rememberSession(old, ReasonTransportClose)
			old.client.close(ReasonTransportClose)
		}
		old.awaitEnding()
	}
	c, why := p.judge(s, h, t, o, taken)
	if why != "" {
		s.nsp.roster.release(t.id, s)
		p.refused(s, why, t, c.after)
		if p.follower != nil && why.passing() {
			return position{away: true} // a new session would be the end of one that others can take up
		}
		if p.options.ReplayRefused && why.tooMuch() {
			return p.freshAfter(s, h, c.after).because(why)
		}
		return p.fresh(s).because(why)
	}
	s.nsp.roster.rename(s, t.id)
	s.recovered = true
	if len(c.rooms) > 0 {
		s.nsp.roster.rejoin(s, c.rooms)
		s.nsp.awaitRooms(namesBut(c.rooms, nil))
	}
	rec := c.record
	if known := len(c.rooms) > 0 || rec.Data != nil; known {
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
	v := viewOf(t.id, s.nsp.name, rec.Rooms, c.orders)
	return position{pid: o.pid, after: c.after, history: h, view: v, judged: c.judged}
}

// because notes why the position is that of a new session.
func (pos position) because(why Refusal) position {
	pos.refused = why
	return pos
}

// candidate is a session that a client offers to take up.
type candidate struct {
	after  uint64        // from where on it continues
	record SessionRecord // as it was kept
	upTo   uint64        // what the record knows of
	orders []order       // those after that
	rooms  []RoomRecord  // as they were at the offset judged
	judged uint64
}

// judge returns t's session, and why it may not be taken up. taken is its record, where
// that is known already.
func (p *publisher) judge(s *Socket, h *history, t ticket, o sessionOffer, taken *SessionRecord) (c candidate, why Refusal) {
	pos, offered := t.begin, false
	// A stale offset outlives a refused recovery, so the later one counts.
	if m, ok := h.parse(o.offset); ok && m.offset >= pos.offset {
		pos, offered = m, true
	}
	c.after, c.upTo = pos.offset, t.begin.offset
	var rec SessionRecord
	var known bool
	var err error
	switch {
	case taken != nil:
		rec, known = *taken, true
	case p.shared != nil:
		rec, known, err = p.takeShared(s, o.pid, t.id, pos)
	default:
		rec, known, err = p.recordOf(s, t)
	}
	if err != nil {
		p.server.opts.Logger.Error("socket.io recovery: read a session", "error", err)
		return c, RefusedRecord
	}
	if c.record = rec; known {
		c.upTo = rec.Offset
	}
	if rec.Denied {
		return c, RefusedDenied
	}
	switch last, err := p.delivered(pos.offset); {
	case err != nil:
		p.server.opts.Logger.Error("socket.io recovery: read the log", "error", err)
		return c, RefusedLog
	case pos.offset > last:
		return c, RefusedAhead
	}
	if why := p.verify(h, pos, offered && h.form != nil); why != "" {
		return c, why
	}
	if !known && p.shared != nil {
		return c, RefusedExpired
	}
	if !known && p.now().Sub(t.issued) > maxTicketAge {
		return c, RefusedExpired
	}
	if c.orders, err = p.ordersAfter(c.upTo); err != nil {
		p.server.opts.Logger.Error("socket.io recovery: read the log", "error", err)
		return c, RefusedLog
	}
	if p.ordered() {
		if why := p.claim(s, t.id); why != "" {
			return c, why
		}
	}
	v := viewOf(t.id, s.nsp.name, rec.Rooms, c.orders)
	m, err := p.missed(c.after, v)
	if err != nil {
		p.server.opts.Logger.Error("socket.io recovery: read the log", "error", err)
		return c, RefusedLog
	}
	c.judged = p.last.Load()
	v.advance(c.judged)
	if c.rooms = v.rooms; v.out {
		return c, RefusedDenied
	}
	return c, m.tooMuch
}

// recordOf returns what is kept of a session, here or at the server that has it.
func (p *publisher) recordOf(s *Socket, t ticket) (SessionRecord, bool, error) {
	rec, known, err := p.server.sessions.load(t.id, s.nsp.name)
	if err != nil || !known || rec.Denied || rec.live != nil {
		return rec, known, err
	}
	if c := p.server.cluster; c != nil && p.ordered() {
		if later, ok := c.askRecord(s.nsp.name, t.id); ok && later.Offset >= rec.Offset {
			return later, true, nil
		}
	}
	return rec, known, nil
}

// claim tells the other servers that share the log that a session is at this one
// now. Who comes later in the log has it.
func (p *publisher) claim(s *Socket, id string) Refusal {
	err := p.commits.commit(Entry{Kind: KindClaim, Namespace: s.nsp.name, Names: []string{id}})
	if err != nil {
		p.server.opts.Logger.Error("socket.io recovery: claim a session", "error", err)
		return RefusedLog
	}
	return ""
}

// claimedLocked obeys KindClaim: the connections here whose sessions another server
// has claimed are closed. Their records are that one's to keep. publisher.mu must be
// held.
func (p *publisher) claimedLocked(n *Namespace, e *Entry) {
	for _, id := range e.Names {
		for _, s := range n.roster.holders(id) {
			at := s.claimedAt.Load()
			switch {
			case e.From == p.server.self:
				s.claimedAt.Store(e.Offset)
			case at == 0 && !s.Connected():
				// Its claim is not in the log yet, and so comes later than this one.
			case at < e.Offset && s.superseded.CompareAndSwap(false, true):
				p.server.stats.superseded.Add(1)
				p.server.workers.start(func() { s.client.close(ReasonTransportClose) })
			}
		}
	}
}

// verify reports whether what a client has had is in the log, where the end of that
// can get lost, or where its offset does not tell of which history it is.
func (p *publisher) verify(h *history, pos mark, plain bool) Refusal {
	if (h.incarnation == "" || pos.check == 0) && !plain || pos.offset == 0 {
		return ""
	}
	same := func(check uint32) bool { return plain || check == pos.check }
	p.mu.RLock()
	recs, covered := p.ringAfterLocked(pos.offset - 1)
	p.mu.RUnlock()
	if covered {
		if len(recs) > 0 && recs[0].offset == pos.offset && same(recs[0].check) {
			return ""
		}
		return RefusedLost
	}
	ctx, cancel := p.patience()
	defer cancel()
	entries, at, err := p.log.Read(ctx, pos.offset-1, 1)
	switch {
	case err != nil:
		return RefusedLog
	case at.First > pos.offset:
		return RefusedTrimmed
	case len(entries) == 0 || entries[0].Offset != pos.offset || !same(checkOf(&entries[0])):
		return RefusedLost
	}
	return ""
}

// delivered returns the offset up to which events were delivered. Where that
// is before pos it waits for a delivery under way, since the client may have got
// the event before the delivery to all others came to its end, and then looks into
// the log: the client may have got it from another server that shares the log.
func (p *publisher) delivered(pos uint64) (uint64, error) {
	if last := p.last.Load(); last >= pos {
		return last, nil
	}
	p.reading.Lock()
	defer p.reading.Unlock()
	if p.mark().offset < pos {
		if err := p.catchUp(); err != nil {
			p.retryLater()
			return p.last.Load(), err
		}
	}
	return p.last.Load(), nil
}

// fresh begins a new session at the end of the log.
func (p *publisher) fresh(s *Socket) position {
	if err := p.start(); err != nil {
		p.server.opts.Logger.Error("socket.io recovery: open the log", "error", err)
		return position{away: p.follower != nil}
	}
	p.mu.RLock()
	h, m := p.history.Load(), p.markLocked()
	p.mu.RUnlock()
	return p.freshAt(s, h, m)
}

// freshAfter begins a new session that gets the newest events after an offset
// which are within the limits.
func (p *publisher) freshAfter(s *Socket, h *history, after uint64) position {
	m, err := p.missed(after, &view{id: s.id, nsp: s.nsp.name})
	if err != nil {
		return p.fresh(s)
	}
	begin := mark{offset: m.newest}
	if h.incarnation != "" && m.newest > 0 {
		begin = p.markAt(m.newest)
	}
	p.server.stats.dropped.Add(uint64(m.dropped))
	return p.freshAt(s, h, begin)
}

// markAt returns what is at an offset, as far as the log has it.
func (p *publisher) markAt(offset uint64) mark {
	ctx, cancel := p.patience()
	defer cancel()
	entries, _, err := p.log.Read(ctx, offset-1, 1)
	if err != nil || len(entries) == 0 || entries[0].Offset != offset {
		return mark{offset: offset}
	}
	return mark{offset, checkOf(&entries[0])}
}

func (p *publisher) freshAt(s *Socket, h *history, begin mark) position {
	t := ticket{id: s.id, begin: begin, issued: p.now()}
	return position{pid: t.seal(p.options.Key, s.nsp.name, h.tag), after: begin.offset, history: h}
}
