package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"podium/test/bench/control"
)

// loop is one goroutine that accepts, reads and writes all connections.
type loop struct {
	o         control.Options
	poll      int // epoll
	accepting int // the listening socket
	wake      int // eventfd: there is something in emitted

	mu      sync.Mutex // guards emitted
	emitted []emit

	joined atomic.Int64

	// Owned by the loop's goroutine.
	conns    []*conn // by descriptor; nil for none
	members  map[*conn]struct{}
	rooms    map[string]map[*conn]struct{}
	polls    map[string]*session
	sessions int
	in, out  []byte
	log      []byte // the frames that clients may have missed
	starts   []int  // of each of them in log
}

// emit is an event as it is written.
type emit struct {
	room   string
	packet string // over long-polling
	frames []byte
	packed []byte // the same, compressed; nil for not
}

// conn is a connection.
type conn struct {
	fd      int
	socket  bool // a WebSocket
	joined  bool
	packs   bool     // takes compressed frames
	session *session // that polls on it, or upgrades
	part    []byte   // of a request or frame that has not arrived as a whole
	rest    []byte   // of what could not be written yet
}

// session is one over long-polling.
type session struct {
	id      string
	poll    *conn // where one waits
	packets []string
}

var _ control.Server = (*loop)(nil)

// listen makes the loop.
func listen(o control.Options) (*loop, error) {
	l := &loop{o: o, members: make(map[*conn]struct{}), rooms: make(map[string]map[*conn]struct{}), polls: make(map[string]*session), in: make([]byte, 64<<10)}
	at, err := net.ResolveTCPAddr("tcp4", o.Listen)
	if err != nil {
		return nil, err
	}
	var errs [5]error
	l.accepting, errs[0] = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	errs[1] = unix.SetsockoptInt(l.accepting, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	errs[2] = unix.Bind(l.accepting, &unix.SockaddrInet4{Port: at.Port, Addr: [4]byte(at.IP.To4())})
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	l.wake, errs[0] = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	l.poll, errs[1] = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	errs[2] = l.watch(l.wake, unix.EPOLLIN|unix.EPOLLET)
	errs[3] = unix.Listen(l.accepting, 4096)
	errs[4] = l.watch(l.accepting, unix.EPOLLIN)
	return l, errors.Join(errs[:]...)
}

func (l *loop) watch(fd int, events uint32) error {
	return unix.EpollCtl(l.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// Connected implements control.Server.
func (l *loop) Connected() int { return int(l.joined.Load()) }

// Emit implements control.Server: what is emitted is written at Flush.
func (l *loop) Emit(room, event string, arg any) {
	e := emit{room: room}
	switch arg := arg.(type) {
	case []byte:
		e.frames = appendFrame(nil, opText, []byte(`451-["`+event+`",{"_placeholder":true,"num":0}]`))
		e.frames = appendFrame(e.frames, opBinary, arg)
	default:
		args := []any{event, arg}
		if l.o.Recovery {
			l.mu.Lock()
			args = append(args, strconv.Itoa(l.next()))
			l.mu.Unlock()
		}
		text, _ := json.Marshal(args) // strings
		e.packet = "42" + string(text)
		e.frames = appendFrame(nil, opText, []byte(e.packet))
	}
	if l.o.Deflate {
		e.packed = pack(e.packet)
	}
	l.mu.Lock()
	l.emitted = append(l.emitted, e)
	l.mu.Unlock()
}

// next is the offset of the next event: how many there were before. l.mu must be held.
func (l *loop) next() int { return len(l.starts) + len(l.emitted) }

// Flush implements control.Flusher.
func (l *loop) Flush() {
	one := [8]byte{0: 1}
	_, _ = unix.Write(l.wake, one[:]) // fails only where the loop is awake
}

// run serves until epoll fails.
func (l *loop) run() error {
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(l.poll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("epoll: %w", err)
		}
		for _, ev := range events[:max(n, 0)] {
			switch fd := int(ev.Fd); fd {
			case l.accepting:
				l.accept()
			case l.wake:
				l.broadcast()
			default:
				l.event(l.conns[fd], ev.Events)
			}
		}
	}
}

func (l *loop) accept() {
	for {
		fd, _, err := unix.Accept4(l.accepting, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return // there are no more
		}
		for len(l.conns) <= fd {
			l.conns = append(l.conns, nil)
		}
		l.conns[fd] = &conn{fd: fd}
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // it is a socket
		_ = l.watch(fd, unix.EPOLLIN)                                     // as above
	}
}

func (l *loop) event(c *conn, events uint32) {
	if c == nil {
		return
	}
	if events&unix.EPOLLOUT != 0 {
		rest := c.rest
		c.rest = nil
		_ = unix.EpollCtl(l.poll, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.fd)})
		l.write(c, rest)
	}
	if events&^uint32(unix.EPOLLOUT) == 0 {
		return
	}
	n, err := unix.Read(c.fd, l.in)
	switch {
	case n > 0 && len(c.part) > 0:
		c.part = append(c.part, l.in[:n]...)
		l.received(c, c.part)
	case n > 0:
		l.received(c, l.in[:n])
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
	default:
		l.close(c)
	}
}

