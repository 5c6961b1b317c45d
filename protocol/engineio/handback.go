package engineio

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"syscall"
)

// handback gives the connections of polls that were parked back to the HTTP servers
// they came from.
type handback struct {
	mu        sync.Mutex // guards the fields below
	listeners map[*http.Server]*handbackListener
	waiting   map[*returned]struct{} // those on which no request has begun to arrive
	closed    bool
	serving   sync.WaitGroup // the goroutines in http.Server.Serve
}

// give hands conn to server, as a new connection, with what was read from it
// already; or closes it where the server takes no more.
func (h *handback) give(server *http.Server, conn net.Conn, early []byte) {
	back := &returned{Conn: conn, to: h, early: early, begun: len(early) > 0}
	l := h.listenerFor(server, back)
	if l == nil || !l.pass(back) {
		_ = back.Close()
	}
}

// listenerFor is the listener of server, or nil after close; back is noted as waiting
// for a request.
func (h *handback) listenerFor(server *http.Server, back *returned) *handbackListener {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	if h.waiting == nil {
		h.waiting = make(map[*returned]struct{})
		h.listeners = make(map[*http.Server]*handbackListener)
	}
	if !back.begun {
		h.waiting[back] = struct{}{}
	}
	l := h.listeners[server]
	if l != nil {
		return l
	}
	l = &handbackListener{conns: make(chan net.Conn), shut: make(chan struct{}), addr: back.LocalAddr()}
	h.listeners[server] = l
	h.serving.Go(func() {
		_ = server.Serve(l) // until either is closed
		_ = l.Close()
		h.mu.Lock()
		delete(h.listeners, server)
		h.mu.Unlock()
	})
	return l
}

// begun notes that a request has begun to arrive on a connection, or that it was closed.
func (h *handback) begun(back *returned) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiting, back)
}

// close ends all listeners and waits until nobody serves them, and closes the
// connections that wait for a request: they are new ones to their server, whose
// Shutdown waits five seconds for the first request of such.
func (h *handback) close() {
	h.mu.Lock()
	h.closed = true
	for _, l := range h.listeners {
		_ = l.Close()
	}
	waiting := h.waiting
	h.waiting = nil
	h.mu.Unlock()
	for back := range waiting {
		_ = back.Conn.Close()
	}
	h.serving.Wait()
}

// handbackListener is a listener through which connections go back to an HTTP server.
type handbackListener struct {
	conns chan net.Conn
	shut  chan struct{}
	once  sync.Once // guards closing shut
	addr  net.Addr
}

var _ net.Listener = (*handbackListener)(nil)

// pass reports whether the server took conn.
func (l *handbackListener) pass(conn net.Conn) bool {
	select {
	case l.conns <- conn:
		return true
	case <-l.shut:
		return false
	}
}

// Accept implements net.Listener.
func (l *handbackListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.shut:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *handbackListener) Close() error {
	l.once.Do(func() { close(l.shut) })
	return nil
}

// Addr implements net.Listener.
func (l *handbackListener) Addr() net.Addr { return l.addr }

// returned is a connection that was given back. Parked again it is taken off: what
// wraps a connection does not grow with the polls on it.
type returned struct {
	net.Conn
	to    *handback
	early []byte // read before, and to be read first; owned by the reader
	begun bool   // a request has begun to arrive; owned by the reader
}

// Read implements net.Conn.
func (r *returned) Read(b []byte) (n int, err error) {
	if len(r.early) > 0 {
		n = copy(b, r.early)
		if r.early = r.early[n:]; len(r.early) == 0 {
			r.early = nil
		}
	} else {
		n, err = r.Conn.Read(b)
	}
	if !r.begun {
		r.begun = true
		r.to.begun(r)
	}
	return n, err
}

// unread is what Read would return first. Nobody may read any more.
func (r *returned) unread() []byte { return r.early }

// Close implements net.Conn.
func (r *returned) Close() error {
	r.to.begun(r)
	return r.Conn.Close()
}

// SyscallConn implements syscall.Conn.
func (r *returned) SyscallConn() (syscall.RawConn, error) {
	if c, ok := r.Conn.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}
