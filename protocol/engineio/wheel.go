package engineio

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// wheel is one hashed timer wheel for the heartbeats of all sessions, so that a
// session needs no timer of its own. A session is in at most one slot, in a
// list through its own fields.
type wheel struct {
	tick time.Duration
	from time.Time // when the wheel stood at turn 0, and every moment is counted from

	// mu guards the fields below and the entries of every session.
	mu    sync.Mutex
	slots []*Session
	turns int64 // made so far
}

// wheelEntry is a session's place in the wheel. Guarded by wheel.mu, except due.
type wheelEntry struct {
	previous, next *Session
	turn           int64        // when it fires; 0 when it is in no slot
	due            atomic.Int64 // the moment it was set to, see wheel.now
}

// newWheel makes a wheel for durations of which shortest is the shortest. It is
// never early, and late by less than a tick.
func newWheel(shortest time.Duration) *wheel {
	tick := min(max(shortest/256, time.Millisecond), 50*time.Millisecond)
	return &wheel{tick: tick, from: time.Now(), slots: make([]*Session, 512)}
}

// now is this moment: the nanoseconds since the wheel was made. Moments are read off
// the monotonic clock, so that a step of the wall clock ends no session and keeps none.
func (w *wheel) now() int64 { return int64(time.Since(w.from)) }

// at is a moment as a time.
func (w *wheel) at(moment int64) time.Time { return w.from.Add(time.Duration(moment)) }

// run turns the wheel until stop is closed.
func (w *wheel) run(stop <-chan struct{}) {
	ticker := time.NewTicker(w.tick)
	defer ticker.Stop()
	w.mu.Lock()
	w.turns = int64(time.Since(w.from) / w.tick) // nothing can be due yet
	w.mu.Unlock()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			// A ticker drops ticks when this goroutine is late: make up for them.
			for reached := int64(time.Since(w.from) / w.tick); w.turn(reached); {
			}
		}
	}
}

// turn fires what is due in the next slot, unless turn number reached was made.
func (w *wheel) turn(reached int64) bool {
	var due []*Session
	w.mu.Lock()
	if w.turns >= reached {
		w.mu.Unlock()
		return false
	}
	w.turns++
	for s := w.slots[w.turns%int64(len(w.slots))]; s != nil; {
		next := s.timer.next
		if s.timer.turn <= w.turns {
			w.unlink(s)
			due = append(due, s)
		}
		s = next
	}
	w.mu.Unlock()
	for _, s := range due {
		s.onTimer()
	}
	return true
}

// set makes s's timer fire at the moment at, in place of when it would have
// fired before.
func (w *wheel) set(s *Session, at time.Time) {
	turn := int64((at.Sub(w.from) + w.tick - 1) / w.tick)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(s)
	turn = max(turn, w.turns+1)
	first := &w.slots[turn%int64(len(w.slots))]
	s.timer.turn, s.timer.next = turn, *first
	s.timer.due.Store(int64(at.Sub(w.from)))
	if *first != nil {
		(*first).timer.previous = s
	}
	*first = s
}

// holds reports whether s's timer is set and has not fired.
func (w *wheel) holds(s *Session) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return s.timer.turn != 0
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
	if t.turn == 0 {
		return
	}
	if t.previous != nil {
		t.previous.timer.next = t.next
	} else {
		w.slots[t.turn%int64(len(w.slots))] = t.next
	}
	if t.next != nil {
		t.next.timer.previous = t.previous
	}
	t.previous, t.next, t.turn = nil, nil, 0
}

// jitter shortens a long interval by up to an eighth, so that clients that
// connected in the same moment are not pinged in the same moment for ever.
func jitter(d time.Duration) time.Duration {
	if d < 5*time.Second {
		return d
	}
	return d - rand.N(d/8) // #nosec G404 -- spreads load, hides nothing
}
