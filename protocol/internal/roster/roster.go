// Package roster keeps which other servers of a cluster there are and when each was last
// heard of, for the engines that hear of them. What was heard comes in; the members, and
// those that fell silent, go out. It asks nobody and starts no goroutine.
package roster

import (
	"sync"
	"time"

	"podium/protocol/socketio"
)

// Roster is the other members of a cluster. Its methods are safe for concurrent use.
type Roster struct {
	mu      sync.Mutex // guards the fields below
	others  map[string]*other
	changed chan struct{} // closed and replaced when others grows
}

// other is another member.
type other struct {
	socketio.Member
	heard time.Time
}

// New returns an empty roster.
func New() *Roster { return &Roster{others: make(map[string]*other), changed: make(chan struct{})} }

// Meet notes that a member was there at that moment.
func (r *Roster) Meet(member socketio.Member, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.others[member.ID] = &other{member, at}
	close(r.changed)
	r.changed = make(chan struct{})
}

// Hear notes that something came from a member just now. One that was never met is passed over.
func (r *Roster) Hear(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o := r.others[id]; o != nil {
		o.heard = time.Now()
	}
}

// Drop forgets a member and reports whether it was known.
func (r *Roster) Drop(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, known := r.others[id]
	delete(r.others, id)
	return known
}

// Members is who is there, in no order.
func (r *Roster) Members() []socketio.Member {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]socketio.Member, 0, len(r.others))
	for _, o := range r.others {
		out = append(out, o.Member)
	}
	return out
}

// Changed returns how many members there are, and a channel that is closed when another is met.
func (r *Roster) Changed() (count int, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.others), r.changed
}

// Silent returns the ids of those that were not heard of for longer than that.
func (r *Roster) Silent(after time.Duration) (ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, o := range r.others {
		if time.Since(o.heard) > after {
			ids = append(ids, id)
		}
	}
	return ids
}
