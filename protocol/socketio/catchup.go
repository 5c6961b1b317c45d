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
func (b *bringIn) replay() bool {
	for b.after < b.until {
		if !b.round() {
			return false
		}
	}
	b.endTurn()
	b.server.stats.replayed.Add(uint64(b.replayed))
	return b.flush()
}

// round replays some events.
func (b *bringIn) round() bool {
	p := b.pub
	p.mu.RLock()
	recs, covered := p.ringAfterLocked(b.after)
	p.mu.RUnlock()
	if covered {
		if !b.pick(recs) {
			return false
		}
		b.after = b.until
		return b.flush()
	}
	if p.fill(b.after) {
		return true // look again: the ring may cover it now
	}
	return b.fromLog() && b.flush()
}

// fromLog sends events that the ring no longer holds.
func (b *bringIn) fromLog() bool {
	var recs []*logged
	size := 0
	err := b.pub.log.Read(b.after, func(e Entry) bool {
		if e.Offset > b.until {
			return false
		}
		rec := &logged{offset: e.Offset}
		if t := (target{e.Rooms, e.Except}); namespaceOf(&e) == b.socket.nsp.name && addresses(t, e.Offset, b.socket.id, b.rooms) {
			rec = b.pub.encode(e, flags{})
		}
		recs = append(recs, rec)
		size += rec.size
		return len(recs) < publishBatch && size < replayChunk
	})
	if err != nil {
		b.server.opts.Logger.Error("socket.io recovery: read the log", "error", err)
		return false
	}
	first, _, err := b.pub.log.Range()
	if err != nil {
		b.server.opts.Logger.Error("socket.io recovery: read the log", "error", err)
		return false
	}
	if b.after+1 < first && (len(recs) == 0 || recs[0].offset > b.after+1) {
		return false // some are gone since they were counted: the client comes again and is told
	}
	if len(recs) == 0 {
		b.after = b.until
		return true
	}
	if !b.pick(recs) {
		return false
	}
	b.after = recs[len(recs)-1].offset
	return true
}

// pick queues those of recs that are for the socket.
func (b *bringIn) pick(recs []*logged) bool {
	for _, rec := range recs {
		if rec.offset <= b.after || rec.offset > b.until || len(rec.messages) == 0 || rec.nsp != b.socket.nsp.name {
			continue
		}
		if !addresses(rec.target, rec.offset, b.socket.id, b.rooms) {
			continue
		}
		b.replayed++
		if !b.queue(rec.messages, rec.size) {
			return false
		}
	}
	return true
}

// queue has the messages of an event sent, sooner or later.
func (b *bringIn) queue(ms []*engineio.Message, size int) bool {
	if b.size+size > bounded(replayChunk, b.server.opts.Engine.MaxQueuedBytes/4) && !b.flush() {
		return false
	}
	b.out = append(b.out, ms...)
	b.size += size
	return true
}

// flush sends what is queued once there is room for it. It returns false where the
// client has left or the connection has ended, which needs no closing.
func (b *bringIn) flush() bool {
	if len(b.out) == 0 {
		return true
	}
	ok := b.drained() && b.send()
	b.failed = b.failed && ok
	b.out, b.size = nil, 0
	return ok
}

// send does it, while its client cannot leave: it has all of it before the answer
// that it gets when it joins again.
func (b *bringIn) send() bool {
	s := b.socket
	s.ending.Lock()
	defer s.ending.Unlock()
	return !s.gone() && s.client.conn.Send(b.out...) == nil
}

// drained waits until the connection has room for what is queued, or nothing else to
// send. It is nobody's turn meanwhile. It returns false where that is in vain.
func (b *bringIn) drained() bool {
	c := b.socket.client
	room := bounded(maxReplayQueue, b.server.opts.Engine.MaxQueuedBytes/2)
	full := func() bool {
		n := c.conn.Buffered()
		return n > 0 && n+b.size > room
	}
	if !b.mayWait || !full() {
		return true
	}
	if b.inTurn {
		b.pub.turns.giveBack()
		defer b.pub.turns.take()
	}
	for full() {
		if b.gone() || c.ended() {
			return false
		}
		t := time.NewTimer(drainCheck)
		<-t.C
	}
	return true
}

// gone reports whether nothing may be sent to the socket any more.
func (b *bringIn) gone() bool {
	b.socket.ending.Lock()
	defer b.socket.ending.Unlock()
	return b.socket.gone()
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
