package engineio

import (
	"errors"
	"net"
	"os"
	"slices"
	"time"

	"podium/protocol/internal/epoll"

	"golang.org/x/sys/unix"
)

// Connections of the loop, from when their descriptors are taken until they are closed
// or given back to net/http.

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

// peek reports whether the client has left, with nothing before that, or more has arrived.
func (d *direct) peek() (left, more bool) {
	var one [1]byte
	n, err := ignoringEINTR(func() (int, error) {
		n, _, err := unix.Recvfrom(d.fd, one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return n, err
	})
	return n <= 0 && !errors.Is(err, unix.EAGAIN), n > 0
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
