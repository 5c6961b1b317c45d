package socketio

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"iter"
	"regexp"
	"sync/atomic"
)

// Namespace is one channel of communication over the shared connections.
// Handlers registered on it serve all its sockets. All methods are safe for
// concurrent use.
//
// A namespace made by [Server.OfPattern] or [Server.OfFunc] stands for all
// those that match: its handlers and middleware serve their sockets, and what
// it emits goes to all of them.
type Namespace struct {
	server *Server
	name   string
	parent *dynamic // the pattern or function that stands for it, or nil
	kids   *dynamic // where this is itself a pattern or function

	// announced is closed when the hooks for new namespaces have returned; nil
	// where there were none.
	announced chan struct{}

	hooks  hooks
	roster roster
	counts eventCounts
	ackIDs atomic.Int64
	live   atomic.Int64 // sockets, connecting ones included
}

// dynamic is a pattern or function and the namespaces that it stands for.
type dynamic struct {
	match   func(name string, auth Value) bool
	pattern *regexp.Regexp        // nil for a function
	nsp     *Namespace            // carries the handlers
	list    map[string]*Namespace // guarded by Server.mu
}

// announce tells the hooks of a namespace that was just made.
func (n *Namespace) announce(hooks []*namespaceHook) {
	if n.announced == nil {
		return
	}
	defer close(n.announced)
	for _, h := range hooks {
		h.f(n)
	}
}

func (n *Namespace) hookTable() *hooks     { return &n.hooks }
func (n *Namespace) noteName(event string) { n.server.noteName(event) }

// Name returns the name, "/" or "/name".
func (n *Namespace) Name() string { return n.name }

// Server returns the server.
func (n *Namespace) Server() *Server { return n.server }

// tables returns the handlers that concern s, in the order of calling.
func (n *Namespace) tables(s *Socket) [3]*hookTable {
	t := [3]*hookTable{&noHooks, n.hooks.load(), &noHooks}
	if n.parent != nil {
		t[0] = n.parent.nsp.hooks.load()
	}
	if s != nil {
		t[2] = s.ownHooks()
	}
	return t
}

// OnConnection registers f to be called for each socket once it is connected,
// before any of its events is handled; it may have left again by then. With
// [Inline] it runs in place where that is possible and must not block. It is
// called for recovered sockets too: see [Socket.Recovered].
func (n *Namespace) OnConnection(f func(s *Socket), opts ...HandlerOption) (remove func()) {
	h := &connectionHook{f: f}
	for _, o := range opts {
		h.inline = h.inline || o&Inline != 0
	}
	n.hooks.change(func(t *hookTable) { t.connection = with(t.connection, h) })
	return func() {
		n.hooks.change(func(t *hookTable) { t.connection = without(t.connection, h) })
	}
}

// OnDisconnect is [Socket.OnDisconnect] for all sockets of the namespace.
func (n *Namespace) OnDisconnect(f func(s *Socket, reason Reason)) (remove func()) {
	return n.hooks.onDisconnect(f, false)
}

// OnDisconnecting is [Socket.OnDisconnecting] for all sockets.
func (n *Namespace) OnDisconnecting(f func(s *Socket, reason Reason)) (remove func()) {
	return n.hooks.onDisconnect(f, true)
}

// OnAny is [Socket.OnAny] for all sockets of the namespace.
func (n *Namespace) OnAny(f func(s *Socket, event string, args Args)) (remove func()) {
	return n.hooks.onAny(f, false, false)
}

// PrependAny is [Socket.PrependAny] for all sockets of the namespace.
func (n *Namespace) PrependAny(f func(s *Socket, event string, args Args)) (remove func()) {
	return n.hooks.onAny(f, false, true)
}

// OnAnyOutgoing is [Socket.OnAnyOutgoing] for all sockets of the namespace.
func (n *Namespace) OnAnyOutgoing(f func(s *Socket, event string, args Args)) (remove func()) {
	return n.hooks.onAny(f, true, false)
}

// PrependAnyOutgoing is [Socket.PrependAnyOutgoing] for all sockets.
func (n *Namespace) PrependAnyOutgoing(f func(s *Socket, event string, args Args)) (remove func()) {
	return n.hooks.onAny(f, true, true)
}

