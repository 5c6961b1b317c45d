package socketio

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"podium/protocol/engineio"
	"podium/protocol/socketio/parser"
)

// client is one connection and its sockets, at most one per namespace.
//
// OnMessage and OnClose are called by the Engine.IO session, one at a time.
type client struct {
	server *Server
	conn   conn
	dec    atomic.Pointer[parser.Decoder] // used by the reader; nil once the connection has ended
	pace   pace                           // owned by the reader
	part   atomic.Pointer[unfinished]     // the packet that waits for attachments, or nil; put there by the reader

	// mu guards the fields below. No other lock is taken under it.
	mu     sync.Mutex
	first  *Socket // nearly always the only one
	others map[string]*Socket
	joins  uint32      // sockets there ever were
	left   []uint64    // hashes of the names of namespaces that it left last
	timer  *time.Timer // connect timeout, nil once a namespace was joined
	closed bool
}

func (c *client) start() {
	if d := c.server.opts.ConnectTimeout; d > 0 {
		c.mu.Lock()
		c.timer = time.AfterFunc(d, c.connectTimeout)
		c.mu.Unlock()
	}
	if c.conn.Protocol() == 3 {
		c.connect("/", Value{}) // clients up to 2.x are in the main namespace without asking
	}
}

func (c *client) connectTimeout() {
	for _, s := range c.list() {
		if s.Connected() {
			return
		}
	}
	c.close(ReasonForcedServer)
}

// ended reports whether the connection has ended, or is about to.
func (c *client) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// joined stops the connect timeout, and gives back the connection's place among those
// that have not joined: before its client has the answer, and another needs the place.
func (c *client) joined() {
	c.mu.Lock()
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	c.mu.Unlock()
	if l := c.server.opts.Limits; l != nil {
		l.Joined(c.conn.ID())
	}
}

// list returns the sockets of the connection, in the order in which they came.
func (c *client) list() []*Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*Socket
	if c.first != nil {
		out = append(out, c.first)
	}
	for _, s := range c.others {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *Socket) int { return cmp.Compare(a.nth, b.nth) })
	return out
}

// count returns how many sockets the connection has.
func (c *client) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first == nil {
		return len(c.others)
	}
	return 1 + len(c.others)
}

func (c *client) socket(nsp string) *Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first != nil && c.first.nsp.name == nsp {
		return c.first
	}
	return c.others[nsp]
}

// adopt notes s as the connection's socket of its namespace.
func (c *client) adopt(s *Socket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.joins++
	s.nth = c.joins
	if c.first == nil {
		c.first = s
		return true
	}
	if c.others == nil {
		c.others = make(map[string]*Socket)
	}
	c.others[s.nsp.name] = s
	return true
}

// maxLeftNames is how many of the namespaces that it left a connection remembers.
const maxLeftNames = 8

// forget notes that s is no longer the connection's socket of its namespace.
func (c *client) forget(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.first == s:
		c.first = nil
	case c.others[s.nsp.name] == s:
		delete(c.others, s.nsp.name)
	default:
		return
	}
	if c.closed {
		return
	}
	if len(c.left) == maxLeftNames {
		c.left = slices.Delete(c.left, 0, 1)
	}
	c.left = append(c.left, c.server.hash(s.nsp.name))
}

// hasLeft reports whether the client was in a namespace of that name lately, or had
// asked for it.
func (c *client) hasLeft(nsp string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.left) > 0 && slices.Contains(c.left, c.server.hash(nsp))
}

var incoming = sync.Pool{New: func() any { return new(incomingEvent) }}

// incomingEvent is what one message is decoded into, and used again.
type incomingEvent struct {
	packet parser.Packet
	event  Event
}

// OnMessage implements [engineio.Receiver].
func (c *client) OnMessage(data []byte, binary bool) {
	dec := c.dec.Load()
	if dec == nil {
		return
	}
	in := incoming.Get().(*incomingEvent)
	done, err := (*dec).Decode(data, binary, &in.packet)
	if err == nil && !done {
		err = c.keepPart(len(data))
	}
	if err != nil {
		c.fail(err)
	} else if done {
		c.dropPart()
		if c.pace.allows(c.server.started, in.packet.Type, c.server.opts.MaxPacketsPerSecond) {
			c.onPacket(in, len(data))
		} else {
			c.tooFast()
		}
	}
	clear(in.packet.Values)
	in.event.Socket, in.event.Args = nil, nil
	incoming.Put(in)
}

// fail closes the connection after an invalid packet, or a valid one out of place.
// (Socket.IO protocol v5: "the server must close the connection")
func (c *client) fail(err error) {
	for _, s := range c.list() {
		if s.life() != stateConnecting { // those the application does not know
			s.report(err)
		}
	}
	c.close(ReasonForcedClose)
}

func outOfPlace(what string) error { return fmt.Errorf("%w: %s", ErrParse, what) }

// onPacket handles a packet. Nothing of in is kept.
func (c *client) onPacket(in *incomingEvent, size int) {
	p := &in.packet
	switch p.Type {
	case parser.Connect:
		c.onConnect(p)
		return
	case parser.ConnectError:
		c.fail(outOfPlace("packet out of place"))
		return
	}
	s := c.socket(p.Namespace)
	expected := s != nil && (p.Type == parser.Disconnect || s.life() != stateConnecting || c.conn.Protocol() == 3)
	if !expected {
		// What was on its way when the client left is passed over.
		if !c.hasLeft(p.Namespace) {
			c.fail(outOfPlace("packet for a namespace that was not joined"))
		}
		return
	}
	switch p.Type {
	case parser.Event:
		s.onEvent(in, size)
	case parser.Ack:
		s.onAck(p.ID, p.Values)
	case parser.Disconnect:
		if !s.close(ReasonClientDisconnect) {
			s.clientLeft()
		}
	}
}

