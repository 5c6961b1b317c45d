package engineio

import (
	"hash/maphash"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"podium/protocol/budget"
	"podium/protocol/websocket"
)

// Packets that are the same for every session.
var (
	packetsPing  = control("2")
	packetsPong  = control("3")
	packetsProbe = control("3probe")
	packetsClose = control("1")
	packetsNoop  = control("6")
)

// Server is an Engine.IO server. All methods are safe for concurrent use.
type Server struct {
	opts      Options
	accept    func(*Session) Receiver
	webSocket *websocket.Server
	registry  *registry
	wheel     *wheel
	cors      *corsPolicy
	stats     counters

	sessions sync.WaitGroup // open sessions
	opening  sync.RWMutex   // held for reading while a session is counted, and for writing to set down
	down     atomic.Bool    // Shutdown was called: no session is counted any more
	ended    chan struct{}  // closed when the first call returns
	endErr   error          // what it returned; set before
	start    sync.Once
	stop     chan struct{}
	turning  sync.WaitGroup // the wheel's goroutine, and those of relief
	carrying sync.WaitGroup // the goroutines of foreign connections
	relief   budget.Relief  // for sessions whose lock is held
	unused   unused
	tellOnce sync.Once // of connections that cannot be taken over
	polls    sync.Pool // *poll

	parking  parking
	idle     idlePoller
	direct   pollLoop
	seed     maphash.Seed // of fingerprints
	handback handback
}

// counters are a Server's since it was made.
type counters struct {
	opened, upgraded, sent, received, tooIdle atomic.Uint64
	pollIn, pollOut                           atomic.Uint64 // bytes
	direct                                    atomic.Uint64
}

// Stats are counters of a Server since it was made, except Sessions and Parked.
type Stats struct {
	Sessions  int    // open now
	Parked    int    // polls that wait without a goroutine, now
	Opened    uint64 // ever opened
	Upgraded  uint64 // moved from polling to WebSocket
	Sent      uint64 // messages written or queued
	Received  uint64 // messages delivered
	PollIn    uint64 // bytes of long-polling bodies that were read
	PollOut   uint64 // bytes of long-polling answers, before compression
	Direct    uint64 // polls and POSTs that were read without net/http, see Options.DirectPolls
	TooIdle   uint64 // sessions that exceeded Options.MaxIdlePackets
	WebSocket websocket.Stats
}

// NewServer makes a server. accept is called once for each session, before any
// of its messages; it may send to the session. Shutdown ends what the server
// starts.
func NewServer(o Options, accept func(*Session) Receiver) *Server {
	o = o.withDefaults()
	return &Server{
		opts:      o,
		accept:    accept,
		webSocket: websocket.NewServer(o.webSocket()),
		registry:  newRegistry(),
		wheel:     newWheel(min(o.PingInterval, o.PingTimeout)),
		cors:      newCORSPolicy(o.CORS),
		stop:      make(chan struct{}),
		ended:     make(chan struct{}),
		seed:      maphash.MakeSeed(),
	}
}

// webSocket are the options of the WebSockets of a server with these.
func (o *Options) webSocket() websocket.Options {
	w := websocket.Options{
		MaxMessageBytes: o.MaxPayload,
		MaxQueuedBytes:  o.MaxQueuedBytes,
		Drained:         drained(o.Observer.Drained),
		Compression:     o.Compression,
		MessageTimeout:  o.BodyTimeout,
		Loops:           o.Loops,
		Logger:          o.Logger,
	}
	if o.Memory != nil {
		w.Charge = charge
	}
	if o.Compression != nil && o.InflatePerSecond > 0 {
		meter := budget.NewMeter(o.InflatePerSecond)
		w.MayInflate = func(h websocket.Handler, size int) time.Duration { return meter.Wait(addressOf(h), size >= large) }
		w.Inflated = func(h websocket.Handler, more int) { meter.Spend(addressOf(h), int64(more)) }
	}
	return w
}

// large is the size in bytes from which a message that inflates waits for its turn
// among those of all addresses.
const large = 64 << 10

// Stats returns the counters.
func (srv *Server) Stats() Stats {
	return Stats{
		Sessions:  srv.registry.len(),
		Parked:    srv.parking.len(),
		Opened:    srv.stats.opened.Load(),
		Upgraded:  srv.stats.upgraded.Load(),
		Sent:      srv.stats.sent.Load(),
		Received:  srv.stats.received.Load(),
		PollIn:    srv.stats.pollIn.Load(),
		PollOut:   srv.stats.pollOut.Load(),
		Direct:    srv.stats.direct.Load(),
		TooIdle:   srv.stats.tooIdle.Load(),
		WebSocket: srv.webSocket.Stats(),
	}
}

