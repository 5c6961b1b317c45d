package engineio

import (
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"podium/protocol/internal/epoll"

	"golang.org/x/sys/unix"
)

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

// take takes over the descriptor of conn, and closes that. It reports whether it did.
func (d *direct) take(conn net.Conn) bool {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		d.session.server.direct.useless.Store(true)
		return false
	}
	d.fd = epoll.Take(tcp)
	return d.fd >= 0
}

// watch begins to watch d.
func (l *pollLoop) watch(d *direct) bool {
	for l.last = max(l.last, 0) + 1; l.conns[l.last] != nil; l.last = max(l.last+1, 1) {
	}
	d.id = l.last
	l.conns[d.id] = d
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET, Fd: d.id}
	return unix.EpollCtl(l.poll.Epoll, unix.EPOLL_CTL_ADD, d.fd, &ev) == nil
}

// forget ends the watch of d, whose descriptor somebody takes.
func (l *pollLoop) forget(d *direct) {
	l.unrest(d)
	d.state = directGone
	if d.id != 0 {
		delete(l.conns, d.id)
		_ = unix.EpollCtl(l.poll.Epoll, unix.EPOLL_CTL_DEL, d.fd, nil)
	}
	d.session.leaveDirect()
}

// drop closes d.
func (l *pollLoop) drop(d *direct) {
	l.forget(d)
	_ = unix.Close(d.fd)
}

// event handles what epoll says of d.
func (l *pollLoop) event(d *direct, events uint32) {
	d.readable = true // it is read in its turn
	d.shut = d.shut || events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	switch d.state {
	case directRests:
		l.read(d)
	case directWaits:
		l.lookAfter(d)
	default:
	}
}

// lookAfter ends a poll whose client has left, and has not sent its next request before.
func (l *pollLoop) lookAfter(d *direct) {
	if !d.shut {
		return
	}
	if left, _ := d.peek(); left {
		l.gone(d)
	}
}