// onConnect handles a request to join. One for a namespace that the client is in, or
// is being let into, takes the place of the earlier one: official clients that leave
// before they have the answer say nothing, and ask again.
func (c *client) onConnect(p *parser.Packet) {
	name, auth := p.Namespace, p.Values.Get(0)
	if c.conn.Protocol() == 3 {
		name, auth = legacyAuth(name)
	}
	if s := c.socket(name); s != nil {
		switch {
		case s.life().ended(): // it was told that it was put out
		case c.conn.Protocol() == 3 && name == "/":
			return // it is in there already
		case !c.pace.allows(c.server.started, parser.Disconnect, c.server.opts.MaxPacketsPerSecond):
			c.tooFast()
			return
		default:
			s.close(ReasonTransportClose)
		}
		s.clientLeft()
	}
	c.connect(name, auth)
}

// legacyAuth takes the query off that clients up to 2.x put behind a namespace. The
// name stays as it is written, since that is how it comes back to the client.
func legacyAuth(nsp string) (string, Value) {
	name, query, _ := strings.Cut(nsp, "?")
	if query == "" {
		return name, Value{}
	}
	raw, err := lenientQuery(query).MarshalJSON()
	if err != nil {
		return name, Value{}
	}
	return name, parser.NewValue(raw, nil)
}

// lenientQuery reads a query as Node does: what cannot be decoded stays as it is.
func lenientQuery(raw string) flatQuery {
	unescape := func(s string) string {
		if u, err := url.QueryUnescape(s); err == nil {
			return u
		}
		return s
	}
	q := make(flatQuery)
	for pair := range strings.SplitSeq(raw, "&") {
		if name, value, _ := strings.Cut(pair, "="); pair != "" {
			q[unescape(name)] = []string{unescape(value)} // the last counts
		}
	}
	return q
}

// connect answers the request to join a namespace.
func (c *client) connect(name string, auth Value) {
	if n := c.server.opts.MaxAuthBytes; n > 0 && auth.Present() && len(auth.Raw()) > n {
		c.server.stats.tooLargeAuth.Add(1)
		_ = c.refuse(name, &Error{Message: "Payload too large"}) // it may be gone already
		return
	}
	if n := c.server.opts.MaxNamespaces; n > 0 && c.count() >= n { // before one is made for it
		c.server.stats.tooManyNamespaces.Add(1)
		_ = c.refuse(name, &Error{Message: "Too many namespaces"}) // it may be gone already
		return
	}
	auth = auth.Clone()
	nsp := c.server.findFor(name, auth)
	if nsp == nil {
		_ = c.refuse(name, &Error{Message: "Invalid namespace"}) // it may be gone already
		return
	}
	s := nsp.newSocket(c, auth)
	if !c.adopt(s) {
		nsp.leave(s)
		return
	}
	nsp.admit(s, auth)
}

// refuse sends CONNECT_ERROR. Clients up to 2.x get the message alone.
func (c *client) refuse(nsp string, err error) error {
	e := connectError{Message: err.Error()}
	if public := forPeer(err); public != nil {
		e = connectError{public.Message, public.Data}
	}
	p := &parser.Packet{Type: parser.ConnectError, Namespace: nsp, ID: parser.NoID, Args: []any{e}}
	if c.conn.Protocol() == 3 && e.Message != "Invalid namespace" {
		// Clients up to 2.x take one value: the official server gives them the data,
		// or the message where there is none.
		p.Args[0] = e.Message
		if e.Data != nil {
			p.Args[0] = e.Data
		}
	}
	if err := c.send(p); err == nil || errors.Is(err, ErrDisconnected) {
		return err
	}
	// The data cannot be encoded, and the client must not wait for ever.
	c.server.opts.Logger.Warn("socket.io: data of a refusal cannot be encoded", "namespace", nsp, "error", err)
	p.Args[0] = connectError{Message: e.Message}
	if c.conn.Protocol() == 3 {
		p.Args[0] = e.Message
	}
	return c.send(p)
}

// connectError is the payload of CONNECT_ERROR.
type connectError struct {
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

func (c *client) send(p *parser.Packet) error {
	ms, err := c.server.opts.Parser.Encode(p)
	if err != nil {
		return err
	}
	return c.Send(ms...)
}

var _ parser.Sink = (*client)(nil)

// Send implements [parser.Sink].
func (c *client) Send(ms ...*engineio.Message) error {
	if c.conn.Send(ms...) != nil {
		return ErrDisconnected
	}
	return nil
}

// SendText implements [parser.Sink].
func (c *client) SendText(parts ...[]byte) error {
	if c.conn.SendText(parts...) != nil {
		return ErrDisconnected
	}
	return nil
}

// close closes the connection for a reason that the sockets are told.
func (c *client) close(reason Reason) {
	c.end(reason)
	c.conn.Close()
}

// OnClose implements [engineio.Receiver]. It may be called while something is
// sent, under locks that the end needs.
func (c *client) OnClose(reason engineio.Reason, _ error) {
	c.server.workers.start(func() { c.end(Reason(reason)) })
}

// end closes the sockets. The first reason counts.
func (c *client) end(reason Reason) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	c.mu.Unlock()
	c.dec.Store(nil) // with the attachments that came: the peer may take its time to hang up
	c.dropPart()
	for _, s := range c.list() {
		s.close(reason)
	}
	c.server.drop(c)
}
