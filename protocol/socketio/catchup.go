package socketio

import (
	"slices"
	"sort"
	"time"

	"podium/protocol/engineio"
)

// Replays leave in chunks; before each the connection must have less than
// maxReplayQueue waiting, so that a long replay neither overflows the
// connection's queue nor fills the memory.
const (
	replayChunk    = 128 << 10
	maxReplayQueue = 512 << 10
	drainCheck     = 20 * time.Millisecond
)

// maxReplayRounds is how often a replay looks again for events that were
// published meanwhile before it holds publishing up.
const maxReplayRounds = 8

// bringIn answers CONNECT, sends the events after the session's position, and
// lets live ones through. It returns false where the socket was closed or the
// connection ended.
//
// Events that are published while the replay is sent are read in the next
// round; the last look and the joining happen while nothing can be published.
//
// With turns it waits for its turn before each round: never on a goroutine that
// reads for many connections.
func (p *publisher) bringIn(s *Socket, pos position, turns bool) bool {
	answer := Packet{Type: Connect, Namespace: s.nsp.name, ID: NoID, Args: []any{connectAnswer{s.id, pos.pid, pos.refused}}}
	head, err := p.server.opts.Parser.Encode(&answer)
	if err != nil {
		return false
	}
	r := &replay{pub: p, socket: s, after: pos.after, out: head, turns: turns}
	for round := 0; ; round++ {
		done, ok := r.turn(round >= maxReplayRounds)
		if !ok {
			if s.state.Load() == stateClosed {
				s.open() // DISCONNECT may wait
			}
			return false
		}
		if done {
			p.server.stats.replayed.Add(uint64(r.sent))
			return true
		}
	}
}

// replay is the sending of what one socket missed.
type replay struct {
	pub    *publisher
	socket *Socket
	rooms  []RoomRecord
	after  uint64 // every event up to here was sent, or is not for the socket
	out    []*engineio.Message
	size   int
	sent   int
	turns  bool

	answered bool // CONNECT is sent
}

// turn is a round, when it is this replay's turn.
func (r *replay) turn(hold bool) (done, ok bool) {
	if r.turns {
		r.pub.turns.take()
		defer r.pub.turns.giveBack()
	}
	return r.round(hold)
}

// round sends what is known now, or opens the socket where that is nothing. With
// hold it sends while publishing waits, so that it comes to an end.
func (r *replay) round(hold bool) (done, ok bool) {
	p, s := r.pub, r.socket
	p.mu.RLock()
	last := p.last.Load()
	if last == r.after && len(r.out) == 0 {
		defer p.mu.RUnlock()
		return true, s.open()
	}
	r.rooms, _ = s.nsp.roster.memberships(s) // others may put it into rooms already
	recs, covered := p.ringAfterLocked(r.after)
	if hold && covered {
		defer p.mu.RUnlock()
		if !r.send(recs, false) {
			return false, false
		}
		r.after = last
		return true, r.flush() && s.open()
	}
	p.mu.RUnlock()
	if covered {
		if !r.send(recs, true) {
			return false, false
		}
		r.after = max(r.after, last)
		return false, r.flush()
	}
	if p.fill(r.after) {
		return false, true // look again: the ring may cover it now
	}
	return false, r.fromLog(last) && r.flush()
}

// fromLog sends events that the ring no longer holds.
func (r *replay) fromLog(last uint64) bool {
	var recs []*logged
	size := 0
	err := r.pub.log.Read(r.after, func(e Entry) bool {
		if e.Offset > last {
			return false
		}
		rec := &logged{offset: e.Offset}
		if t := (target{e.Rooms, e.Except}); namespaceOf(&e) == r.socket.nsp.name && addresses(t, e.Offset, r.socket.id, r.rooms) {
			rec = r.pub.encode(e, flags{})
		}
		recs = append(recs, rec)
		size += rec.size
		return len(recs) < publishBatch && size < replayChunk
	})
	if err != nil {
		r.pub.server.opts.Logger.Error("socket.io recovery: read the log", "error", err)
		return false
	}
	first, _, err := r.pub.log.Range()
	if err != nil {
		r.pub.server.opts.Logger.Error("socket.io recovery: read the log", "error", err)
		return false
	}
	if r.after+1 < first && (len(recs) == 0 || recs[0].offset > r.after+1) {
		return false // some are gone since they were counted: the client comes again and is told
	}
	if len(recs) == 0 {
		r.after = last
		return true
	}
	if !r.send(recs, true) {
		return false
	}
	r.after = recs[len(recs)-1].offset
	return true
}

// send queues those of recs that are for the socket.
func (r *replay) send(recs []*logged, mayWait bool) bool {
	for _, rec := range recs {
		if rec.offset <= r.after || len(rec.messages) == 0 || rec.nsp != r.socket.nsp.name {
			continue
		}
		if !addresses(rec.target, rec.offset, r.socket.id, r.rooms) {
			continue
		}
		r.out = append(r.out, rec.messages...)
		r.sent++
		if r.size += rec.size; r.size < replayChunk {
			continue
		}
		if !r.flush() || mayWait && !r.drained() {
			return false
		}
	}
	return true
}

