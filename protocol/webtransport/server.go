package webtransport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	wt "github.com/quic-go/webtransport-go"

	"podium/protocol/budget"
	"podium/protocol/engineio"
	"podium/protocol/limits"
)

// Transport is the name of the transport, for engineio.Options.Transports.
const Transport = "webtransport"

// Options configure a Server.
type Options struct {
	// Handler is the Engine.IO or Socket.IO server, with all that stands in front of it
	// over HTTP: middleware, routes, limits. It gets nothing but the requests that ask
	// for WebTransport, whose method is CONNECT.
	Handler http.Handler
	// TLS has the certificate. QUIC needs TLS 1.3, which needs no setting.
	TLS *tls.Config
	// Connections bounds the QUIC connections, by the address of their client and in
	// total. Nil is no bound. A connection takes some ConnectionBytes, which
	// limits.Gate.Charge can charge.
	Connections *limits.Gate
	// Memory, when set, is charged with what connections may have to keep of what
	// arrives, beyond that: where there is no room, their clients send in smaller
	// pieces. What messages take is charged to engineio.Options.Memory.
	Memory *budget.Share
	// MaxHeader bounds the bytes of a request's headers. Zero means 16 KiB.
	MaxHeader int
	// HandshakeTimeout is how long a connection may take until it asks for WebTransport.
	// Zero means 10 s.
	HandshakeTimeout time.Duration
	// Logger is told of what QUIC does, at level debug. Nil means slog.Default().
	Logger *slog.Logger
}

// ConnectionBytes is about what an idle connection takes, with the QUIC library's
// goroutines and the window that its client may fill at once: see TestMemory.
const ConnectionBytes = 192 << 10

// Windows: what a client may send before it is read, in bytes. They begin small, and
// what they grow by is charged.
const (
	firstWindow   = 32 << 10
	largestWindow = 256 << 10
)

const (
	// openStreams is how many streams a client may have at a time, of each kind:
	// HTTP/3 takes three, the session one, its packets another, and new ones may come
	// while old ones go.
	openStreams = 8
	// keepAlive keeps the connection through the silence between two heartbeats, which
	// browsers take for the end after 30 s, and networks forget.
	keepAlive = 15 * time.Second
	// idleTimeout ends a connection whose client is gone.
	idleTimeout = 60 * time.Second
	// believed is how many handshakes may be under way before clients have to show that
	// their address is theirs, for a round trip more.
	believed = 64
)

// errFull refuses a connection.
var errFull = errors.New("webtransport: too many connections")

// Server serves WebTransport over UDP. All methods are safe for concurrent use.
type Server struct {
	opts  Options
	h3    *wt.Server
	young atomic.Int64 // connections in their TLS handshake

	ctx     context.Context // ends when no more connections are accepted
	stop    context.CancelFunc
	serving sync.WaitGroup // calls of Serve
	running sync.WaitGroup // connections, and what ends them

	mu    sync.Mutex // guards the fields below
	down  bool
	peers map[*peer]struct{}
}

// NewServer makes a server. Shutdown ends what it starts.
func NewServer(o Options) *Server {
	if o.MaxHeader == 0 {
		o.MaxHeader = 16 << 10
	}
	if o.HandshakeTimeout == 0 {
		o.HandshakeTimeout = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Server{opts: o, peers: make(map[*peer]struct{})}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.h3 = &wt.Server{
		H3: &http3.Server{
			Handler:        http.HandlerFunc(s.serveHTTP),
			MaxHeaderBytes: o.MaxHeader,
			Logger:         o.Logger.With("from", "http3"),
		},
		CheckOrigin: func(*http.Request) bool { return true }, // the Engine.IO server does
	}
	return s
}

// Serve serves what arrives at conn until Shutdown, and closes it. After Shutdown it
// returns http.ErrServerClosed.
func (s *Server) Serve(conn net.PacketConn) error {
	defer conn.Close()
	if !s.enter() {
		return http.ErrServerClosed
	}
	defer s.serving.Done()
	transport := &quic.Transport{
		Conn:                conn,
		ConnContext:         s.meet,
		VerifySourceAddress: func(net.Addr) bool { return s.young.Load() > believed },
	}
	defer transport.Close()
	listener, err := transport.Listen(http3.ConfigureTLSConfig(s.opts.TLS), s.quicConfig())
	if err != nil {
		return fmt.Errorf("webtransport: listen on %s: %w", conn.LocalAddr(), err)
	}
	defer s.running.Wait() // the socket has to carry their last words
	for {
		c, err := listener.Accept(s.ctx)
		if s.ctx.Err() != nil {
			return http.ErrServerClosed
		}
		if err != nil {
			return fmt.Errorf("webtransport: accept on %s: %w", conn.LocalAddr(), err)
		}
		s.welcome(c)
	}
}

// enter counts a call of Serve, unless Shutdown was called.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return false
	}
	s.serving.Add(1)
	return true
}

