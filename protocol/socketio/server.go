package socketio

import (
	"hash/maphash"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"podium/protocol/budget"
	"podium/protocol/engineio"
	"podium/protocol/socketio/parser"
)

// Server is a Socket.IO server: an [http.Handler] to be mounted at its path,
// by default /socket.io/. All methods are safe for concurrent use.
type Server struct {
	opts    Options
	self    string // names this process among the servers of a cluster
	engine  *engineio.Server
	handler atomic.Pointer[http.Handler] // engine behind its middleware
	names   parser.Names
	// base64Fields are the fields that warnOfBase64 has told of, by name.
	base64Fields sync.Map
	seed         maphash.Seed // of hash
	publisher    *publisher   // nil without recovery
	sessions     *saver       // nil without recovery
	cluster      *cluster     // nil where the server is alone
	forwarder    *forwarder   // nil where it has no name among others
	workers      workers
	relief       budget.Relief // for sockets whose lock is held
	started      time.Time     // when it was made
	stats        counters
	ending       sync.Once
	endErr       error // set by ending

	// mu guards the fields below, and dynamic.list. No other lock is taken
	// under it.
	mu         sync.RWMutex
	nsps       map[string]*Namespace
	dynamics   []*dynamic
	onNew      []*namespaceHook
	middleware []func(http.Handler) http.Handler
	clients    map[*client]struct{}
	closed     bool
}

// NewServer makes a server. It logs an error and goes on alone where its cluster
// cannot be joined.
func NewServer(o Options) *Server {
	srv := &Server{
		opts:    o.withDefaults(),
		self:    randomHex(),
		nsps:    make(map[string]*Namespace),
		clients: make(map[*client]struct{}),
		seed:    maphash.MakeSeed(),
		started: time.Now(),
	}
	srv.workers.idle = make(chan struct{}, 1)
	srv.nsps["/"] = &Namespace{server: srv, name: "/"}
	if o.Recovery != nil {
		srv.sessions = newSaver(srv, *o.Recovery)
		srv.publisher = newPublisher(srv, *o.Recovery)
	}
	if o.Cluster != nil {
		if err := openCluster(srv, o.Cluster); err != nil {
			srv.opts.Logger.Error("socket.io cluster", "error", err)
		}
	}
	if srv.cluster != nil && srv.opts.Engine.NodeID != "" {
		srv.forwarder = newForwarder(srv)
	}
	if srv.opts.Limits != nil {
		srv.opts.Limits.Apply(&srv.opts.Engine)
	}
	srv.engine = engineio.NewServer(srv.opts.Engine, srv.accept)
	srv.serveWith(srv.engine)
	return srv
}

// accept takes a new Engine.IO session.
func (srv *Server) accept(session *engineio.Session) engineio.Receiver {
	return srv.attach(engineConn{session})
}

// attach takes a new connection.
func (srv *Server) attach(cn conn) *client {
	c := &client{server: srv, conn: cn}
	dec := srv.opts.Parser.NewDecoder()
	c.dec.Store(&dec)
	if d, ok := dec.(parser.NamesUser); ok {
		d.UseNames(&srv.names)
	}
	srv.mu.Lock()
	closed := srv.closed
	if !closed {
		srv.clients[c] = struct{}{}
	}
	srv.mu.Unlock()
	if closed {
		c.closed = true
		srv.workers.start(cn.Close) // not here: the session has no receiver yet
		return c
	}
	c.start()
	return c
}

func (srv *Server) drop(c *client) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	delete(srv.clients, c)
}

// ServeHTTP serves Engine.IO requests. One for a session of another server of the
// cluster it passes on to that, where both have an [Options].Address and an
// engineio.Options.NodeID: no proxy in front need know which server a client was at.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f := srv.forwarder; f != nil {
		if f.forward(w, r) {
			return
		}
		r = f.receive(r)
	}
	(*srv.handler.Load()).ServeHTTP(w, r)
}

// Use puts HTTP middleware in front of the Engine.IO requests, as
// io.engine.use does in Node. Those added first are called first.
func (srv *Server) Use(f func(http.Handler) http.Handler) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.middleware = append(srv.middleware, f)
	var h http.Handler = srv.engine
	for i := len(srv.middleware) - 1; i >= 0; i-- {
		h = srv.middleware[i](h)
	}
	srv.serveWith(h)
}

// serveWith serves requests with h, behind the limits.
func (srv *Server) serveWith(h http.Handler) {
	if l := srv.opts.Limits; l != nil {
		h = l.Handler(h)
	}
	srv.handler.Store(&h)
}

// Engine returns the Engine.IO server below.
func (srv *Server) Engine() *engineio.Server { return srv.engine }

// Connections returns how many connections there are, those that have joined
// no namespace included.
func (srv *Server) Connections() int {
	srv.mu.RLock()
	defer srv.mu.RUnlock()
	return len(srv.clients)
}

// noteName remembers an event or namespace name, so that decoding it makes no
// new string.
func (srv *Server) noteName(name string) { srv.names.Add(name) }

// hash is of a name that need not be kept.
func (srv *Server) hash(name string) uint64 { return maphash.String(srv.seed, name) }

func (srv *Server) hookTable() *hooks { return &srv.Of("/").hooks }

// OnConnection is [Namespace.OnConnection] of the main namespace.
func (srv *Server) OnConnection(f func(s *Socket), opts ...HandlerOption) (remove func()) {
	return srv.Of("/").OnConnection(f, opts...)
}

// Emit is [Namespace.Emit] of the main namespace.
func (srv *Server) Emit(event string, args ...any) error { return srv.Of("/").Emit(event, args...) }

// To is [Namespace.To] of the main namespace.
func (srv *Server) To(rooms ...string) Broadcast { return srv.Of("/").To(rooms...) }