// flush sends what is queued, after CONNECT only while the socket is not closed:
// its client may have joined again.
func (r *replay) flush() bool {
	if len(r.out) == 0 {
		return true
	}
	if r.answered && !r.socket.Connected() {
		return false
	}
	r.answered = true
	err := r.socket.client.conn.Send(r.out...)
	r.out, r.size = nil, 0
	return err == nil
}

// drained waits until the connection has room for another chunk. It is nobody's
// turn meanwhile.
func (r *replay) drained() bool {
	c := r.socket.client.conn
	if r.turns && c.Buffered() > maxReplayQueue {
		r.pub.turns.giveBack()
		defer r.pub.turns.take()
	}
	for c.Buffered() > maxReplayQueue {
		if r.socket.state.Load() == stateClosed {
			return false
		}
		t := time.NewTimer(drainCheck)
		<-t.C
	}
	return true
}

// ringAfterLocked returns the events in the ring after an offset, and whether
// those are all there are. mu must be held. The slice may be kept.
func (p *publisher) ringAfterLocked(after uint64) ([]*logged, bool) {
	if after < p.ringFrom {
		return nil, false
	}
	i := sort.Search(len(p.ring), func(i int) bool { return p.ring[i].offset > after })
	return p.ring[i:len(p.ring):len(p.ring)], true
}

// fillStep is how many events the ring is extended by at least.
const fillStep = 256

// fill extends the ring by events from before the server's start, down to an
// offset where its bounds allow, and returns whether it is any longer now. What
// nobody asks for is not read: publishing waits meanwhile.
func (p *publisher) fill(after uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	from := max(p.ringFloor, min(after, p.ringFrom-min(p.ringFrom, fillStep)))
	if from >= p.ringFrom {
		return false
	}
	var older []*logged
	size := p.ringBytes
	err := p.log.Read(from, func(e Entry) bool {
		if e.Offset > p.ringFrom {
			return false
		}
		rec := p.encode(e, flags{})
		older = append(older, rec)
		size += rec.size
		return true
	})
	if err != nil {
		return false
	}
	// After the reading, so that nothing was trimmed before it and is missing.
	first, _, err := p.log.Range()
	if err != nil {
		return false
	}
	if first > 0 && from < first-1 {
		from, p.ringFloor = min(first-1, p.ringFrom), first-1
	}
	for len(older) > 0 && older[0].offset <= from {
		size -= older[0].size
		older = older[1:]
	}
	for len(older) > 0 && size > p.options.RingBytes {
		size -= older[0].size
		from = older[0].offset
		p.ringFloor = from
		older = older[1:]
	}
	longer := from < p.ringFrom
	p.ring = slices.Concat(older, p.ring)
	p.ringBytes, p.ringFrom = size, from
	return longer
}

// missedEvents is what a client missed.
type missedEvents struct {
	tooMuch Refusal // why they are too many; "" where they are not
	newest  uint64  // the events after this offset are within the limits
	dropped int     // events for the client that are not, as far as known
}

// missed counts the events after an offset for a socket of that id and rooms.
func (p *publisher) missed(nsp string, after uint64, id string, rooms []RoomRecord) (missedEvents, error) {
	m := missedEvents{newest: after}
	oldest := p.options.Now().Add(-p.options.MaxAge)
	var offsets []uint64
	look := func(offset uint64, at time.Time, t target, in string) {
		if in != nsp || !addresses(t, offset, id, rooms) {
			return
		}
		if at.Before(oldest) {
			m.tooMuch, m.newest = RefusedTooOld, offset
			m.dropped += 1 + len(offsets)
			offsets = offsets[:0]
			return
		}
		offsets = append(offsets, offset)
	}
	if err := p.scan(after, &m, look); err != nil {
		return m, err
	}
	if over := len(offsets) - p.options.MaxMissed; over > 0 {
		m.tooMuch, m.newest = RefusedTooMany, offsets[over-1]
		m.dropped += over
	}
	return m, nil
}

// scan calls look for every event after an offset that was published.
func (p *publisher) scan(after uint64, m *missedEvents, look func(uint64, time.Time, target, string)) error {
	p.mu.RLock()
	recs, covered := p.ringAfterLocked(after)
	last := p.last.Load()
	p.mu.RUnlock()
	if !covered && p.fill(after) {
		return p.scan(after, m, look)
	}
	if covered {
		for _, rec := range recs {
			look(rec.offset, rec.at, rec.target, rec.nsp)
		}
		return nil
	}
	err := p.log.Read(after, func(e Entry) bool {
		if e.Offset > last {
			return false
		}
		look(e.Offset, e.At, target{e.Rooms, e.Except}, namespaceOf(&e))
		return true
	})
	if err != nil {
		return err
	}
	// After the reading, so that nothing was trimmed before it and is missing.
	first, _, err := p.log.Range()
	if err != nil {
		return err
	}
	if after+1 < first && after < last {
		if m.tooMuch == "" {
			m.tooMuch = RefusedTrimmed // some are gone, and nobody knows for whom they were
		}
		m.newest = max(m.newest, first-1)
	}
	return nil
}