func (s *Server) quicConfig() *quic.Config {
	return &quic.Config{
		EnableDatagrams: true, EnableStreamResetPartialDelivery: true, // which WebTransport wants
		InitialStreamReceiveWindow: firstWindow, InitialConnectionReceiveWindow: firstWindow,
		MaxStreamReceiveWindow: largestWindow, MaxConnectionReceiveWindow: largestWindow,
		AllowConnectionWindowIncrease: func(c *quic.Conn, more uint64) bool {
			p := peerOf(c.Context())
			return p != nil && p.window.TryHold(int64(more)) == nil
		},
		MaxIncomingStreams: openStreams, MaxIncomingUniStreams: openStreams,
		HandshakeIdleTimeout: s.opts.HandshakeTimeout / 2, MaxIdleTimeout: idleTimeout, KeepAlivePeriod: keepAlive,
	}
}

// peer is a client's connection.
type peer struct {
	server *Server
	addr   netip.Addr
	grown  func()         // its TLS handshake is over
	window *budget.Charge // of what it may send beyond firstWindow

	// Guarded by Server.mu.
	conn    *quic.Conn
	silence *time.Timer // ends it where it does not ask for WebTransport
	session *connection // nil before it does
}

// peerKey is what a connection's context has its peer under.
type peerKey struct{}

func peerOf(ctx context.Context) *peer {
	p, _ := ctx.Value(peerKey{}).(*peer)
	return p
}

// meet is quic.Transport.ConnContext: it takes a place for the connection, as long as
// that has a context.
func (s *Server) meet(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
	from, _ := netip.ParseAddrPort(info.RemoteAddr.String())
	p := &peer{server: s, addr: from.Addr().Unmap()}
	if !s.opts.Connections.Enter(p.addr) {
		return nil, errFull
	}
	p.window = s.opts.Memory.Open(p.addr, nil)
	s.young.Add(1)
	p.grown = sync.OnceFunc(func() { s.young.Add(-1) })
	context.AfterFunc(ctx, func() {
		p.grown()
		p.window.Close()
		s.opts.Connections.Leave(p.addr)
	})
	return context.WithValue(ctx, peerKey{}, p), nil
}

// welcome serves a connection whose TLS handshake is done.
func (s *Server) welcome(c *quic.Conn) {
	p := peerOf(c.Context())
	p.grown()
	s.mu.Lock()
	defer s.mu.Unlock()
	p.conn = c
	s.peers[p] = struct{}{}
	p.silence = time.AfterFunc(s.opts.HandshakeTimeout, p.hangUp)
	s.running.Go(func() {
		if err := s.h3.ServeQUICConn(c); err != nil {
			s.opts.Logger.Debug("webtransport: serve a connection", "error", err)
		}
		p.hangUp()
		s.mu.Lock()
		delete(s.peers, p)
		session := p.session
		s.mu.Unlock()
		if session != nil {
			session.Close()
		}
	})
}

// hangUp ends the connection at once.
func (p *peer) hangUp() {
	p.server.mu.Lock()
	p.silence.Stop()
	c := p.conn
	p.server.mu.Unlock()
	_ = c.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "") // it says that it is closed already
}

// serveHTTP passes on requests for WebTransport. HTTP/3 is offered for nothing else: a
// client that was sent here by mistake shall ask over another connection (RFC 9110,
// section 15.5.20).
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	p := peerOf(r.Context())
	if p == nil || r.Method != http.MethodConnect || r.Proto != "webtransport" && r.Proto != "webtransport-h3" {
		w.WriteHeader(http.StatusMisdirectedRequest)
		return
	}
	s.opts.Handler.ServeHTTP(w, engineio.WithUpgrader(r, upgrader{peer: p, answer: w}))
}

// upgrader makes the connection of a request. answer is the ResponseWriter as it was
// before middleware wrapped it.
type upgrader struct {
	peer   *peer
	answer http.ResponseWriter
}

var _ engineio.Upgrader = upgrader{}

// Transport implements engineio.Upgrader.
func (upgrader) Transport() string { return Transport }

// Upgrade implements engineio.Upgrader.
func (u upgrader) Upgrade(_ http.ResponseWriter, r *http.Request, b engineio.Bounds) (engineio.Connection, error) {
	s := u.peer.server
	session, err := s.h3.Upgrade(u.answer, r)
	if err != nil {
		s.opts.Logger.Debug("webtransport: open a session", "error", err)
		u.answer.WriteHeader(http.StatusBadRequest) // too late where the answer was begun
		return nil, err
	}
	c := newConnection(u.peer, session, b)
	s.mu.Lock()
	u.peer.silence.Stop()
	u.peer.session = c
	down := s.down
	s.mu.Unlock()
	if down {
		c.Close()
	}
	return c, nil
}

// Shutdown accepts no more connections, closes those that are left, after what was
// written to them, and returns when nothing runs any more. Engine.IO's sessions are
// told by the end of their connections: who shuts their server down first ends them in
// the orderly way. When ctx ends what is left is cut, and its error returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.down = true
	for p := range s.peers {
		if p.session != nil {
			p.session.Close()
		} else {
			s.running.Go(p.hangUp)
		}
	}
	s.mu.Unlock()
	s.stop()
	ended := make(chan struct{})
	go func() {
		s.serving.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	_ = s.h3.Close()
	<-ended
	return ctx.Err()
}
