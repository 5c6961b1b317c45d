package websocket

import (
	"crypto/tls"
	"io"
	"net"
	"time"

	"podium/protocol/internal/epoll"

	"golang.org/x/sys/unix"
)

// socket is the link over a TCP socket that an event loop reads, with TLS or without.
type socket struct {
	conn    Conn
	loop    *loop
	secure  *secure // nil without TLS
	initial *[]byte // read before the upgrade; the loop's once started
	slot    int32
	gen     uint32 // of the slot, for this socket

	// fd is written by the loop with conn.mu held, when it closes it: the loop reads it
	// freely, others with conn.mu held and the connection not dead.
	fd int32

	// Guarded by conn.mu.
	pushed  bool // in loop.todo
	polled  bool // in epoll
	unheard bool // out of it, because its peer went away while it was paused
	armed   bool // waits for room to write
	unread  bool // the loop shall read, whatever epoll says: TLS may hold bytes
	timed   bool // the loop shall note the deadline of the close handshake
	orderly bool // ended after all was written

	gone bool // finish was called; owned by the loop
}

var _ link = (*socket)(nil)

// adopt takes over the descriptor of a TCP connection, also of one below TLS that came by
// NewListener, and closes the former. It returns nil if nc is something else, which it
// then leaves alone.
func (l *loop) adopt(server *Server, nc net.Conn, h Handler, initial []byte) *Conn {
	secured, under := nc.(*tls.Conn)
	if under {
		if !secured.ConnectionState().HandshakeComplete {
			return nil
		}
		nc = secured.NetConn()
	}
	lower, wrapped := nc.(*lowerConn)
	if wrapped {
		nc = lower.Conn
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok || under && !wrapped {
		return nil
	}
	fd := epoll.Take(tcp)
	if fd < 0 {
		return nil
	}
	s := &socket{loop: l, fd: int32(fd)}
	if len(initial) > 0 {
		s.initial = &initial
	}
	if under {
		s.secure = &secure{tls: secured, socket: s}
		lower.Conn = s.secure
	}
	s.conn.server, s.conn.handler, s.conn.link = server, h, s
	l.attach(s)
	return &s.conn
}

func (s *socket) start() {
	if s.secure != nil {
		s.unread = true
		s.loop.push(s)
	}
	if s.initial != nil {
		s.loop.push(s) // first what was read before
		return
	}
	s.poll()
}

// poll registers with epoll; conn.mu must be held.
func (s *socket) poll() {
	if s.conn.state.Load() == stateDead {
		return
	}
	if s.control(unix.EPOLL_CTL_ADD) {
		s.polled = true
	}
}

// control tells epoll what the socket waits for, and reports whether it took that;
// conn.mu must be held.
func (s *socket) control(op int) bool {
	ev := unix.EpollEvent{Fd: s.slot, Pad: int32(s.gen)}
	if !s.conn.paused.Load() {
		ev.Events |= unix.EPOLLIN
	}
	if s.armed {
		ev.Events |= unix.EPOLLOUT
	}
	if err := unix.EpollCtl(s.loop.poll.Epoll, op, int(s.fd), &ev); err != nil {
		s.conn.failLocked(err)
		return false
	}
	return true
}

// arm asks for events of room to write, or no longer; conn.mu must be held.
func (s *socket) arm(on bool) {
	if s.armed == on || s.conn.state.Load() == stateDead {
		return
	}
	s.armed = on
	if s.polled { // else poll will see it
		s.control(unix.EPOLL_CTL_MOD)
	}
}

func (s *socket) pause() {
	if s.secure != nil && !s.conn.paused.Load() {
		s.unread = true
	}
	if s.unread || s.conn.resumedLocked() {
		s.loop.push(s)
	}
	switch {
	case s.polled:
		s.control(unix.EPOLL_CTL_MOD)
	case s.unheard:
		s.unheard = false
		s.poll()
	}
}

// hungUp takes a paused socket out of epoll whose peer is gone, which epoll would go
// on reporting: what had arrived before is read when the socket is resumed.
func (s *socket) hungUp() {
	c := &s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.polled && c.paused.Load() {
		s.polled, s.unheard = false, true
		_ = unix.EpollCtl(s.loop.poll.Epoll, unix.EPOLL_CTL_DEL, int(s.fd), nil)
	}
}

// writable writes what is left, and asks for no more events when that is all. The
// loop calls it.
func (s *socket) writable() {
	c := &s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.secure != nil && c.state.Load() != stateDead {
		done, err := s.secure.flush()
		if err != nil {
			c.failLocked(err)
		}
		if !done {
			return
		}
	}
	c.waiting = false
	c.flushLocked()
	if !c.waiting {
		s.arm(false)
	}
}

// readable reads what there is and hands it to the connection. The loop calls it.
func (s *socket) readable(events uint32, buf []byte) {
	if s.secure != nil {
		s.secure.dry = false
	}
	for range readsPerEvent {
		if s.conn.state.Load() == stateDead {
			return
		}
		if s.conn.paused.Load() {
			if events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 {
				s.hungUp()
			}
			return
		}
		n, more, err := s.read(buf)
		if n > 0 {
			s.conn.receive(buf[:n])
		}
		if err != nil {
			s.conn.fail(err)
			return
		}
		if !more {
			return // if there is more now, epoll says so
		}
	}
	if s.secure != nil {
		s.readOn()
	}
}

// read reads what there is. more says that there may be more of it.
func (s *socket) read(buf []byte) (n int, more bool, err error) {
	if s.secure != nil {
		return s.secure.read(buf)
	}
	n, err = unix.Read(int(s.fd), buf)
	switch {
	case n > 0:
		return n, n == len(buf), nil
	case err == unix.EINTR:
		return 0, true, nil
	case err == unix.EAGAIN:
		return 0, false, nil
	case err != nil:
		return 0, false, err
	}
	return 0, false, io.EOF
}

// readOn has the loop read on after it was with others.
func (s *socket) readOn() {
	c := &s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	s.unread = true
	s.loop.push(s)
}

// serve is what the loop does for a socket that was pushed: it begins to read, notes
// a deadline, writes what was posted, or ends the connection.
func (s *socket) serve() {
	if s.gone {
		return
	}
	c := &s.conn
	c.mu.Lock()
	s.pushed = false
	if s.timed {
		s.timed = false
		s.loop.deadlines = append(s.loop.deadlines, closeDeadline{s, time.Now().Add(c.server.opts.CloseTimeout)})
	}
	initial := s.initial
	if initial != nil && c.started && c.state.Load() != stateDead {
		s.initial = nil
		c.mu.Unlock()
		c.receive(*initial)
		c.mu.Lock()
		s.poll()
	}
	if c.resumedLocked() {
		c.mu.Unlock()
		c.receive(nil)
		c.mu.Lock()
	}
	if s.unread && c.started {
		s.unread = false
		c.mu.Unlock()
		s.readable(0, s.loop.buf)
		c.mu.Lock()
	}
	if c.state.Load() != stateDead {
		if !c.corked {
			c.flushLocked()
		}
		emptied := c.emptied
		c.mu.Unlock()
		if emptied {
			c.tellDrained()
		}
		return
	}
	s.closeLocked()
	c.mu.Unlock()
	s.gone = true
	s.loop.detach(s)
	c.finish()
	c.server.ended(nil)
}

// closeLocked closes the descriptor; conn.mu must be held, so that nobody is
// writing to it, and nobody will: the connection is dead.
func (s *socket) closeLocked() {
	if s.polled {
		s.polled = false
		_ = unix.EpollCtl(s.loop.poll.Epoll, unix.EPOLL_CTL_DEL, int(s.fd), nil)
	}
	if s.secure != nil {
		if s.orderly {
			s.secure.goodbye()
		}
		s.secure.drop()
	}
	_ = unix.Close(int(s.fd))
	s.fd = -1
}

// write writes without blocking. Frames that fit a scratch buffer are copied into
// it: a copy of some kilobytes costs less than the kernel's walk over a vector.
func (s *socket) write(bufs [][]byte) (n int, more bool, err error) {
	if s.secure != nil {
		return s.writeSecure(bufs)
	}
	if len(bufs) == 1 || len(bufs[0]) >= gatherBytes {
		n, err = s.send(bufs[0])
		return n, err == nil && n == len(bufs[0]), err
	}
	size := 0
	for i, b := range bufs {
		size += len(b)
		if size > gatherBytes {
			if i >= 2 && size-len(b) >= gatherBytes/2 {
				break // enough for one copy
			}
			return s.writeVector(bufs[:min(len(bufs), maxVector)])
		}
	}
	scratch := s.conn.server.pools.scratchBuffer()
	b := gather(*scratch, bufs)
	n, err = s.send(b)
	more = err == nil && n == len(b)
	s.conn.server.pools.scratch.Put(scratch)
	return n, more, err
}

// writeVector is one writev. Neither bufs nor its elements are changed by it.
func (s *socket) writeVector(bufs [][]byte) (n int, more bool, err error) {
	size := 0
	for _, b := range bufs {
		size += len(b)
	}
	for {
		n, err = unix.Writev(int(s.fd), bufs)
		switch err {
		case nil:
			return n, n == size, nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, false, nil
		default:
			return 0, false, err
		}
	}
}

// writeSecure is write under TLS.
func (s *socket) writeSecure(bufs [][]byte) (n int, more bool, err error) {
	b := bufs[0]
	if len(bufs) > 1 && len(b) < sealBytes && s.secure.sealed == nil {
		scratch := s.conn.server.pools.scratchBuffer()
		defer s.conn.server.pools.scratch.Put(scratch)
		b = gather((*scratch)[:0:sealBytes], bufs)
	}
	n, err = s.secure.write(b)
	return n, n > 0, err
}

func (s *socket) writeOne(b []byte) (int, error) {
	if s.secure != nil {
		return s.secure.write(b)
	}
	return s.send(b)
}

// send hands b to the kernel, as far as it has room.
func (s *socket) send(b []byte) (int, error) {
	for {
		n, err := unix.Write(int(s.fd), b)
		switch err {
		case nil:
			return n, nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, nil
		default:
			return 0, err
		}
	}
}

func (s *socket) kept() int {
	if s.secure == nil || s.secure.sealed == nil {
		return 0
	}
	return cap(*s.secure.sealed)
}

func (s *socket) await() { s.arm(true) }

func (s *socket) later() {
	if !s.armed {
		s.loop.push(s)
	}
}

func (s *socket) drained() { s.loop.push(s) }

func (s *socket) closing() {
	s.timed = true
	s.loop.push(s)
}

func (s *socket) halfClose() {
	if s.secure != nil && !s.secure.goodbye() {
		s.arm(true)
		return
	}
	_ = unix.Shutdown(int(s.fd), unix.SHUT_WR)
}

func (s *socket) shut(drained bool) {
	s.orderly = drained
	s.loop.push(s)
}