// peek reports whether the client has left, with nothing before that, or more has arrived.
func (d *direct) peek() (left, more bool) {
	var one [1]byte
	n, err := ignoringEINTR(func() (int, error) {
		n, _, err := unix.Recvfrom(d.fd, one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return n, err
	})
	return n <= 0 && !errors.Is(err, unix.EAGAIN), n > 0
}

// ignoringEINTR does what a signal has interrupted again.
func ignoringEINTR(do func() (int, error)) (n int, err error) {
	for {
		if n, err = do(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// rest has d wait for its next request.
func (l *pollLoop) rest(d *direct) {
	d.state = directRests
	s := d.session
	s.mu.Lock()
	over := s.state != polling && s.state != upgrading
	s.mu.Unlock()
	if over {
		l.giveBack(d, nil)
		return
	}
	d.since = l.now
	d.older = l.newest
	if l.newest != nil {
		l.newest.newer = d
	} else {
		l.oldest = d
	}
	l.newest = d
	if d.readable {
		l.push(d)
	}
}

// unrest takes d out of those that rest, if it is there.
func (l *pollLoop) unrest(d *direct) {
	if d.older != nil {
		d.older.newer = d.newer
	} else if l.oldest == d {
		l.oldest = d.newer
	}
	if d.newer != nil {
		d.newer.older = d.older
	} else if l.newest == d {
		l.newest = d.older
	}
	d.older, d.newer = nil, nil
}

// retire gives connections back that have rested since a time or longer.
func (l *pollLoop) retire(since time.Time) {
	for l.oldest != nil && !l.oldest.since.After(since) {
		l.giveBack(l.oldest, nil)
	}
}

// read reads what has arrived on a connection that rests.
func (l *pollLoop) read(d *direct) {
	d.readable = false
	n, err := ignoringEINTR(func() (int, error) { return unix.Read(d.fd, l.in) })
	switch {
	case n > 0:
		l.unrest(d)
		d.readable = n == len(l.in)
		l.request(d, l.in[:n])
	case errors.Is(err, unix.EAGAIN):
	default:
		l.drop(d) // the client left, between two requests
	}
}

// request serves the request that b is, or has net/http do it.
func (l *pollLoop) request(d *direct, b []byte) {
	h, ok := l.server.readHead(b, &l.scratch)
	h.print = max(h.print+d.peer, 1)
	switch {
	case ok && h.post && h.length+h.body == len(b) && h.body >= 0 && l.post(d, h.print, b[h.length:]):
	case ok && !h.post && h.length == len(b) && l.await(d, h.print):
	default:
		d.session.deviated(true)
		l.giveBack(d, b)
		return
	}
	d.session.deviated(false)
	l.server.stats.direct.Add(1)
}

// await begins a poll, and reports whether it did.
func (l *pollLoop) await(d *direct, print uint64) bool {
	s := d.session
	if s.expired() || !l.server.parking.enter() {
		return false
	}
	ready, ok := s.beginDirect(d, print)
	if !ok {
		l.server.parking.leave()
		return false
	}
	d.state = directWaits
	if ready {
		l.answer(d)
		return true
	}
	if f := l.server.opts.AllowPoll; f != nil {
		if d.poll.counted = f(s); !d.poll.counted && s.withdraw(d) {
			l.server.parking.leave()
			d.state = directRests
			return false
		}
	}
	l.lookAfter(d) // epoll has said so once, with the request
	return true
}

// answer answers d's poll with what is queued.
func (l *pollLoop) answer(d *direct) {
	s := d.session
	b, a, st, late, ok := s.directTake(d)
	if !ok {
		return
	}
	s.endPoll(&d.poll)
	switch {
	case late:
		b.drop()
		l.refuse(d, a.header.Value(), http.StatusBadRequest)
		l.server.parking.leave()
		return
	case b.kept != nil || b.bytes > maxDirectAnswer || l.server.down.Load():
		l.spill(d, a, b, st)
		return
	}
	l.write(d, l.compose(s, a, b.packets), func(err error) {
		s.answered(st, b.packets, err)
		l.server.parking.leave()
	})
}

// compose makes an answer of packets, in l.out, or where it is compressed anew.
func (l *pollLoop) compose(s *Session, a approved, packets []*Message) []byte {
	body, binary := s.codec.appendPayload(l.body[:0], packets, s.textPolls)
	l.body = body
	if n := l.server.opts.HTTPCompression; n >= 0 && len(body) >= n && a.encoding != "" {
		h := handWritten{header: parseHeaderLines(a.header.Value())}
		_ = s.writePayload(&h, a.encoding, &query{}, packets) // it is memory that is written to
		return append(h.head(false), h.body...)
	}
	l.server.stats.pollOut.Add(uint64(len(body)))
	contentType := contentTypeText
	if binary {
		contentType = contentTypeBinary
	}
	l.out = appendAnswer(l.out[:0], a.header.Value(), contentType[0], body, l.date)
	return l.out
}

// spill answers a poll that is large, or the last, with a goroutine that may wait for
// the client.
func (l *pollLoop) spill(d *direct, a approved, b backlog, st state) {
	l.forget(d)
	l.leaving.Go(func() {
		defer l.server.parking.leave()
		s := d.session
		pk := &parked{session: s, home: d.home, header: parseHeaderLines(a.header.Value()), encoding: a.encoding, last: l.server.down.Load()}
		var err error
		if pk.conn, err = d.connection(); err == nil {
			err = pk.write(&b)
		}
		s.endAnswer(&b)
		s.answered(st, b.packets, err)
		if pk.conn == nil {
			return
		}
		if err != nil || pk.last {
			_ = pk.conn.Close()
			return
		}
		l.server.handback.give(d.home, pk.conn, nil)
	})
}

// finish writes the rest of an answer with a goroutine that waits for the client, and
// gives the connection back.
func (l *pollLoop) finish(d *direct, rest []byte, done func(error)) {
	l.forget(d)
	l.leaving.Go(func() {
		conn, err := d.connection()
		if err == nil {
			_ = conn.SetWriteDeadline(time.Now().Add(l.server.opts.PingTimeout)) // it is a socket
			_, err = conn.Write(rest)
		}
		done(err)
		switch {
		case conn == nil:
		case err != nil || l.server.down.Load():
			_ = conn.Close()
		default:
			_ = conn.SetWriteDeadline(time.Time{})
			l.server.handback.give(d.home, conn, nil)
		}
	})
}

// giveBack gives d to net/http, with what was read from it.
func (l *pollLoop) giveBack(d *direct, early []byte) {
	l.forget(d)
	early = slices.Clone(early)
	l.leaving.Go(func() {
		if conn, err := d.connection(); err == nil {
			l.server.handback.give(d.home, conn, early)
		}
	})
}

// connection makes a net.Conn of d, whose descriptor it takes.
func (d *direct) connection() (net.Conn, error) {
	f := os.NewFile(uintptr(d.fd), "")
	conn, err := net.FileConn(f) // with a duplicate
	_ = f.Close()
	return conn, err
}

// gone handles that the client of a poll went away. What is queued stays.
func (l *pollLoop) gone(d *direct) {
	s := d.session
	s.mu.Lock()
	st, ok := s.state, s.poll == &d.poll
	if ok {
		s.poll = nil
		if st == closed {
			s.queue.drop()
		}
	}
	s.mu.Unlock()
	l.drop(d)
	if !ok {
		return
	}
	defer l.server.parking.leave()
	s.endPoll(&d.poll)
	if st == polling || st == closing {
		s.end(ReasonTransportError, errCancelled)
	}
}

// post handles a POST, and reports whether it was let in.
func (l *pollLoop) post(d *direct, print uint64, body []byte) bool {
	s := d.session
	if int64(len(body)) > l.server.opts.MaxPayload || s.expired() || !l.begin() {
		return false
	}
	inline, ok := s.beginDirectPost(print, body)
	if f := l.server.opts.AllowPost; ok && f != nil && !f(s) { // asked last, since it may count
		s.endPost()
		ok = false
	}
	if !ok {
		l.posts.Done()
		return false
	}
	if inline {
		defer l.posts.Done()
		l.answerPost(d, s.directPost(body, func() {}))
		return true
	}
	d.state = directPosts
	body = slices.Clone(body)
	go func() {
		defer l.posts.Done()
		d.posted.Store(int32(s.directPost(body, func() { s.awaitResume(func() {}) })))
		l.push(d)
	}()
	return true
}

// answerPost answers a POST.
func (l *pollLoop) answerPost(d *direct, status int) {
	header := d.session.postHeader()
	if status != http.StatusOK {
		l.refuse(d, header, status)
		return
	}
	l.out = appendAnswer(l.out[:0], header, contentTypeHTML[0], answerOK, l.date)
	l.write(d, l.out, func(error) {})
}

// refuse answers with a status other than 200 and closes the connection.
func (l *pollLoop) refuse(d *direct, header string, status int) {
	_, _ = unix.Write(d.fd, d.session.refusal(header, status)) // a client that takes nothing is not waited for
	l.drop(d)
}

// write writes an answer and has d rest. done is called once, when it is written.
func (l *pollLoop) write(d *direct, b []byte, done func(error)) {
	n, err := ignoringEINTR(func() (int, error) { return unix.Write(d.fd, b) })
	if errors.Is(err, unix.EAGAIN) {
		n, err = 0, nil
	}
	if err == nil && n < len(b) {
		l.finish(d, slices.Clone(b[n:]), done)
		return
	}
	done(err)
	if err != nil {
		l.drop(d)
		return
	}
	l.rest(d)
}