// received serves what b holds as a whole, and keeps the rest. What is answered leaves in
// one write.
func (l *loop) received(c *conn, b []byte) {
	l.out = l.out[:0]
	for len(b) > 0 {
		var used int
		if c.socket {
			used = l.frame(c, b)
		} else {
			used = l.request(c, b)
		}
		if used == 0 {
			break
		}
		b = b[used:]
	}
	if len(b) > 0 || c.part != nil {
		c.part = append([]byte(nil), b...)
		if len(b) == 0 {
			c.part = nil
		}
	}
	if len(l.out) > 0 {
		l.write(c, l.out)
	}
}

// write writes b, and what the kernel does not take when it does.
func (l *loop) write(c *conn, b []byte) {
	if len(c.rest) > 0 {
		c.rest = append(c.rest, b...)
		return
	}
	n, _ := unix.Write(c.fd, b) // a connection that broke is read next
	if n = max(n, 0); n < len(b) {
		c.rest = append([]byte(nil), b[n:]...)
		_ = unix.EpollCtl(l.poll, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT, Fd: int32(c.fd)})
	}
}

func (l *loop) close(c *conn) {
	l.conns[c.fd] = nil
	if c.joined {
		l.joined.Add(-1)
		delete(l.members, c)
		for _, room := range l.rooms {
			delete(room, c)
		}
	}
	if s := c.session; s != nil && !c.socket && s.poll == c {
		delete(l.polls, s.id)
		l.joined.Add(-1)
	}
	_ = unix.Close(c.fd)
}

// join counts c's client among those that broadcasts go to.
func (l *loop) join(c *conn) {
	c.joined = true
	l.members[c] = struct{}{}
	l.joined.Add(1)
}

// broadcast writes what was emitted: all that is for a client in one write.
func (l *loop) broadcast() {
	l.mu.Lock()
	all := l.emitted
	l.emitted = nil
	if l.o.Recovery {
		for _, e := range all {
			l.starts = append(l.starts, len(l.log))
			l.log = append(l.log, e.frames...)
		}
	}
	l.mu.Unlock()
	var plain, packed []byte
	for _, e := range all {
		if e.room != "" {
			for c := range l.rooms[e.room] {
				l.write(c, e.frames)
			}
			continue
		}
		plain, packed = append(plain, e.frames...), append(packed, e.packed...)
	}
	if len(plain) == 0 {
		return
	}
	for c := range l.members {
		if c.packs {
			l.write(c, packed)
		} else {
			l.write(c, plain)
		}
	}
	for _, s := range l.polls {
		for _, e := range all {
			s.packets = append(s.packets, e.packet)
		}
		l.tell(s)
	}
}