// Use adds middleware: f decides whether a client may join the namespace. An
// error refuses it, and reaches it as connect_error: message and data of an
// [*Error], the text of any other. f may block, and may set data and join
// rooms. What is registered later serves later clients.
func (n *Namespace) Use(f func(s *Socket) error) {
	n.hooks.change(func(t *hookTable) { t.admission = with(t.admission, f) })
}

// UseEvents is [Socket.Use] for all sockets of the namespace.
func (n *Namespace) UseEvents(f func(e *Event) error) { n.hooks.use(f) }

// Sockets walks the sockets that are connected to this server. Sockets that
// come or go meanwhile may be met or not.
func (n *Namespace) Sockets() iter.Seq[*Socket] {
	return func(yield func(*Socket) bool) {
		for _, one := range n.family() {
			for s := range one.roster.all.walk {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// Socket returns the connected socket of that id, or nil.
func (n *Namespace) Socket(id string) *Socket { return n.roster.get(id) }

// Count returns how many sockets are connected to this server.
func (n *Namespace) Count() int {
	total := 0
	for _, one := range n.family() {
		total += int(one.roster.all.count.Load())
	}
	return total
}

// RoomSize returns how many sockets of this server are in the room.
func (n *Namespace) RoomSize(name string) int {
	n.roster.mu.RLock()
	defer n.roster.mu.RUnlock()
	if rm := n.roster.rooms[name]; rm != nil {
		return int(rm.members.count.Load())
	}
	if n.roster.ids[name] != nil {
		return 1
	}
	return 0
}

// Rooms returns the names of the rooms that have members here, without the
// sockets' own.
func (n *Namespace) Rooms() []string {
	n.roster.mu.RLock()
	defer n.roster.mu.RUnlock()
	out := make([]string, 0, len(n.roster.rooms))
	for name := range n.roster.rooms {
		out = append(out, name)
	}
	return out
}

// family returns the namespaces that n stands for: itself, or those made for
// its pattern.
func (n *Namespace) family() []*Namespace {
	if n.kids == nil {
		return []*Namespace{n}
	}
	n.server.mu.RLock()
	defer n.server.mu.RUnlock()
	out := make([]*Namespace, 0, len(n.kids.list))
	for _, k := range n.kids.list {
		out = append(out, k)
	}
	return out
}

// newSocket makes the socket of a client that asks to join. The caller has
// counted it in live.
func (n *Namespace) newSocket(c *client, auth Value) *Socket {
	s := &Socket{client: c, nsp: n}
	switch {
	case c.conn.Protocol() != 3:
		s.id = newID()
	case n.name == "/":
		s.id = c.conn.ID()
	default:
		s.id = n.name + "#" + c.conn.ID()
	}
	if auth.Present() {
		s.extras().auth = auth
	}
	return s
}

// newID returns an id as the official server makes them: 15 random bytes in
// 20 characters.
func newID() string {
	var b [15]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// leave takes a socket that is closed out of the namespace.
func (n *Namespace) leave(s *Socket) {
	n.roster.remove(s)
	if n.live.Add(-1) == 0 && n.parent != nil {
		n.server.cleanUp(n)
	}
}

// connectAnswer is the payload of CONNECT to the client.
type connectAnswer struct {
	SID string `json:"sid"`
	PID string `json:"pid,omitempty"`

	Refused Refusal `json:"refused,omitempty"`
}

// connected calls the connection handlers.
func (n *Namespace) connected(s *Socket, inBox bool) {
	some, inline := false, true
	tables := n.tables(nil)
	for _, t := range tables {
		for _, h := range t.connection {
			some = true
			inline = inline && h.inline
		}
	}
	if !some {
		return
	}
	call := func() {
		for _, t := range tables {
			for _, h := range t.connection {
				n.server.guard(s, StageConnection, func() { h.f(s) })
			}
		}
	}
	if inBox || inline {
		call()
		return
	}
	s.postFirst(call)
}

// tryAdmission calls middleware, and reports an error that is not meant for the client.
func (srv *Server) tryAdmission(s *Socket, f func(*Socket) error) error {
	err := srv.try(s, StageMiddleware, "", func() error { return f(s) })
	var p *PanicError
	switch {
	case err == nil:
	case errors.As(err, &p):
		return errors.New(internalError) // it was reported
	case forPeer(err) == nil:
		srv.reportError(s, &HandlerError{"", StageMiddleware, err})
	}
	return err
}