// Buffered is the number of bytes that wait for clients, of all sessions
// together. It looks at each of them.
func (srv *Server) Buffered() int {
	n := 0
	srv.registry.each(func(s *Session) bool {
		n += s.Buffered()
		return true
	})
	return n
}

// Session returns the open session of that id.
func (srv *Server) Session(id string) (*Session, bool) {
	s := srv.registry.get(id)
	return s, s != nil
}

// Sessions calls each for the open sessions until it returns false.
func (srv *Server) Sessions(each func(*Session) bool) { srv.registry.each(each) }

// ServeHTTP serves the requests of all transports, at whatever path it is
// mounted.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if u := upgraderOf(r); u != nil {
		srv.serveForeign(w, r, u)
		return
	}
	if r.ContentLength != 0 {
		srv.limitBody(w)
	}
	wantsWebSocket := websocket.IsUpgrade(r)
	if srv.cors.handle(w, r) {
		return
	}
	q := parseQuery(r.URL.RawQuery)
	s, refusal := srv.verify(r, &q, wantsWebSocket)
	if refusal != nil {
		srv.reject(w, r, refusal, wantsWebSocket)
		return
	}
	if !wantsWebSocket {
		guardOldBrowser(w, r)
	}
	if s == nil {
		srv.handshake(w, r, &q, wantsWebSocket)
		return
	}
	srv.addHeaders(w, r)
	if wantsWebSocket {
		s.serveProbe(w, r, &q)
	} else {
		s.servePolling(w, r, &q)
	}
}

// addHeaders calls the hook for the headers of an answer.
func (srv *Server) addHeaders(w http.ResponseWriter, r *http.Request) {
	if f := srv.opts.Headers; f != nil {
		f(w.Header(), r)
	}
}

// verify judges a request in the order of the official server and returns the
// session that it names, or nil for a handshake.
func (srv *Server) verify(r *http.Request, q *query, wantsWebSocket bool) (*Session, *Error) {
	if q.transport != TransportPolling && q.transport != TransportWebSocket || !slices.Contains(srv.opts.Transports, q.transport) {
		return nil, ErrUnknownTransport
	}
	if wantsWebSocket && !srv.cors.allowsWebSocket(r) {
		return nil, errOrigin
	}
	if q.jsonp && !wantsWebSocket {
		// A script is read by any page that names it. Protocol 4 has no such transport.
		if q.protocol() != 3 {
			return nil, ErrBadRequest
		}
		if !srv.cors.allowsScript(r) {
			return nil, errOrigin
		}
	}
	if q.sid != "" {
		return srv.named(q, wantsWebSocket)
	}
	if srv.down.Load() { // those that are there may fetch what is theirs
		return nil, ErrBadRequest
	}
	if r.Method != http.MethodGet {
		return nil, ErrBadHandshakeMethod
	}
	if wantsWebSocket != (q.transport == TransportWebSocket) {
		return nil, errMismatch
	}
	return nil, nil
}

// named is the session that the query names, if the request fits it.
func (srv *Server) named(q *query, wantsWebSocket bool) (*Session, *Error) {
	s := srv.registry.get(q.sid)
	if s == nil {
		return nil, ErrUnknownSession
	}
	if s.expired() {
		s.end(ReasonPingTimeout, nil)
		return nil, ErrUnknownSession
	}
	if wantsWebSocket != (q.transport == TransportWebSocket) || !wantsWebSocket && s.Transport() != q.transport {
		return nil, errMismatch
	}
	if s.Protocol() != q.protocol() {
		return nil, ErrBadRequest
	}
	return s, nil
}

// handshake opens a session. (Engine.IO protocol v4, "Handshake")
func (srv *Server) handshake(w http.ResponseWriter, r *http.Request, q *query, wantsWebSocket bool) {
	if refusal := srv.judge(r); refusal != nil {
		srv.reject(w, r, refusal, wantsWebSocket)
		return
	}
	var c codec = codecV4{}
	if q.protocol() == 3 {
		if !srv.opts.AllowEIO3 {
			srv.reject(w, r, ErrUnsupportedProtocol, wantsWebSocket)
			return
		}
		c = codecV3{}
	}
	s, refusal := srv.newSession(r, c)
	if refusal != nil {
		srv.reject(w, r, refusal, wantsWebSocket)
		return
	}
	s.request = srv.kept(r)
	s.textPolls = q.base64 || q.jsonp
	if srv.opts.Cookie != nil && !wantsWebSocket { // it is for the requests that follow
		http.SetCookie(w, srv.cookie(s.id))
	}
	if f := srv.opts.InitialHeaders; f != nil {
		f(w.Header(), r)
	}
	srv.addHeaders(w, r)
	if wantsWebSocket {
		s.openWebSocket(w, r, q)
		return
	}
	s.openPolling(w, r, q)
}

