package epoll

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// Waker is an epoll instance that can be woken. Its methods may be called concurrently,
// but Close, after which none may.
type Waker struct {
	// Epoll is the descriptor of the instance.
	Epoll int
	wake  int
}

// New makes one. The event that wakes it carries data in its field Fd, and is
// edge-triggered, so that the eventfd never needs to be read.
func New(data int32) (*Waker, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make epoll: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(epoll)
		return nil, fmt.Errorf("make eventfd: %w", err)
	}
	w := &Waker{Epoll: epoll, wake: wake}
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: data}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, wake, &ev); err != nil {
		w.Close()
		return nil, fmt.Errorf("watch eventfd: %w", err)
	}
	return w, nil
}

// Wake makes EpollWait return.
func (w *Waker) Wake() {
	one := [8]byte{0: 1}
	_, _ = unix.Write(w.wake, one[:]) // fails only where the counter is full, and then it is awake
}

// Close closes both descriptors. Nobody may wait any more.
func (w *Waker) Close() {
	_ = unix.Close(w.Epoll)
	_ = unix.Close(w.wake)
}

// Take takes over the socket of a TCP connection, and closes tcp. The descriptor that it
// returns has nothing to do with the runtime's poller, and is not closed by anything that
// still holds tcp. It is -1 where none can be had, and tcp is left alone then.
func Take(tcp *net.TCPConn) int {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return -1
	}
	fd := -1
	if err := raw.Control(func(p uintptr) {
		fd, err = unix.FcntlInt(p, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil || fd < 0 {
		return -1
	}
	_ = tcp.Close() // the socket stays open: fd refers to it
	return fd
}
