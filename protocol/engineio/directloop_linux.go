package engineio

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"podium/protocol/internal/epoll"

	"golang.org/x/sys/unix"
)

// The loop itself: what it is woken for, and whom it serves next.

// pollLoop is the goroutine that reads and answers requests on direct connections, and
// owns their descriptors. It is made with the first one.
type pollLoop struct {
	useless atomic.Bool // the program's listener does not hand out sockets of its own

	mu       sync.Mutex // guards the fields below
	state    pollerState
	todo     []*direct // to be served before the next wait
	sleeping bool      // waits, or is about to: needs to be woken for todo
	stopping bool
	posts    sync.WaitGroup // goroutines that handle POSTs

	server *Server // since open
	poll   *epoll.Waker
	ended  chan struct{}

	// Owned by the loop's goroutine.
	leaving        sync.WaitGroup // goroutines that take a connection away
	conns          map[int32]*direct
	last           int32
	oldest, newest *direct // of those that rest
	spare          []*direct
	in, out, body  []byte
	scratch        []byte
	date           []byte
	now, dated     time.Time
}

// open makes the loop if need be, and reports whether connections can be direct.
func (l *pollLoop) open(srv *Server) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != pollerUnused {
		return l.state == pollerOpen
	}
	var err error
	if l.poll, err = epoll.New(0); err != nil {
		return false // net/http reads meanwhile
	}
	l.state, l.server = pollerOpen, srv
	l.conns = make(map[int32]*direct)
	l.in = make([]byte, maxDirectRequest)
	l.ended = make(chan struct{})
	l.tick()
	go l.run()
	return true
}

// push has the loop serve d. Session.mu may be held.
func (l *pollLoop) push(d *direct) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.pushed {
		return
	}
	d.pushed = true
	l.todo = append(l.todo, d)
	if l.sleeping {
		l.sleeping = false
		l.poll.Wake()
	}
}

// begin reports whether a goroutine for a POST may be started.
func (l *pollLoop) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != pollerOpen {
		return false
	}
	l.posts.Add(1)
	return true
}

// close ends the loop, and gives the connections on which a request has begun to arrive
// back to net/http. No poll waits any more.
func (l *pollLoop) close() {
	l.mu.Lock()
	before := l.state
	l.state = pollerClosed
	l.mu.Unlock()
	if before != pollerOpen {
		return
	}
	l.posts.Wait()
	l.mu.Lock()
	l.stopping = true
	l.poll.Wake()
	l.mu.Unlock()
	<-l.ended
	l.leaving.Wait()
	l.poll.Close()
}

// run is the loop's goroutine.
func (l *pollLoop) run() {
	defer close(l.ended)
	events := make([]unix.EpollEvent, 128)
	for {
		todo, stop := l.next()
		for _, d := range todo {
			l.serve(d)
		}
		clear(todo) // it keeps nothing
		if stop && len(todo) == 0 {
			break
		}
		n, _ := unix.EpollWait(l.poll.Epoll, events, l.timeout(len(todo) > 0)) // it can be interrupted only
		l.awake()
		for _, ev := range events[:max(n, 0)] {
			if d := l.conns[ev.Fd]; d != nil {
				l.event(d, ev.Events)
			}
		}
		l.retire(l.now.Add(-directRest))
	}
	for _, d := range l.conns {
		if _, more := d.peek(); more {
			l.giveBack(d, nil)
		} else {
			l.drop(d)
		}
	}
}

// next takes what is to be done.
func (l *pollLoop) next() (todo []*direct, stop bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	todo = l.todo
	l.todo = l.spare[:0]
	l.spare = todo
	for _, d := range todo {
		d.pushed = false
	}
	l.sleeping = len(todo) == 0
	return todo, l.stopping
}

// awake notes that the loop does not wait.
func (l *pollLoop) awake() {
	l.mu.Lock()
	l.sleeping = false
	l.mu.Unlock()
	l.tick()
}

// tick notes the time.
func (l *pollLoop) tick() {
	l.now = time.Now()
	if l.now.Sub(l.dated) >= time.Second {
		l.dated = l.now.Truncate(time.Second)
		l.date = l.now.UTC().AppendFormat(l.date[:0], http.TimeFormat)
	}
}

// timeout is for how many milliseconds to wait for events.
func (l *pollLoop) timeout(busy bool) int {
	switch {
	case busy:
		return 0
	case l.oldest == nil:
		return -1
	}
	return max(0, int(time.Until(l.oldest.since.Add(directRest))/time.Millisecond)+1)
}

// serve does what a connection was pushed for.
func (l *pollLoop) serve(d *direct) {
	if d.id == 0 && d.state != directGone && !l.watch(d) {
		l.gone(d)
	}
	switch d.state {
	case directWaits:
		if d.session.due(d) {
			l.answer(d)
		}
	case directRests:
		if d.readable {
			l.read(d)
		}
	case directPosts:
		if status := d.posted.Swap(0); status != 0 {
			d.state = directRests
			l.answerPost(d, int(status))
		}
	case directGone:
	}
}
