package listen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"podium/protocol/limits"
	"podium/protocol/websocket"
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
	listener *closable
	http     *http.Server
	sockets  *limits.Gate // the connections that http serves
	tls      [2]string    // certificate and key; empty without TLS
	packets  net.PacketConn
	began    time.Time
	hold     time.Duration
	body     time.Duration // in which the body of a request that waits has to arrive

	// handler is nil until opened is closed.
	handler atomic.Pointer[http.Handler]
	opened  chan struct{}

	done chan struct{} // closed when serving has ended
	err  error         // why; set before done is closed

	waiting sync.Map     // connections without a request yet
	silent  atomic.Int64 // how many
}

// Options say where a Front listens, and how long its requests may take.
type Options struct {
	// Address is host:port. A socket that systemd hands over takes its place.
	Address string
	// TLSCert and TLSKey are the files of a certificate and its key. Both are empty
	// where something in front terminates TLS.
	TLSCert, TLSKey string
	// UDP takes the UDP port of the same number too, see Front.Packets.
	UDP bool

	// Addresses tells proxies from clients, and Sockets counts the connections that
	// net/http serves.
	Addresses *limits.Addresses
	Sockets   *limits.Gate

	HeaderTimeout, BodyTimeout, AnswerTimeout time.Duration
	MaxHeader                                 int // bytes
	Logger                                    *slog.Logger
}

// New takes the listening socket and begins to accept connections. Either a server is
// put behind the Front by Open, or the caller closes it.
func New(o Options) (*Front, error) {
	sockets := &socketCount{addresses: o.Addresses, gate: o.Sockets}
	l, err := activated()
	if err != nil {
		return nil, err
	}
	kept := l != nil
	if !kept {
		if l, err = net.Listen("tcp", o.Address); err != nil {
			return nil, fmt.Errorf("listen on %s: %w", o.Address, err)
		}
	}
	packets, err := beside(l, o.UDP)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	f := &Front{
		listener: &closable{Listener: l, full: o.Sockets.Full, kept: kept}, sockets: o.Sockets, tls: [2]string{o.TLSCert, o.TLSKey}, packets: packets,
		began: time.Now(), hold: holdLimit, body: o.BodyTimeout,
		opened: make(chan struct{}), done: make(chan struct{}),
	}
	f.http = &http.Server{
		Handler:           f,
		ReadHeaderTimeout: o.HeaderTimeout,
		WriteTimeout:      o.AnswerTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    o.MaxHeader,
		ConnState: func(c net.Conn, state http.ConnState) {
			f.connState(c, state)
			sockets.changed(c, state)
		},
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	go f.serve()
	return f, nil
}

// beside takes the UDP port that has the number of l's, where it is wanted.
func beside(l net.Listener, wanted bool) (net.PacketConn, error) {
	if !wanted {
		return nil, nil
	}
	packets, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		return nil, fmt.Errorf("listen on the UDP port of %s: %w", l.Addr(), err)
	}
	return packets, nil
}

// serve accepts connections until the listener is stopped. It closes it.
func (f *Front) serve() {
	defer close(f.done)
	if f.tls[0] != "" {
		f.err = f.http.ServeTLS(websocket.NewListener(f.listener), f.tls[0], f.tls[1])
		return
	}
	f.err = f.http.Serve(f.listener)
}

// Sockets is the gate that counts the connections.
func (f *Front) Sockets() *limits.Gate { return f.sockets }

// Done is closed when no connections are accepted any more: Refuse says why.
func (f *Front) Done() <-chan struct{} { return f.done }

// Addr is where it listens.
func (f *Front) Addr() net.Addr { return f.listener.Addr() }

// Packets is the UDP port, which is for who serves QUIC to read from and to close; nil
// where it was not asked for.
func (f *Front) Packets() net.PacketConn { return f.packets }

// Close ends a Front that no server came to. Requests that wait are cut off:
// their clients try again.
func (f *Front) Close() error {
	err := errors.Join(f.Refuse(), f.http.Close())
	if f.packets != nil {
		err = errors.Join(err, f.packets.Close())
	}
	return err
}

// Refuse closes the listening socket, when every connection that was accepted
// is known to the HTTP server: one between the two would be cut in the middle of
// its first request. It returns the error that ended serving before, if one did.
func (f *Front) Refuse() error {
	// On a socket that systemd keeps, connections that were not accepted wait
	// for the next process.
	f.listener.stop()
	<-f.done
	if !errors.Is(f.err, errRefusing) {
		return fmt.Errorf("serve: %w", f.err)
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

// Drain waits until the requests on the open connections are answered, which idle
// tells of those that have been read, and closes them.
func (f *Front) Drain(ctx context.Context, idle func() bool) error {
	f.http.SetKeepAlivesEnabled(false) // and closes idle connections
	tick := time.NewTicker(drainStep)
	defer tick.Stop()
	// From its Shutdown on, net/http drops requests that it has just read. So
	// that comes when no connection is left that owes one.
	for began := time.Now(); !idle() || f.silent.Load() > 0 && time.Since(began) < silence; {
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

// Open hands waiting and further requests to h. It is called once.
func (f *Front) Open(h http.Handler) {
	f.handler.Store(&h)
	close(f.opened)
}

// ServeHTTP passes a request on, or lets it wait.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A connection whose requests came all at once is let wait behind everybody else before
	// each of them: its goroutine would keep a processor for as long as they take.
	runtime.Gosched()
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
		starting := answer.New(http.StatusServiceUnavailable, "The server is starting; please try again in a moment.").Coded("stopping")
		starting.Retry = time.Second
		starting.Write(w)
	}
}
