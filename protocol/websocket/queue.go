package websocket

import "sync"

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
	frames [][]byte // frames[head:] are pending; the elements are ours, their bytes are shared
	head   int
	bytes  int    // pending bytes
	arena  []byte // holds small frames of this connection alone
}

// add appends a shared frame.
func (q *queue) add(frame []byte) {
	q.frames = append(q.frames, frame)
	q.bytes += len(frame)
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
	if cap(q.arena)-len(q.arena) < n {
		q.arena = make([]byte, 0, max(n, arenaBytes, min(2*cap(q.arena), keepArena)))
	}
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
	q.frames = append(q.frames, b)
}

// pending is what is to be written. The outer slice belongs to the queue.
func (q *queue) pending() [][]byte { return q.frames[q.head:] }

// drop removes the first n bytes, which have been written.
func (q *queue) drop(n int) {
	q.bytes -= n
	for n > 0 {
		f := q.frames[q.head]
		if n < len(f) {
			q.frames[q.head] = f[n:]
			return
		}
		n -= len(f)
		q.frames[q.head] = nil
		q.head++
	}
	if q.head == len(q.frames) {
		q.frames, q.head = q.frames[:0], 0
	} else if q.head > 64 && q.head > len(q.frames)/2 {
		// A queue that never becomes empty must not grow for ever.
		k := copy(q.frames, q.frames[q.head:])
		clear(q.frames[k:])
		q.frames, q.head = q.frames[:k], 0
	}
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
	return &queue{}
}

// freeQueue takes back a queue that has nothing pending.
func (p *pools) freeQueue(q *queue) {
	if cap(q.frames) > keepFrames || cap(q.arena) > keepArena {
		return
	}
	q.frames, q.head, q.bytes, q.arena = q.frames[:0], 0, 0, q.arena[:0]
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
