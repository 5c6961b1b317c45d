package websocket

import (
	"math"
	"sync"

	"podium/protocol/budget"
)

const (
	gatherBytes   = 64 << 10 // frames up to this are copied together and leave in one write
	maxVector     = 64       // frames of one writev
	keepFrames    = 256      // longer queues are not kept for reuse
	keepArena     = 16 << 10
	arenaBytes    = 2 << 10
	joinBelow     = 1 << 10 // frames below this are copied behind the previous one
	flushAtQueued = 64 << 10
)

// queue is what one connection still has to write. It exists only while there is
// something to write; the connection's mutex guards it.
type queue struct {
	frames  [][]byte // frames[head:] are pending; the elements are ours, their bytes are shared
	origins []origin // of each of frames
	head    int
	bytes   int    // pending bytes
	arena   []byte // holds small frames of this connection alone
	last    int    // the last of frames that points into arena; -1 for none

	pinned  int            // bytes that origins keep alive, whoever else does so too
	taken   int            // of them those that are ours to pay for
	counted int            // up to where frames are in taken
	charge  *budget.Charge // see Conn.chargeLocked; nil where nothing is charged
	charged int            // bytes that are
}

// origin is what a pending frame keeps alive.
type origin struct {
	m      *Message // nil for a frame in an arena
	pinned int32    // its bytes; of an arena that is used up, with the last frame in it
	taken  int32    // of them those that this queue pays for, once counted
}

// originBytes is what frames and origins take for each frame.
const originBytes = 24 + 16

// add appends what is left of a message's frame of size bytes.
func (q *queue) add(m *Message, left []byte, size int) {
	pinned := int32(min(size, math.MaxInt32))
	q.frames = append(q.frames, left)
	q.origins = append(q.origins, origin{m: m, pinned: pinned})
	q.pinned += int(pinned)
	q.bytes += len(left)
}

// addCopy appends bytes that the caller will reuse.
func (q *queue) addCopy(b []byte) {
	q.reserve(len(b))
	start := len(q.arena)
	q.arena = append(q.arena, b...)
	q.addArena(start)
}

// addMasked appends an unmasked frame as a client sends it.
func (q *queue) addMasked(frame []byte) {
	_, head, err := parseHeader(frame)
	if err != nil {
		return // frames are made by this package
	}
	q.reserve(len(frame) + 4)
	start := len(q.arena)
	q.arena = addKey(append(q.arena, frame[:head]...), start)
	payload := len(q.arena)
	q.arena = append(q.arena, frame[head:]...)
	mask(q.arena[payload:], keyBefore(q.arena, payload))
	q.addArena(start)
}

// reserve makes the arena fit for n more bytes. Frames that point into an old arena
// keep it alive.
func (q *queue) reserve(n int) {
	if cap(q.arena)-len(q.arena) >= n {
		return
	}
	if q.last >= 0 {
		old := int32(min(cap(q.arena), math.MaxInt32))
		o := &q.origins[q.last]
		o.pinned, o.taken = old, old
		q.pinned += int(old)
		q.taken += int(old)
		q.last = -1
	}
	q.arena = make([]byte, 0, max(n, arenaBytes, min(2*cap(q.arena), keepArena)))
}

// addArena appends the arena's bytes from start on as pending, joined to the last
// frame if that is their neighbour, so that small frames become one buffer.
func (q *queue) addArena(start int) {
	b := q.arena[start:]
	if len(b) == 0 {
		return
	}
	q.bytes += len(b)
	if last := len(q.frames) - 1; last >= q.head && start > 0 {
		// A frame is the neighbour if it ends where b begins: &frame[len] == &b[0].
		f := q.frames[last]
		if len(f) > 0 && cap(f)-len(f) == cap(b) && &f[:len(f)+1][len(f)] == &b[0] {
			q.frames[last] = f[:len(f)+len(b)]
			return
		}
	}
	q.last = len(q.frames)
	q.frames = append(q.frames, b)
	q.origins = append(q.origins, origin{})
}

// size is the memory that the queue keeps, in bytes, as if nobody else kept it too.
func (q *queue) size() int { return q.pinned + cap(q.arena) + originBytes*len(q.frames) }

