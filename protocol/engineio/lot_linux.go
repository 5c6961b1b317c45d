package engineio

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// watch is a parked poll's registration. Guarded by lot.mu.
type watch struct {
	id int32 // 0 where there is none
}

// lot watches the connections of parked polls for clients that go away, with one
// goroutine for all of them. It is made with the first one.
type lot struct {
	mu    sync.Mutex // guards the fields below
	epoll int
	wake  int // eventfd
	last  int32
	polls map[int32]*parked
	state lotState
	ended chan struct{}
}

type lotState uint8

const (
	lotUnused lotState = iota // nothing was parked yet. → lotOpen, lotClosed
	lotOpen                   // → lotClosed
	lotClosed                 // terminal: nothing can be parked
)

// open makes the lot if need be, and reports whether polls can be parked. Where it
// cannot be made, as when the process has no descriptor left, the next poll tries again.
func (l *lot) open() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != lotUnused {
		return l.state == lotOpen
	}
	if l.make() != nil {
		return false // polls wait in their handlers meanwhile
	}
	l.state = lotOpen
	l.polls = make(map[int32]*parked)
	l.ended = make(chan struct{})
	go l.run()
	return true
}

// make makes the descriptors; l.mu must be held.
func (l *lot) make() error {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("make epoll: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		err = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, wake, &unix.EpollEvent{Events: unix.EPOLLIN})
	}
	if err != nil {
		_ = unix.Close(epoll)
		return fmt.Errorf("make eventfd: %w", err)
	}
	l.epoll, l.wake = epoll, wake
	return nil
}

// add watches pk. Session.mu is held, so that its poll is not answered before.
func (l *lot) add(pk *parked) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != lotOpen || pk.raw == nil {
		return // the heartbeat finds out
	}
	for l.last = max(l.last, 0) + 1; l.polls[l.last] != nil; l.last = max(l.last+1, 1) {
	}
	id := l.last
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: id}
	if err := pk.raw.Control(func(fd uintptr) {
		if unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, int(fd), &ev) == nil {
			pk.watch.id = id
			l.polls[id] = pk
		}
	}); err != nil {
		return // closed already: the answer will fail
	}
}

// remove ends the watch of pk.
func (l *lot) remove(pk *parked) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if pk.watch.id == 0 || l.state != lotOpen {
		return
	}
	delete(l.polls, pk.watch.id)
	pk.watch.id = 0
	_ = pk.raw.Control(func(fd uintptr) { // closed: then epoll has forgotten it
		_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, int(fd), nil)
	})
}

// run waits for events until close.
func (l *lot) run() {
	defer close(l.ended)
	events := make([]unix.EpollEvent, 64)
	for {
		n, err := unix.EpollWait(l.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		for _, ev := range events[:max(n, 0)] {
			if ev.Fd == 0 {
				return // close was called
			}
			l.mu.Lock()
			pk := l.polls[ev.Fd]
			l.mu.Unlock()
			if pk != nil && pk.left() {
				pk.gone()
			}
		}
	}
}

// left reports whether the client has closed its end, and not sent its next
// request early, which is kept for later.
func (pk *parked) left() bool {
	var one [1]byte
	left := true
	_ = pk.raw.Control(func(fd uintptr) { // closed: left
		n, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		left = err == nil && n == 0 || err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR)
	})
	return left
}

// close ends the goroutine. No poll is parked any more.
func (l *lot) close() {
	l.mu.Lock()
	before := l.state
	l.state = lotClosed
	l.mu.Unlock()
	if before != lotOpen {
		return
	}
	one := [8]byte{0: 1}
	_, _ = unix.Write(l.wake, one[:]) // its counter is 0: there is room
	<-l.ended
	_ = unix.Close(l.epoll)
	_ = unix.Close(l.wake)
}
