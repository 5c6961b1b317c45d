package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"podium/server/answer"
	"podium/server/limits"
	"podium/server/observe"
)

// holdLimit is how long a request waits for a server that starts, before it is
// answered 503. It lies below the 5 s that health checks wait.
const holdLimit = 4 * time.Second

// Front is a listening socket, and the HTTP server that accepts on it, before
// there is a server behind it. It exists so that nobody is refused while the
// store opens: connections are accepted from the first moment, and requests
// wait for the handler, for at most holdLimit.
//
// Liveness and readiness are answered meanwhile, because who asks wants to
// know of this moment.
type Front struct {
	listener *closable
	http     *http.Server
	sockets  *limits.Gate // the connections that http serves
	tls      [2]string    // certificate and key; empty without TLS
	began    time.Time
	hold     time.Duration
	body     time.Duration // in which the body of a request that waits has to arrive

	// handler is nil until opened is closed.
	handler atomic.Pointer[http.Handler]
	opened  chan struct{}
	failed  chan error // one value, when serving ends

	waiting sync.Map     // connections without a request yet
	silent  atomic.Int64 // how many
}

// Listen takes the listening socket, one that systemd hands over or a new one at
// the settings' address, and begins to accept connections. Either Run gets the
// Front, or the caller closes it.
func (s *Settings) Listen(log *slog.Logger) (*Front, error) {
	s.onFly()
	addresses, err := s.addresses()
	if err != nil {
		return nil, err
	}
	sockets := &socketCount{addresses: addresses, gate: s.socketGate()}
	l, err := activated()
	if err != nil {
		return nil, err
	}
	if l == nil {
		if l, err = net.Listen("tcp", s.listenAddress()); err != nil {
			return nil, fmt.Errorf("listen on %s: %w", s.listenAddress(), err)
		}
	}
	f := &Front{
		listener: &closable{Listener: l, full: sockets.gate.Full}, sockets: sockets.gate, tls: [2]string{s.TLSCert, s.TLSKey}, began: time.Now(), hold: holdLimit, body: s.BodyTimeout,
		opened: make(chan struct{}), failed: make(chan error, 1),
	}
	f.http = &http.Server{
		Handler:           f,
		ReadHeaderTimeout: s.HeaderTimeout,
		WriteTimeout:      s.AnswerTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    int(s.MaxHeader),
		ConnState: func(c net.Conn, state http.ConnState) {
			f.connState(c, state)
			sockets.changed(c, state)
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go f.serve()
	return f, nil
}

// serve accepts connections until the listener is stopped. It closes it.
func (f *Front) serve() {
	if f.tls[0] != "" {
		f.failed <- f.http.ServeTLS(f.listener, f.tls[0], f.tls[1])
		return
	}
	f.failed <- f.http.Serve(f.listener)
}

// Addr is where it listens.
func (f *Front) Addr() net.Addr { return f.listener.Addr() }

// Close ends a Front that no server came to. Requests that wait are cut off:
// their clients try again.
func (f *Front) Close() error { return errors.Join(f.refuse(), f.http.Close()) }

// refuse closes the listening socket, when every connection that was accepted
// is known to the HTTP server: one between the two would be cut in the middle of
// its first request. It is called once.
func (f *Front) refuse() error {
	// On a socket that systemd keeps, connections that were not accepted wait
	// for the next process.
	f.listener.stop()
	if err := <-f.failed; !errors.Is(err, errRefusing) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

const (
	// drainStep is how often connections are looked at that have to end;
	// net/http by itself looks every half second.
	drainStep = 5 * time.Millisecond
	// silence is how long a connection that was accepted may take to send its
	// first request. Browsers open some on which they never ask anything, and
	// net/http by itself gives each of them five seconds.
	silence = 100 * time.Millisecond
)

// drain waits until the requests on the open connections are answered, and
// closes them.
func (f *Front) drain(ctx context.Context, requests *inFlight) error {
	f.http.SetKeepAlivesEnabled(false) // and closes idle connections
	tick := time.NewTicker(drainStep)
	defer tick.Stop()
	// From its Shutdown on, net/http drops requests that it has just read. So
	// that comes when no connection is left that owes one.
	for began := time.Now(); !requests.none() || f.silent.Load() > 0 && time.Since(began) < silence; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), f.http.Close())
		}
	}
	for range int(silence / drainStep) {
		step, cancel := context.WithTimeout(ctx, drainStep)
		err := f.http.Shutdown(step)
		cancel()
		if err == nil {
			return nil
		}
	}
	return f.http.Close()
}

// connState keeps count of connections that have not sent a request yet.
func (f *Front) connState(c net.Conn, state http.ConnState) {
	if state == http.StateNew {
		f.waiting.Store(c, nil)
		f.silent.Add(1)
	} else if _, was := f.waiting.LoadAndDelete(c); was {
		f.silent.Add(-1)
	}
}

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

// stop makes Accept return errRefusing, and leaves what it has not returned to
// the system.
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
		return nil, errRefusing
	}
	if err == nil {
		l.awaitRoom()
	}
	return c, err
}

// open hands waiting and further requests to h. It is called once.
func (f *Front) open(h http.Handler) {
	f.handler.Store(&h)
	close(f.opened)
}

// ServeHTTP passes a request on, or lets it wait.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := f.handler.Load(); h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	if r.ContentLength != 0 && f.body > 0 { // net/http waits for it before the answer leaves
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(f.body)) // best effort: tests have no connection
	}
	switch r.URL.Path {
	case "/health":
		answer.JSON(w, http.StatusOK, observe.Alive(time.Now(), f.began))
		return
	case "/ready":
		answer.JSON(w, http.StatusServiceUnavailable, observe.NotReady("The server is starting."))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), f.hold)
	defer cancel()
	select {
	case <-f.opened:
		(*f.handler.Load()).ServeHTTP(w, r)
	case <-ctx.Done():
		starting := answer.New(http.StatusServiceUnavailable, "The server is starting; please try again in a moment.")
		starting.Retry = time.Second
		starting.Write(w)
	}
}
