package socketio

import (
	"slices"
	"sort"
	"time"

	"podium/protocol/engineio"
)

// Replays leave in chunks, and no more than maxReplayQueue waits in the connection
// with them, so that a long one neither overflows the connection's queue nor fills
// the memory. Both are less where [engineio.Options.MaxQueuedBytes] is low.
const (
	replayChunk    = 128 << 10
	maxReplayQueue = 640 << 10
	drainCheck     = 20 * time.Millisecond
)

// replay sends what was missed, if anything.
func (j *joining) replay() bool {
	for j.after < j.until {
		if !j.round() {
			return false
		}
	}
	j.endTurn()
	j.server.stats.replayed.Add(uint64(j.replayed))
	return j.flush()
}

// round replays some events.
func (j *joining) round() bool {
	p := j.pub
	p.mu.RLock()
	recs, covered := p.ringAfterLocked(j.after)
	same := j.current()
	p.mu.RUnlock()
	if !same {
		return false
	}
	if covered {
		if !j.pick(recs) {
			return false
		}
		j.after = j.until
		return j.flush()
	}
	if p.fill(j.after) {
		return true // look again: the ring may cover it now
	}
	return j.fromLog() && j.flush()
}

// fromLog sends events that the ring no longer holds.
func (j *joining) fromLog() bool {
	p := j.pub
	ctx, cancel := p.patience()
	defer cancel()
	entries, at, err := p.log.Read(ctx, j.after, publishBatch)
	if err != nil {
		j.server.opts.Logger.Error("socket.io recovery: read the log", "error", err)
		return false
	}
	if _, ok := p.observe(at); !ok || !j.current() {
		return false
	}
	if at.First > j.after+1 && (len(entries) == 0 || entries[0].Offset > j.after+1) {
		return false // some are gone since they were counted: the client comes again and is told
	}
	var recs []*logged
	size := 0
	for i := range entries {
		e := &entries[i]
		if e.Offset > j.until || size >= replayChunk {
			break
		}
		rec := &logged{offset: e.Offset}
		if t := (target{e.Rooms, e.Except}); e.Kind == KindEvent && namespaceOf(e) == j.socket.nsp.name && j.view.addresses(t, e.Offset) {
			rec = p.encode(*e)
		}
		recs = append(recs, rec)
		size += rec.size
	}
	if len(recs) == 0 {
		j.after = j.until
		return true
	}
	if !j.pick(recs) {
		return false
	}
	j.after = recs[len(recs)-1].offset
	return true
}

// pick queues those of recs that are for the socket.
func (j *joining) pick(recs []*logged) bool {
	for _, rec := range recs {
		if rec.offset <= j.after || rec.offset > j.until || len(rec.messages) == 0 || rec.nsp != j.socket.nsp.name {
			continue
		}
		if !j.view.addresses(rec.target, rec.offset) {
			continue
		}
		j.replayed++
		if !j.queue(rec.messages, rec.size) {
			return false
		}
	}
	return true
}

// queue has the messages of an event sent, sooner or later.
func (j *joining) queue(ms []*engineio.Message, size int) bool {
	if j.size+size > bounded(replayChunk, j.server.opts.Engine.MaxQueuedBytes/4) && !j.flush() {
		return false
	}
	j.out = append(j.out, ms...)
	j.size += size
	return true
}

// flush sends what is queued once there is room for it. It returns false where the
// client has left or the connection has ended, which needs no closing.
func (j *joining) flush() bool {
	if len(j.out) == 0 {
		return true
	}
	ok := j.drained() && j.send()
	j.failed = j.failed && ok
	j.out, j.size = nil, 0
	return ok
}

// send does it, while its client cannot leave: it has all of it before the answer
// that it gets when it joins again.
func (j *joining) send() bool {
	s := j.socket
	s.ending.Lock()
	defer s.ending.Unlock()
	if !j.current() || s.life().mute() {
		return false
	}
	s.mu.Lock()
	s.answered = true // before the client can act on it
	s.mu.Unlock()
	return s.client.conn.Send(j.out...) == nil
}

// current reports whether what the client has had is still of the history that is being
// delivered. Where it is not, the client comes again and is told: whatever the ring and the
// log hold by now may be behind something that is missing.
func (j *joining) current() bool {
	return j.history == nil || j.pub.history.Load().generation == j.history.generation
}

// drained waits until the connection has room for what is queued, or nothing else to
// send. It is nobody's turn meanwhile. It returns false where that is in vain.
func (j *joining) drained() bool {
	c := j.socket.client
	room := bounded(maxReplayQueue, j.server.opts.Engine.MaxQueuedBytes/2)
	full := func() bool {
		n := c.conn.Buffered()
		return n > 0 && n+j.size > room
	}
	if !j.mayWait || !full() {
		return true
	}
	if j.inTurn {
		j.pub.turns.giveBack()
		defer j.pub.turns.take()
	}
	for full() {
		if j.socket.life().mute() || c.ended() {
			return false
		}
		t := time.NewTimer(drainCheck)
		<-t.C
	}
	return true
}

