package listen

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// errRefusing is what serving ends with when the listening socket was closed.
var errRefusing = errors.New("no connections are accepted any more")

// closable is a listener that can be stopped between two connections. While no
// more connections may be served it leaves them in the system's queue for a
// moment, because then most are handshakes that are about to leave: a room that
// comes back at once is let in one after the other, and nobody is sent away,
// health checks before all.
type closable struct {
	net.Listener
	full     func() bool // no more connections may be served; nil: never
	kept     bool        // by systemd, for the next process: what waits in its queue is that one's
	besieged bool        // waiting did not help; owned by the goroutine that accepts
	stopping atomic.Bool
}

const (
	// roomWait is how long no place becomes free where those who have one are not
	// about to leave. Who comes then is refused, as long as that lasts.
	roomWait = time.Second
	roomStep = time.Millisecond
)

// awaitRoom waits for a place for the connection that was accepted.
func (l *closable) awaitRoom() {
	if l.full == nil || !l.full() {
		l.besieged = false
		return
	}
	for began := time.Now(); !l.besieged && l.full() && !l.stopping.Load(); {
		time.Sleep(roomStep) // between two looks
		l.besieged = time.Since(began) > roomWait
	}
}

// stop makes Accept return errRefusing, once it has returned the connections that
// wait, where nobody else would.
func (l *closable) stop() {
	l.stopping.Store(true)
	if d, ok := l.Listener.(interface{ SetDeadline(time.Time) error }); ok && d.SetDeadline(time.Unix(1, 0)) == nil {
		return
	}
	_ = l.Listener.Close() // Accept says what is wrong with it
}

// Accept implements net.Listener.
func (l *closable) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil && l.stopping.Load() {
		return l.acceptWaiting()
	}
	if err == nil {
		l.awaitRoom()
	}
	return c, err
}

// acceptWaiting accepts a connection that the system has accepted: it would be reset. When
// there is none, nothing listens any more.
func (l *closable) acceptWaiting() (net.Conn, error) {
	if socket, ok := l.Listener.(syscall.Conn); ok && !l.kept {
		if c := acceptAtOnce(socket); c != nil {
			return c, nil
		}
		_ = l.Listener.Close() // at once, before another comes
	}
	return nil, errRefusing
}

// firstActivated is the number of the first socket that systemd hands over
// (sd_listen_fds(3)).
const firstActivated = 3

// activated returns the listening socket that systemd hands over, or nil. Of
// several it takes the first.
func activated() (net.Listener, error) {
	count, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || count < 1 || os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	f := os.NewFile(firstActivated, "systemd")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("take the socket from systemd: %w", err)
	}
	return l, nil
}