// share is size with each message's bytes divided among the queues that keep them.
func (q *queue) share() int {
	for ; q.counted < len(q.frames); q.counted++ {
		if o := &q.origins[q.counted]; o.m != nil {
			o.taken = int32(o.m.Retain(int(o.pinned)))
			q.taken += int(o.taken)
		}
	}
	return q.counts()
}

// counts is share as far as it was counted.
func (q *queue) counts() int { return q.taken + cap(q.arena) + originBytes*len(q.frames) }

// forget takes the frame at i out of the sums.
func (q *queue) forget(i int) {
	o := &q.origins[i]
	q.pinned -= int(o.pinned)
	q.taken -= int(o.taken)
	if o.m != nil && i < q.counted {
		o.m.Release()
	}
	if i == q.last {
		q.last = -1
	}
	*o = origin{}
}

// discard gives up what is pending. The frames stay as they are: a write may be under
// way from them.
func (q *queue) discard() {
	for i := q.head; i < len(q.frames); i++ {
		q.forget(i)
	}
	q.charge.Close()
}

// pending is what is to be written. The outer slice belongs to the queue.
func (q *queue) pending() [][]byte { return q.frames[q.head:] }

// drop removes the first n bytes, which have been written.
func (q *queue) drop(n int) {
	if n == q.bytes {
		q.empty()
		return
	}
	q.bytes -= n
	for n > 0 {
		f := q.frames[q.head]
		if n < len(f) {
			q.frames[q.head] = f[n:]
			return
		}
		n -= len(f)
		q.forget(q.head)
		q.frames[q.head] = nil
		q.head++
	}
	if q.head > 64 && q.head > len(q.frames)/2 {
		// A queue that never becomes empty must not grow for ever.
		k := copy(q.frames, q.frames[q.head:])
		clear(q.frames[k:])
		copy(q.origins, q.origins[q.head:])
		clear(q.origins[k:])
		q.counted = max(0, q.counted-q.head)
		q.last = max(-1, q.last-q.head)
		q.frames, q.origins, q.head = q.frames[:k], q.origins[:k], 0
	}
}

// empty removes all.
func (q *queue) empty() {
	for i := q.head; i < q.counted; i++ {
		q.forget(i)
	}
	clear(q.frames[q.head:])
	clear(q.origins[q.head:])
	q.frames, q.origins, q.head, q.counted = q.frames[:0], q.origins[:0], 0, 0
	q.bytes, q.pinned, q.taken, q.last = 0, 0, 0, -1
}

// gather copies as many of bufs as fit into scratch.
func gather(scratch []byte, bufs [][]byte) []byte {
	scratch = scratch[:0]
	for _, b := range bufs {
		k := min(len(b), cap(scratch)-len(scratch))
		scratch = append(scratch, b[:k]...)
		if k < len(b) {
			break
		}
	}
	return scratch
}

// pools are what connections borrow while they are not idle.
type pools struct {
	queues   sync.Pool                          // *queue
	inbounds sync.Pool                          // *inbound
	scratch  sync.Pool                          // *[]byte of gatherBytes
	encode   sync.Pool                          // *[]byte
	message  [maxClass - minClass + 1]sync.Pool // *[]byte, see messageBuffer
	inflate  sync.Pool                          // *inflater
}

func (p *pools) queue() *queue {
	if q, ok := p.queues.Get().(*queue); ok {
		return q
	}
	return &queue{last: -1}
}

// freeQueue takes back a queue that has nothing pending.
func (p *pools) freeQueue(q *queue) {
	if q.charge != nil {
		q.charge.Close()
		q.charge, q.charged = nil, 0
	}
	if cap(q.frames) > keepFrames || cap(q.arena) > keepArena {
		return
	}
	q.arena = q.arena[:0]
	p.queues.Put(q)
}

func (p *pools) scratchBuffer() *[]byte {
	if b, ok := p.scratch.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, gatherBytes)
	return &b
}

func (p *pools) encodeBuffer() *[]byte {
	if b, ok := p.encode.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, arenaBytes)
	return &b
}

func (p *pools) freeEncode(b *[]byte) {
	if cap(*b) <= keepArena {
		*b = (*b)[:0]
		p.encode.Put(b)
	}
}