// bounded returns n, or bound where that is less and not 0.
func bounded(n, bound int) int {
	if bound > 0 {
		return min(n, bound)
	}
	return n
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

// fillStep is how many events the ring is extended by at least, where offsets have no
// gaps.
const fillStep = 256

// fill extends the ring by events from before the server's start, down to an
// offset where its bounds allow, and returns whether it is any longer now. What
// nobody asks for is not read.
func (p *publisher) fill(after uint64) bool {
	p.reading.Lock()
	defer p.reading.Unlock()
	p.mu.RLock()
	h, until, room := p.history.Load(), p.ringFrom, p.options.RingBytes-p.ringBytes
	from := max(p.ringFloor, min(after, until-min(until, fillStep)))
	p.mu.RUnlock()
	if from >= until {
		return false
	}
	older, from, floor, err := p.readOlder(from, until, room)
	if err != nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.history.Load().generation != h.generation || p.ringFrom != until {
		return false // what was read does not join what the ring holds now
	}
	p.ringFloor = max(p.ringFloor, floor)
	if from >= until {
		return false
	}
	for _, rec := range older {
		p.ringBytes += rec.size
	}
	p.ring = slices.Concat(older, p.ring)
	p.ringFrom = from
	return true
}

// readOlder reads the events after one offset up to another, the newest of them that
// have room in the ring. It returns the offset that they really begin behind, and
// the one below which asking again is in vain.
func (p *publisher) readOlder(from, until uint64, room int) (older []*logged, begin, floor uint64, err error) {
	ctx, cancel := p.patience()
	defer cancel()
	begin = from
	for after := from; ; {
		entries, at, err := p.log.Read(ctx, after, fillStep)
		if err != nil {
			return nil, 0, 0, err
		}
		if at.First > after+1 && (len(entries) == 0 || entries[0].Offset > after+1) {
			// The entries before are trimmed, those read before perhaps.
			older, begin, floor = nil, min(at.First-1, until), at.First-1
		}
		for i := range entries {
			if entries[i].Offset > until {
				entries = entries[:i]
				break
			}
			older = append(older, p.encode(entries[i]))
		}
		if len(older) > 2*p.options.MaxMissed {
			// Clients that missed so many do not recover, and the ring is for those who do.
			drop := len(older) - 2*p.options.MaxMissed
			begin = older[drop-1].offset
			floor = begin
			older = older[drop:]
		}
		if len(entries) < fillStep {
			break
		}
		after = entries[len(entries)-1].Offset
	}
	size := 0
	for _, rec := range older {
		size += rec.size
	}
	for len(older) > 0 && size > room {
		size -= older[0].size
		begin = older[0].offset
		floor = begin
		older = older[1:]
	}
	return older, begin, floor, nil
}

// missedEvents is what a client missed.
type missedEvents struct {
	tooMuch Refusal // why they are too many; "" where they are not
	newest  uint64  // the events after this offset are within the limits
	dropped int     // events for the client that are not, as far as known
}

// missed counts the events after an offset for a session.
func (p *publisher) missed(after uint64, v *view) (missedEvents, error) {
	m := missedEvents{newest: after}
	oldest := p.now().Add(-p.options.MaxAge)
	var offsets []uint64
	look := func(offset uint64, at time.Time, t target, in string) {
		if in != v.nsp || !v.addresses(t, offset) {
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
			if rec.kind == KindEvent {
				look(rec.offset, rec.at, rec.target, rec.nsp)
			}
		}
		return nil
	}
	return p.scanLog(after, last, m, look)
}

// scanLog is scan where the ring does not reach.
func (p *publisher) scanLog(after, last uint64, m *missedEvents, look func(uint64, time.Time, target, string)) error {
	ctx, cancel := p.patience()
	defer cancel()
	for after < last {
		entries, at, err := p.log.Read(ctx, after, publishBatch)
		if err != nil {
			return err
		}
		if _, ok := p.observe(at); !ok {
			return ErrEpoch
		}
		if at.First > after+1 && (len(entries) == 0 || entries[0].Offset > after+1) {
			if m.tooMuch == "" {
				m.tooMuch = RefusedTrimmed // some are gone, and nobody knows who they were for
			}
			m.newest = max(m.newest, at.First-1)
		}
		for i := range entries {
			e := &entries[i]
			if e.Offset > last {
				return nil
			}
			if e.Kind == KindEvent {
				look(e.Offset, e.At, target{e.Rooms, e.Except}, namespaceOf(e))
			}
			after = e.Offset
		}
		if len(entries) < publishBatch {
			return nil
		}
	}
	return nil
}
