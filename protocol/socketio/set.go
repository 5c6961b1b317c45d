package socketio

import (
	"math/bits"
	"sync/atomic"
)

// set holds sockets so that it can be walked without a lock while it changes:
// each member has a slot that stays its own until it leaves, so a walk meets
// every socket that is a member throughout exactly once. Changes are
// serialised by the owner's lock.
type set struct {
	chunks atomic.Pointer[[]chunk] // grown by replacing the outer slice
	free   []uint32                // slots that were left; guarded by the owner's lock
	next   uint32                  // first slot never used; guarded by the owner's lock
	count  atomic.Int64
}

// chunk k has 4<<k slots.
type chunk []atomic.Pointer[Socket]

const firstChunk = 4

func slotAt(slot uint32) (k int, i uint32) {
	n := slot + firstChunk
	k = bits.Len32(n) - 3
	return k, n - firstChunk<<k
}

func (st *set) load() []chunk {
	if p := st.chunks.Load(); p != nil {
		return *p
	}
	return nil
}

// add puts s in and returns its slot.
func (st *set) add(s *Socket) uint32 {
	var slot uint32
	if n := len(st.free); n > 0 {
		slot, st.free = st.free[n-1], st.free[:n-1]
	} else {
		slot = st.next
		st.next++
	}
	k, i := slotAt(slot)
	chunks := st.load()
	if k == len(chunks) {
		grown := append(append([]chunk(nil), chunks...), make(chunk, firstChunk<<k))
		st.chunks.Store(&grown)
		chunks = grown
	}
	chunks[k][i].Store(s)
	st.count.Add(1)
	return slot
}

// remove takes the socket out of its slot.
func (st *set) remove(slot uint32) {
	k, i := slotAt(slot)
	st.load()[k][i].Store(nil)
	st.free = append(st.free, slot)
	st.count.Add(-1)
}

// sparse reports whether rebuilding would free much memory.
func (st *set) sparse() bool { return st.next > 1024 && st.count.Load() < int64(st.next/8) }

// rebuild moves the members into as few slots as they need. Walks meet them in the
// old slots, or in the new ones once all are there. moved is told each member's
// new slot.
func (st *set) rebuild(moved func(s *Socket, slot uint32)) {
	var dense set
	st.each(func(s *Socket) { moved(s, dense.add(s)) })
	st.chunks.Store(dense.chunks.Load())
	st.free, st.next = nil, dense.next
}

// each calls f for every member.
func (st *set) each(f func(*Socket)) {
	for _, c := range st.load() {
		for i := range c {
			if s := c[i].Load(); s != nil {
				f(s)
			}
		}
	}
}
