package engineio

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"slices"
	"time"

	"podium/protocol/budget"
)

// A foreign transport is one that this package does not have itself, such as
// WebTransport: it lives in a package of its own, so that only its users carry what it
// needs. Who serves one makes an [Upgrader], and passes the requests that ask for it to
// [Server.ServeHTTP] like all others, so that whatever stands in front of the server
// judges them too. Sessions are of protocol 4. The name of the transport has to be in
// [Options.Transports].

// Connection is one connection of a foreign transport. It carries packets as a
// WebSocket does: text that begins with the type of the packet, and binary messages as
// they are. One goroutine at a time calls Read, and one calls Write.
type Connection interface {
	// Read waits for the client's next packet. data is valid until the next call. An
	// error ends the session: with "parse error" where it is ErrInvalidPacket, with
	// "transport error" for budget.ErrFull, budget.ErrEvicted and
	// os.ErrDeadlineExceeded, and with "transport close" for any other.
	Read() (data []byte, binary bool, err error)
	// Write sends messages in order, and waits for as long as the connection takes no
	// more. An error ends the session.
	Write(ms []*Message) error
	// Close ends the connection, after what was written, and does not wait for that.
	// Read and Write fail from then on, also those that wait. It may be called at any
	// time, and again.
	Close()
}

// Bounds are the options of a [Server] that a Connection keeps to.
type Bounds struct {
	MaxPayload  int64         // bytes of a packet
	BodyTimeout time.Duration // for a packet that has begun to arrive; none where it is not positive
	OpenTimeout time.Duration // for what comes before the connection's first packet, which the server waits for as long
	// Charge opens the charge for the client's packets while they arrive, see
	// budget.Share.Open. It returns nil where nothing is charged.
	Charge func(evict func()) *budget.Charge
}

// Upgrader makes a connection of a request.
type Upgrader interface {
	// Transport is the name of the transport, as Options.Transports has it.
	Transport() string
	// Upgrade answers the request. After an error there is nothing more to be answered.
	Upgrade(w http.ResponseWriter, r *http.Request, b Bounds) (Connection, error)
}

// upgraderKey is what a request's context has its Upgrader under.
type upgraderKey struct{}

// WithUpgrader returns a request that is r, and asks a [Server] for a session, or for
// the upgrade of one, over a connection that u makes of it. Which of the two is said by
// the first packet of the connection.
func WithUpgrader(r *http.Request, u Upgrader) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), upgraderKey{}, u))
}

func upgraderOf(r *http.Request) Upgrader {
	u, _ := r.Context().Value(upgraderKey{}).(Upgrader)
	return u
}

// serveForeign serves a request of a foreign transport.
func (srv *Server) serveForeign(w http.ResponseWriter, r *http.Request, u Upgrader) {
	if refusal := srv.verifyForeign(r, u.Transport()); refusal != nil {
		srv.reject(w, r, refusal, false)
		return
	}
	srv.addHeaders(w, r)
	l := &link{server: srv, transport: u.Transport(), request: srv.kept(r)}
	var err error
	if l.conn, err = u.Upgrade(w, r, l.bounds()); err != nil {
		return
	}
	sid, err := l.readOpen()
	switch {
	case err != nil:
		l.conn.Close()
	case sid == "":
		l.openSession(r)
	default:
		l.probeSession(sid)
	}
}

// verifyForeign judges a request for a foreign transport.
func (srv *Server) verifyForeign(r *http.Request, transport string) *Error {
	switch {
	case !slices.Contains(srv.opts.Transports, transport):
		return ErrUnknownTransport
	case !srv.cors.allowsWebSocket(r): // nor do browsers apply CORS to these
		return errOrigin
	case srv.down.Load():
		return ErrBadRequest
	}
	return nil
}

// link is a foreign connection with what waits to be written to it.
type link struct {
	server    *Server
	session   *Session // set before anything is read after the first packet, or written
	conn      Connection
	transport string
	request   *Request

	// Guarded by session.mu.
	queue   backlog
	taken   int  // bytes that are being written
	writing bool // the writer runs
	over    bool // nothing is read any more, and no writer begins
}

