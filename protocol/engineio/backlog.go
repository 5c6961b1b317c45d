package engineio

import (
	"time"

	"podium/protocol/budget"
	"podium/protocol/websocket"
)

// backlog is what waits for a client that polls or has a foreign connection, or is
// being written to it.
type backlog struct {
	packets []*Message
	bytes   int   // of the packets' payloads
	kept    *kept // what is charged; nil for nothing
}

// kept is what is charged of a backlog. Session.mu guards it until the backlog is
// taken; then it is the taker's, but for answer.
type kept struct {
	charge  *budget.Charge
	counted int // so many of the packets are in taken
	taken   int // bytes of them that are ours to pay for
	charged int // bytes that are charged

	answer interface{ SetWriteDeadline(time.Time) error } // that is being written; guarded by Session.mu
}

// backlogPage is in what steps a backlog is charged, in bytes, where it takes more than
// websocket.FreeQueueBytes.
const backlogPage = 4 << 10

// size is the memory that the backlog keeps, in bytes, as if nobody else kept it too.
func (b *backlog) size() int { return b.bytes + 8*len(b.packets) }

// keep charges what the queue b takes. It fails where there is no memory for it. s.mu
// must be held, and the session not be closed.
func (s *Session) keep(b *backlog) error {
	memory := s.server.opts.Memory
	if memory == nil || b.size() <= websocket.FreeQueueBytes {
		return nil
	}
	k := b.kept
	if k == nil {
		k = &kept{}
		k.charge = s.Charge(func() { s.evict(k) })
		b.kept = k
	}
	for _, m := range b.packets[k.counted:] {
		k.taken += m.Retain(len(m.Payload()))
	}
	k.counted = len(b.packets)
	want := (k.taken + 8*k.counted + backlogPage - 1) / backlogPage * backlogPage
	tight, err := k.charge.Claim(int64(want - k.charged))
	if err != nil {
		return errNoMemory
	}
	k.charged = max(want, k.charged)
	if tight {
		s.server.relief.Start(s.server.turning.Go, k.charge)
	}
	return nil
}

// evict ends the session, and the answer that is being written, to make room.
func (s *Session) evict(k *kept) {
	s.mu.Lock()
	if k.answer != nil {
		_ = k.answer.SetWriteDeadline(time.Unix(1, 0)) // not possible: then the server's own deadline ends it
	}
	s.mu.Unlock()
	s.end(ReasonTransportError, errNoMemory)
}

// takeQueue takes what waits. The caller gives it back with drop. s.mu must be held.
func (s *Session) takeQueue() backlog {
	b := s.queue
	s.queue = backlog{}
	return b
}

// drop gives back what is charged of b.
func (b *backlog) drop() {
	if b.kept == nil {
		return
	}
	for _, m := range b.packets[:b.kept.counted] {
		m.Release()
	}
	b.kept.charge.Close()
	b.kept = nil
}

// beginAnswer charges the payload that b becomes, for as long as the client takes to
// read it from to, until endAnswer.
func (s *Session) beginAnswer(b *backlog, to interface{ SetWriteDeadline(time.Time) error }) error {
	k := b.kept
	if k == nil {
		return nil
	}
	s.mu.Lock()
	k.answer = to
	s.mu.Unlock()
	if k.charge.Hold(int64(b.bytes)) != nil {
		return errNoMemory
	}
	return nil
}

// endAnswer gives back b.
func (s *Session) endAnswer(b *backlog) {
	if b.kept == nil {
		return
	}
	s.mu.Lock()
	b.kept.answer = nil
	s.mu.Unlock()
	b.drop()
}
