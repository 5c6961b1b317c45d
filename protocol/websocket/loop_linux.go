package websocket

import (
	"math"
	"podium/protocol/internal/epoll"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	loopReadBytes = 64 << 10
	loopEvents    = 256
	readsPerEvent = 4 // a peer that sends without end gets its share of the loop, no more

	// A batch of holdFrom sockets waits for what else is being posted to them, for
	// holdEach a socket at most: a part of what writing to them takes.
	holdFrom = 256
	holdEach = 2 * time.Microsecond

	// wakeSlot is the slot number in the events of the loop's own eventfd.
	wakeSlot = math.MaxInt32
)

// loop is one goroutine that reads, and writes what is posted or was left over, for
// many sockets. It owns their descriptors: nobody else closes them.
type loop struct {
	server *Server
	poll   *epoll.Waker

	// Owned by the goroutine that runs.
	buf       []byte          // what is read, of whichever socket
	deadlines []closeDeadline // oldest first: all have the same distance
	spare     []*socket       // last batch's slice of todo, for reuse
	heldSince time.Time       // since when the batch waits; zero if none does
	heldAt    uint64          // messages out when it was looked at last

	mu       sync.Mutex // guards what follows
	slots    []slot
	free     []int32   // slots that are empty
	todo     []*socket // to be served before the next wait
	sleeping bool      // waits, or is about to: needs to be woken for todo
	stopped  bool
}

// slot is a connection's place in the loop. A generation tells an event for its
// present owner from one for an earlier one.
type slot struct {
	socket *socket
	gen    uint32
}

// closeDeadline is when a connection that is closing will be cut.
type closeDeadline struct {
	socket *socket
	at     time.Time
}

// newLoop makes a loop; run must be called.
func newLoop(s *Server) (*loop, error) {
	poll, err := epoll.New(wakeSlot)
	if err != nil {
		return nil, err
	}
	return &loop{server: s, poll: poll, buf: make([]byte, loopReadBytes)}, nil
}

// run is the loop's goroutine.
func (l *loop) run() {
	defer l.poll.Close()
	events := make([]unix.EpollEvent, loopEvents)
	ready := make([]*socket, loopEvents)
	for {
		timeout, held, stop := l.beforeWait()
		if stop {
			return
		}
		n, err := unix.EpollWait(l.poll.Epoll, events, timeout)
		if err != nil {
			n = 0 // EINTR; nothing else can happen to valid descriptors
		}
		l.afterWait(events[:n], ready)
		for i, s := range ready[:n] {
			if s == nil {
				continue
			}
			ready[i] = nil
			if events[i].Events&unix.EPOLLOUT != 0 {
				s.writable()
			}
			if events[i].Events&^unix.EPOLLOUT != 0 {
				s.readable(events[i].Events, l.buf)
			}
		}
		if !held {
			l.serve()
		}
		l.expire()
	}
}

// beforeWait decides how long to wait, in milliseconds; 0 if there is something to do,
// which is not to be done yet where held is true.
func (l *loop) beforeWait() (timeout int, held, stop bool) {
	timeout = -1
	if len(l.deadlines) > 0 {
		timeout = int(max(0, time.Until(l.deadlines[0].at))/time.Millisecond) + 1
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.todo); n > 0 {
		if l.hold(n) {
			return 1, true, false
		}
		return 0, false, false
	}
	l.sleeping = true
	return timeout, false, l.stopped
}

// hold reports whether a batch of n sockets is to wait for another millisecond: as
// long as more is being posted, within bounds. A burst of broadcasts is posted to
// all in less time than it takes to write to a few of them: without the wait these
// few would be written to twice or more often.
func (l *loop) hold(n int) bool {
	posted, now := l.server.messagesOut.Load(), time.Now()
	switch {
	case n < holdFrom:
	case l.heldSince.IsZero():
		l.heldSince, l.heldAt = now, posted
		return true
	case posted != l.heldAt && now.Sub(l.heldSince) < time.Duration(n)*holdEach:
		l.heldAt = posted
		return true
	}
	l.heldSince = time.Time{}
	return false
}

// afterWait looks up who the events are for. Those for an earlier owner of a slot
// get nil.
func (l *loop) afterWait(events []unix.EpollEvent, ready []*socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sleeping = false
	for i, ev := range events {
		ready[i] = nil
		if int(ev.Fd) < len(l.slots) && l.slots[ev.Fd].gen == uint32(ev.Pad) {
			ready[i] = l.slots[ev.Fd].socket
		}
	}
}

// serve does what was asked for with push.
func (l *loop) serve() {
	l.mu.Lock()
	todo := l.todo
	l.todo = l.spare[:0]
	l.mu.Unlock()
	for i, s := range todo {
		todo[i] = nil
		s.serve()
	}
	if cap(todo) > 64<<10 {
		todo = nil
	}
	l.spare = todo
}

// expire cuts connections whose peers did not answer a close frame in time.
func (l *loop) expire() {
	if len(l.deadlines) == 0 {
		return
	}
	now := time.Now()
	k := 0
	for k < len(l.deadlines) && !l.deadlines[k].at.After(now) {
		l.deadlines[k].socket.conn.fail(ErrCloseTimeout)
		k++
	}
	if k > 0 {
		k = copy(l.deadlines, l.deadlines[k:])
		clear(l.deadlines[k:])
		l.deadlines = l.deadlines[:k]
	}
}

// push has s served by the loop, soon. The socket's conn.mu must be held: so the loop
// cannot end the socket, and then itself, before it was woken.
func (l *loop) push(s *socket) {
	if s.pushed {
		return
	}
	s.pushed = true
	l.mu.Lock()
	l.todo = append(l.todo, s)
	wake := l.sleeping
	l.sleeping = false
	l.mu.Unlock()
	if wake {
		l.poll.Wake()
	}
}

// stop ends the loop, which must have no sockets left.
func (l *loop) stop() {
	l.mu.Lock()
	defer l.mu.Unlock() // until it was woken, lest its descriptors are closed before
	if !l.stopped {
		l.stopped = true
		l.poll.Wake()
	}
}

// attach gives s a slot.
func (l *loop) attach(s *socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free); n > 0 {
		s.slot = l.free[n-1]
		l.free = l.free[:n-1]
	} else {
		s.slot = int32(len(l.slots))
		l.slots = append(l.slots, slot{})
	}
	l.slots[s.slot].socket = s
	s.gen = l.slots[s.slot].gen
}

// detach frees the slot of s; events for it are ignored from now on.
func (l *loop) detach(s *socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slots[s.slot].socket = nil
	l.slots[s.slot].gen++
	l.free = append(l.free, s.slot)
}

// appendConns appends the loop's connections.
func (l *loop) appendConns(all []*Conn) []*Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, sl := range l.slots {
		if sl.socket != nil {
			all = append(all, &sl.socket.conn)
		}
	}
	return all
}