func (l *link) bounds() Bounds {
	o := &l.server.opts
	return Bounds{
		MaxPayload: o.MaxPayload, BodyTimeout: o.BodyTimeout, OpenTimeout: o.UpgradeTimeout,
		Charge: func(evict func()) *budget.Charge {
			if o.Memory == nil {
				return nil
			}
			return o.Memory.Open(l.request.Addr(), evict)
		},
	}
}

// errOpen: the first packet of a connection is not what it has to be.
var errOpen = errors.New("engineio: the connection does not begin with an open packet")

// readOpen reads the first packet: "0" asks for a session, and 0{"sid":"…"} to upgrade
// that one. (Engine.IO protocol v4, "WebTransport")
func (l *link) readOpen() (sid string, err error) {
	timeout := time.AfterFunc(l.server.opts.UpgradeTimeout, l.conn.Close)
	defer timeout.Stop()
	data, binary, err := l.conn.Read()
	if err != nil {
		return "", err
	}
	if binary || len(data) == 0 || data[0] != packetOpen {
		return "", errOpen
	}
	if len(data) == 1 {
		return "", nil
	}
	var open struct {
		SID string `json:"sid"`
	}
	if err := json.Unmarshal(data[1:], &open); err != nil || open.SID == "" {
		return "", errOpen
	}
	return open.SID, nil
}

// openSession opens a session over the link.
func (l *link) openSession(r *http.Request) {
	refusal := l.server.judge(r)
	if refusal == nil {
		l.session, refusal = l.server.newSession(r, codecV4{})
	}
	if refusal != nil {
		l.refuse(r, refusal)
		return
	}
	s := l.session
	s.request = l.request
	s.mu.Lock()
	s.enter(onForeign)
	s.used = true
	s.foreign = l
	s.mu.Unlock()
	if refusal := l.open(); refusal != nil {
		l.refuse(r, refusal)
	}
}

