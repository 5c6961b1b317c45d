package engineio

import (
	"math/rand/v2"
	"sync"
	"time"
)

// wheel is one hashed timer wheel for the heartbeats of all sessions, so that a
// session needs no timer of its own. A session is in at most one slot, in a
// list through its own fields.
type wheel struct {
	tick time.Duration

	// mu guards the fields below and Session.timer of every session.
	mu    sync.Mutex
	slots []*Session
	now   int // the slot that is due next
}

// wheelEntry is a session's place in the wheel. Guarded by wheel.mu.
type wheelEntry struct {
	previous, next *Session
	slot           int32 // -1 when in none
	rounds         int32
}

func newWheel(shortest time.Duration) *wheel {
	tick := min(max(shortest/25, time.Millisecond), 250*time.Millisecond)
	return &wheel{tick: tick, slots: make([]*Session, 512)}
}

// run turns the wheel until stop is closed.
func (w *wheel) run(stop <-chan struct{}) {
	ticker := time.NewTicker(w.tick)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-stop:
			return
		case now := <-ticker.C:
			// A ticker drops ticks when this goroutine is late: make up for them.
			for ; now.Sub(last) >= w.tick/2; last = last.Add(w.tick) {
				w.turn()
			}
		}
	}
}

// turn fires what is due in one slot.
func (w *wheel) turn() {
	var due []*Session
	w.mu.Lock()
	for s := w.slots[w.now]; s != nil; {
		next := s.timer.next
		if s.timer.rounds > 0 {
			s.timer.rounds--
		} else {
			w.unlink(s)
			due = append(due, s)
		}
		s = next
	}
	w.now = (w.now + 1) % len(w.slots)
	w.mu.Unlock()
	for _, s := range due {
		s.onTimer()
	}
}

// set makes s's timer fire after d, in place of when it would have fired before.
func (w *wheel) set(s *Session, d time.Duration) {
	ticks := max(int((d+w.tick-1)/w.tick), 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(s)
	slot := (w.now + ticks) % len(w.slots)
	s.timer = wheelEntry{next: w.slots[slot], slot: int32(slot), rounds: int32(ticks / len(w.slots))}
	if first := w.slots[slot]; first != nil {
		first.timer.previous = s
	}
	w.slots[slot] = s
}

// remove takes s out of the wheel.
func (w *wheel) remove(s *Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(s)
}

// unlink takes s out of its slot. w.mu must be held.
func (w *wheel) unlink(s *Session) {
	t := &s.timer
	if t.slot < 0 {
		return
	}
	if t.previous != nil {
		t.previous.timer.next = t.next
	} else {
		w.slots[t.slot] = t.next
	}
	if t.next != nil {
		t.next.timer.previous = t.previous
	}
	*t = wheelEntry{slot: -1}
}

// jitter shortens a long interval by up to an eighth, so that clients that
// connected in the same moment are not pinged in the same moment for ever.
func jitter(d time.Duration) time.Duration {
	if d < 5*time.Second {
		return d
	}
	return d - rand.N(d/8)
}