// judge asks Options.AllowRequest.
func (srv *Server) judge(r *http.Request) *Error {
	if f := srv.opts.AllowRequest; f != nil {
		if err := f(r); err != nil {
			return forbidden(err)
		}
	}
	return nil
}

// newSession makes a session, without its request, unless there is no room for it.
func (srv *Server) newSession(r *http.Request, c codec) (*Session, *Error) {
	if n := srv.opts.MaxSessions; n > 0 && srv.registry.len() >= n { // register has the last word
		return nil, errFull
	}
	id, err := srv.newID(r)
	if err != nil {
		srv.opts.Logger.Error("engine.io: make a session id", "error", err)
		return nil, errNewID
	}
	return &Session{server: srv, id: id, codec: c}, nil
}

// kept is what stays of a handshake's request.
func (srv *Server) kept(r *http.Request) *Request {
	if f := srv.opts.Keep; f != nil {
		r = f(r)
	}
	return newRequest(r)
}

// forbidden makes the refusal of what AllowRequest returned.
func forbidden(err error) *Error {
	if e, ok := err.(*Error); ok {
		return e
	}
	return &Error{Code: ErrForbidden.Code, Message: err.Error()}
}

func (srv *Server) cookie(sid string) *http.Cookie {
	c := *srv.opts.Cookie
	c.Value = sid
	if !srv.opts.CookieWithoutPath {
		c.Path = or(c.Path, "/")
	}
	c.SameSite = or(c.SameSite, http.SameSiteLaxMode)
	return &c
}

// register puts a session into the registry, unless there is no room for it, another
// one has its id, or Shutdown was called: that finds every session that is registered,
// and waits for it.
func (srv *Server) register(s *Session) *Error {
	srv.opening.RLock()
	defer srv.opening.RUnlock()
	if srv.down.Load() {
		return ErrBadRequest
	}
	srv.sessions.Add(1)
	if refusal := srv.registry.add(s, srv.opts.MaxSessions); refusal != nil {
		srv.sessions.Done()
		return refusal
	}
	srv.start.Do(func() { srv.turning.Go(func() { srv.wheel.run(srv.stop) }) })
	return nil
}

// admit registers a session and gets its receiver. Messages that arrive meanwhile
// wait. It returns why the session must not be, or nil.
func (s *Session) admit() *Error {
	srv := s.server
	s.recvMu.Lock()
	if refusal := srv.register(s); refusal != nil {
		s.recvMu.Unlock()
		return refusal
	}
	srv.stats.opened.Add(1)
	s.beginHeartbeat()
	s.callReceiver(func() {
		s.tellOpened() // before accept, in which clients up to 2.x have joined already
		s.receiver = srv.accept(s)
	})
	s.reportEnd()
	return nil
}

func (s *Session) tellOpened() {
	if f := s.server.opts.Observer.Opened; f != nil {
		f(s)
	}
}

// openPacket is the handshake's answer. (Engine.IO protocol v4, "Handshake")
func (s *Session) openPacket(upgrades bool) *Message {
	o := &s.server.opts
	b := make([]byte, 0, 128)
	b = append(b, packetOpen)
	b = append(b, `{"sid":"`...)
	b = append(b, s.id...) // see validID: nothing to escape
	b = append(b, `","upgrades":[`...)
	if upgrades && !o.NoUpgrades {
		b = s.appendUpgrades(b)
	}
	b = append(b, `],"pingInterval":`...)
	b = strconv.AppendInt(b, o.PingInterval.Milliseconds(), 10)
	b = append(b, `,"pingTimeout":`...)
	b = strconv.AppendInt(b, o.PingTimeout.Milliseconds(), 10)
	b = append(b, `,"maxPayload":`...)
	b = strconv.AppendInt(b, o.MaxPayload, 10)
	b = append(b, '}')
	return websocket.NewMessage(websocket.OpText, b)
}

// appendUpgrades appends the names of the transports that a client that polls may move
// to: WebSocket first, as in the official server, and in protocol 3 alone.
func (s *Session) appendUpgrades(b []byte) []byte {
	separator := ""
	if slices.Contains(s.server.opts.Transports, TransportWebSocket) {
		b = append(b, `"websocket"`...)
		separator = ","
	}
	for _, name := range s.server.opts.Transports {
		if name == TransportPolling || name == TransportWebSocket || s.Protocol() == 3 {
			continue
		}
		b = append(b, separator...)
		b = strconv.AppendQuote(b, name)
		separator = ","
	}
	return b
}