// open sends the open packet and registers the session. Only then the writer may begin:
// what it writes first is that packet, whatever the receiver sends.
func (l *link) open() *Error {
	s := l.session
	s.mu.Lock()
	l.writing = true // nobody else starts one
	_ = l.push(s.openPacket(false))
	s.mu.Unlock()
	if refusal := s.admit(); refusal != nil {
		return refusal
	}
	if !l.server.carry(l.read) {
		s.end(ReasonShutdown, nil)
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l.startWriter()
	return nil
}

// refuse tells the observer why there is no session. Its client finds the connection
// closed, which is all that this transport can say.
func (l *link) refuse(r *http.Request, refusal *Error) {
	if f := l.server.opts.Observer.Refused; f != nil {
		f(r, refusal)
	}
	l.conn.Close()
}

// probeSession has the link probed by the client of a session that polls. One that comes
// while another is being probed, or after the upgrade, is closed, as serveProbe does.
func (l *link) probeSession(sid string) {
	s := l.server.registry.get(sid)
	if s == nil || s.Protocol() != 4 {
		l.conn.Close()
		return
	}
	l.session = s
	p := &probe{session: s, link: l}
	s.mu.Lock()
	s.used = true
	welcome := s.state == polling && s.probe == nil && !s.server.opts.NoUpgrades && l.server.carry(l.read)
	if welcome {
		s.probe = p
		p.timer = time.AfterFunc(s.server.opts.UpgradeTimeout, p.giveUp)
	}
	s.mu.Unlock()
	if !welcome {
		l.conn.Close()
	}
}

// carry runs f, which reads from a link, unless Shutdown was called: that waits for it.
func (srv *Server) carry(f func()) bool {
	srv.opening.RLock()
	defer srv.opening.RUnlock()
	if srv.down.Load() {
		return false
	}
	srv.carrying.Go(f)
	return true
}

// read is the goroutine that hands the client's packets to the session, or to the probe
// that the link is, until the connection ends.
func (l *link) read() {
	s := l.session
	var err error
	for err == nil {
		s.awaitResume(func() {})
		var data []byte
		var binary bool
		if data, binary, err = l.conn.Read(); err != nil {
			break
		}
		if p := l.probe(); p != nil {
			p.receive(data, binary)
		} else if l.carries() {
			s.receive(data, binary)
		} else {
			break // the probe was given up
		}
	}
	p := l.probe()
	s.mu.Lock()
	l.over = true
	s.mu.Unlock()
	switch {
	case p != nil:
		p.closed()
	case l.carries():
		s.end(foreignReason(err), err)
	}
	l.conn.Close()
}

// probe is the probe that the link is yet, or nil.
func (l *link) probe() *probe {
	l.session.mu.Lock()
	defer l.session.mu.Unlock()
	if p := l.session.probe; p != nil && p.link == l {
		return p
	}
	return nil
}

// carries reports whether the link is the session's transport.
func (l *link) carries() bool {
	l.session.mu.Lock()
	defer l.session.mu.Unlock()
	return l.session.foreign == l
}

// foreignReason says why a session ended whose connection could not be read because of err.
func foreignReason(err error) Reason {
	switch {
	case errors.Is(err, ErrInvalidPacket):
		return ReasonParseError
	case errors.Is(err, budget.ErrFull), errors.Is(err, budget.ErrEvicted), errors.Is(err, os.ErrDeadlineExceeded):
		return ReasonTransportError
	}
	return ReasonTransportClose
}

// send queues messages and has them written. It takes session.mu over, and gives it back.
func (l *link) send(ms []*Message) error {
	s := l.session
	if s.state == closing || s.state == closed {
		s.mu.Unlock()
		return ErrClosed
	}
	empty := len(l.queue.packets) == 0
	full := l.push(ms...)
	// What a single call left in an empty queue may exceed the bound, as in enqueue.
	slow := !empty && l.queue.bytes+l.taken > s.server.opts.MaxQueuedBytes
	s.mu.Unlock()
	switch {
	case slow:
		s.end(ReasonTransportError, ErrSlow)
		return ErrSlow
	case full != nil:
		s.end(ReasonTransportError, full)
		return ErrClosed
	}
	s.server.stats.sent.Add(uint64(len(ms)))
	return nil
}

// push queues messages, charges them, and starts the writer. session.mu must be held.
func (l *link) push(ms ...*Message) error {
	l.queue.packets = append(l.queue.packets, ms...)
	for _, m := range ms {
		l.queue.bytes += len(m.Payload())
	}
	if !l.writing {
		l.startWriter()
	}
	return l.session.keep(&l.queue)
}

// startWriter starts the goroutine that writes. session.mu must be held.
func (l *link) startWriter() {
	if l.over {
		return // the connection is no more
	}
	l.writing = true
	l.server.carrying.Go(l.write) // the reader holds the count above zero
}

// write is the goroutine that writes until nothing is queued.
func (l *link) write() {
	s := l.session
	for wrote := false; ; wrote = true {
		b, closedFor := l.take()
		if len(b.packets) == 0 {
			l.drained(wrote, closedFor)
			return
		}
		err := l.conn.Write(b.packets)
		s.mu.Lock()
		l.taken = 0
		b.drop()
		s.mu.Unlock()
		if err != nil {
			l.conn.Close() // the reader reports it
			l.stopWriting()
			return
		}
	}
}

// take takes what is queued, and says why the session is closing, where it is. Nothing
// is taken once that has ended, and the writer stops where there is nothing.
func (l *link) take() (b backlog, closedFor Reason) {
	s := l.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != closed {
		b, l.queue = l.queue, backlog{}
		l.taken = b.bytes
	}
	if len(b.packets) == 0 {
		l.writing = false
	}
	if s.state == closing && s.foreign == l {
		closedFor = s.closing
	}
	return b, closedFor
}

// drained is called when all that was queued has been written.
func (l *link) drained(wrote bool, closedFor Reason) {
	switch {
	case closedFor != "":
		l.session.end(closedFor, nil)
	case wrote && l.carries():
		if f := l.server.opts.Observer.Drained; f != nil {
			f(l.session)
		}
	}
}

// stopWriting gives up what is queued on a connection that is broken.
func (l *link) stopWriting() {
	l.session.mu.Lock()
	defer l.session.mu.Unlock()
	l.writing, l.over = false, true
	l.queue.drop()
}

// buffered is the number of bytes that wait for the client. session.mu must be held.
func (l *link) buffered() int { return l.queue.bytes + l.taken }
