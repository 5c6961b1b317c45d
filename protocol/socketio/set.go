package socketio

import (
	"math/bits"
	"sync/atomic"
)

// set holds sockets so that it can be walked without a lock while it changes:
// each member has a slot that stays its own until it leaves, so a walk meets
// every socket that is a member throughout exactly once, and none that joins,
// perhaps again, after it began. Changes are serialised by the owner's lock.
type set struct {
	chunks atomic.Pointer[[]chunk] // grown by replacing the outer slice
	free   []uint32                // slots that were left; guarded by the owner's lock
	next   uint32                  // first slot never used; guarded by the owner's lock
	count  atomic.Int64
	joins  atomic.Uint64 // how many sockets were ever put in
}

// chunk k has 4<<k slots.
type chunk []slot

// slot is a member's place.
type slot struct {
	socket atomic.Pointer[Socket] // nil where there is none
	join   atomic.Uint64          // the number of its join; is set first
}

const firstChunk = 4

// slotAt says where slot n is.
func slotAt(n uint32) (k int, i uint32) {
	n += firstChunk
	k = bits.Len32(n) - 3
	return k, n - firstChunk<<k
}

func (st *set) load() []chunk {
	if p := st.chunks.Load(); p != nil {
		return *p
	}
	return nil
}

// add puts s in and returns the number of its slot.
func (st *set) add(s *Socket) uint32 { return st.place(s, st.joins.Add(1)) }

// place gives a slot to s, whose join has that number.
func (st *set) place(s *Socket, join uint64) uint32 {
	var n uint32
	if left := len(st.free); left > 0 {
		n, st.free = st.free[left-1], st.free[:left-1]
	} else {
		n = st.next
		st.next++
	}
	k, i := slotAt(n)
	chunks := st.load()
	if k == len(chunks) {
		grown := append(append([]chunk(nil), chunks...), make(chunk, firstChunk<<k))
		st.chunks.Store(&grown)
		chunks = grown
	}
	chunks[k][i].join.Store(join)
	chunks[k][i].socket.Store(s)
	st.count.Add(1)
	return n
}

// remove takes the socket out of its slot.
func (st *set) remove(n uint32) {
	k, i := slotAt(n)
	st.load()[k][i].socket.Store(nil)
	st.free = append(st.free, n)
	st.count.Add(-1)
}

// sparse reports whether rebuilding would free much memory.
func (st *set) sparse() bool { return st.next > 1024 && st.count.Load() < int64(st.next/8) }

// rebuild moves the members into as few slots as they need. Walks meet them in the
// old slots, or in the new ones once all are there. moved is told each member's
// new slot.
func (st *set) rebuild(moved func(s *Socket, slot uint32)) {
	var dense set
	for s, join := range st.walk {
		moved(s, dense.place(s, join))
	}
	st.chunks.Store(dense.chunks.Load())
	st.free, st.next = nil, dense.next
}

// each calls f for every member.
func (st *set) each(f func(*Socket)) {
	for s := range st.walk {
		f(s)
	}
}

// walk yields every member with the number of its join.
func (st *set) walk(yield func(s *Socket, join uint64) bool) {
	last := st.joins.Load()
	for _, c := range st.load() {
		for i := range c {
			s := c[i].socket.Load()
			if s == nil {
				continue
			}
			// A join after s was read belongs to who has the slot now: s has left.
			if join := c[i].join.Load(); join <= last && !yield(s, join) {
				return
			}
		}
	}
}
