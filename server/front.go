package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"podium/server/answer"
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
	listener net.Listener
	http     *http.Server
	tls      [2]string // certificate and key; empty without TLS
	began    time.Time
	hold     time.Duration

	// handler is nil until opened is closed.
	handler atomic.Pointer[http.Handler]
	opened  chan struct{}
	failed  chan error // one value, when serving ends
}

// Listen takes the listening socket, one that systemd hands over or a new one at
// the settings' address, and begins to accept connections. Either Run gets the
// Front, or the caller closes it.
func (s *Settings) Listen(log *slog.Logger) (*Front, error) {
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
		listener: l, tls: [2]string{s.TLSCert, s.TLSKey}, began: time.Now(), hold: holdLimit,
		opened: make(chan struct{}), failed: make(chan error, 1),
	}
	f.http = &http.Server{
		Handler:           f,
		ReadHeaderTimeout: s.HeaderTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    int(s.MaxHeader),
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go f.serve()
	return f, nil
}

// serve ends when the listener is closed; Close and Shutdown of f.http do that.
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
func (f *Front) Close() error {
	err := f.http.Close()
	if served := <-f.failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
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
