package engineio

import (
	"errors"
	"podium/protocol/internal/epoll"
	"sync"

	"golang.org/x/sys/unix"
)

// watch is a parked poll's registration. Guarded by idlePoller.mu.
type watch struct {
	id int32 // 0 where there is none
}

// idlePoller watches the connections of parked polls for clients that go away, with one
// goroutine for all of them. It is made with the first one.
type idlePoller struct {
	mu    sync.Mutex // guards the fields below
	poll  *epoll.Waker
	last  int32
	polls map[int32]*parked
	state pollerState
	ended chan struct{}
}

type pollerState uint8

const (
	pollerUnused pollerState = iota // nothing was parked yet. → pollerOpen, pollerClosed
	pollerOpen                      // → pollerClosed
	pollerClosed                    // terminal: nothing can be parked
)

// open makes the poller if need be, and reports whether polls can be parked. Where it
// cannot be made, as when the process has no descriptor left, the next poll tries again.
func (p *idlePoller) open() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state != pollerUnused {
		return p.state == pollerOpen
	}
	var err error
	if p.poll, err = epoll.New(0); err != nil {
		return false // polls wait in their handlers meanwhile
	}
	p.state = pollerOpen
	p.polls = make(map[int32]*parked)
	p.ended = make(chan struct{})
	go p.run()
	return true
}

// add watches pk. Session.mu is held, so that its poll is not answered before.
func (p *idlePoller) add(pk *parked) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state != pollerOpen || pk.raw == nil {
		return // the heartbeat finds out
	}
	for p.last = max(p.last, 0) + 1; p.polls[p.last] != nil; p.last = max(p.last+1, 1) {
	}
	id := p.last
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: id}
	if err := pk.raw.Control(func(fd uintptr) {
		if unix.EpollCtl(p.poll.Epoll, unix.EPOLL_CTL_ADD, int(fd), &ev) == nil {
			pk.watch.id = id
			p.polls[id] = pk
		}
	}); err != nil {
		return // closed already: the answer will fail
	}
}

// remove ends the watch of pk.
func (p *idlePoller) remove(pk *parked) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pk.watch.id == 0 || p.state != pollerOpen {
		return
	}
	delete(p.polls, pk.watch.id)
	pk.watch.id = 0
	_ = pk.raw.Control(func(fd uintptr) { // closed: then epoll has forgotten it
		_ = unix.EpollCtl(p.poll.Epoll, unix.EPOLL_CTL_DEL, int(fd), nil)
	})
}

// run waits for events until close.
func (p *idlePoller) run() {
	defer close(p.ended)
	events := make([]unix.EpollEvent, 64)
	for {
		n, err := unix.EpollWait(p.poll.Epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		for _, ev := range events[:max(n, 0)] {
			if ev.Fd == 0 {
				return // close was called
			}
			p.mu.Lock()
			pk := p.polls[ev.Fd]
			p.mu.Unlock()
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
func (p *idlePoller) close() {
	p.mu.Lock()
	before := p.state
	p.state = pollerClosed
	p.mu.Unlock()
	if before != pollerOpen {
		return
	}
	p.poll.Wake()
	<-p.ended
	p.poll.Close()
}
