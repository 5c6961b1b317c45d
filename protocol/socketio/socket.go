package socketio

import (
	"context"
	"encoding/json"
	"podium/protocol/socketio/parser"
	"sync"
	"sync/atomic"
)

// Socket is one client in one namespace. All methods are safe for concurrent
// use. A socket that is idle holds no goroutine and no map.
type Socket struct {
	client *client
	nsp    *Namespace
	id     string
	state  atomic.Uint32 // a socketState
	nth    uint32        // of the sockets of its connection; set before it is one of them
	slot   uint32        // guarded by roster.mu
	rooms  []membership  // guarded by roster.mu

	// mu guards the changes of state, reason, box, inPlace, answered and the fields of more.
	mu       sync.Mutex
	reason   Reason // why it ended
	box      *mailbox
	inPlace  bool                       // something of it runs on the goroutine that reads
	answered bool                       // the answer to CONNECT is on its way: the client may act on it
	more     atomic.Pointer[socketMore] // made when something of it is needed

	// ending is held while the socket ends, until its session is remembered, and while
	// something is sent that its end must not overtake.
	ending sync.Mutex

	// What is known of its session.
	recovered  bool          // set before the socket joins
	tracked    atomic.Bool   // there is, or was, something to keep a record of
	barred     atomic.Bool   // the log says that it is put out, or lost what its client relies on; its end is under way: no event goes to it any more
	claimedAt  atomic.Uint64 // log offset at which this server claimed it; 0 where it began here
	superseded atomic.Bool   // another server has it
}

// socketMore is what most sockets do without.
type socketMore struct {
	hooks  hooks
	acks   map[int64]acker // guarded by Socket.mu
	ctx    context.Context // guarded by Socket.mu
	cancel context.CancelCauseFunc
	data   any // guarded by Socket.mu

	beside     int         // what events cost that are handled beside others; guarded by Socket.mu
	besideFull bool        // that is enough: the connection is paused; guarded by Socket.mu
	tally      tally       // what is charged for them; guarded by Socket.mu
	held       *heldEvents // guarded by Socket.mu
	pid        string      // what the client holds, where records are found by it; guarded by Socket.mu
	auth       Value       // owned; set before the socket joins
}

// extras returns what most sockets do without, making it if need be.
func (s *Socket) extras() *socketMore {
	if m := s.more.Load(); m != nil {
		return m
	}
	s.more.CompareAndSwap(nil, new(socketMore))
	return s.more.Load()
}

func (s *Socket) hookTable() *hooks { return &s.extras().hooks }

func (s *Socket) noteName(event string) { s.nsp.server.noteName(event) }

// ownHooks returns the socket's own handlers without making any.
func (s *Socket) ownHooks() *hookTable {
	if m := s.more.Load(); m != nil {
		return m.hooks.load()
	}
	return &noHooks
}

// ID returns the socket's id, which is also the name of its own room. It is
// not the id of the connection.
func (s *Socket) ID() string { return s.id }

// Namespace returns the namespace of the socket.
func (s *Socket) Namespace() *Namespace { return s.nsp }

// Connected reports whether the socket is connected.
func (s *Socket) Connected() bool {
	st := s.life()
	return st != stateConnecting && !st.ended()
}

// Recovered reports whether the socket took up an earlier session: id, rooms
// and data are as before, and what was missed is sent before anything else.
func (s *Socket) Recovered() bool { return s.recovered }

// ConnID returns the id of the Engine.IO session.
func (s *Socket) ConnID() string { return s.client.conn.ID() }

// Protocol returns the Engine.IO protocol of the connection, 4 or 3.
func (s *Socket) Protocol() int { return s.client.conn.Protocol() }

// Context returns a context that ends when the socket disconnects. Its cause is
// a [*DisconnectError], and its values are those of [Handshake.Context].
func (s *Socket) Context() context.Context {
	m := s.extras()
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.ctx == nil {
		m.ctx, m.cancel = context.WithCancelCause(s.client.conn.Context())
		if s.life().ended() {
			m.cancel(&DisconnectError{s.reason})
		}
	}
	return m.ctx
}

// Data returns what SetData stored, or nil. After a restart it is the
// [json.RawMessage] of it: see [DataOf].
func (s *Socket) Data() any {
	m := s.more.Load()
	if m == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return m.data
}

// SetData stores a value with the socket. With recovery on it is kept as JSON
// for the time the client is away, so it must marshal; what is set when the socket
// has disconnected is not.
func (s *Socket) SetData(v any) {
	m := s.extras()
	s.mu.Lock()
	m.data = v
	s.mu.Unlock()
	s.nsp.server.sessionChanged(s)
}

// DataOf returns the socket's data as a T, decoding it where it comes from
// before a restart, and false where there is none or it is no T.
func DataOf[T any](s *Socket) (T, bool) {
	d := s.Data()
	if t, ok := d.(T); ok {
		return t, true
	}
	var t T
	raw, ok := d.(json.RawMessage)
	if !ok || json.Unmarshal(raw, &t) != nil {
		return t, false
	}
	return t, true
}

// Join puts the socket into rooms, [Options.MaxRooms] at most: it returns
// [ErrTooManyRooms], which OnError is told too, where it left some out. With recovery
// and a session store, the store knows of it after [Recovery.SaveEvery] at the latest.
func (s *Socket) Join(rooms ...string) error {
	err := s.nsp.joinAt(s, rooms, s.nsp.server.offset())
	s.nsp.awaitRooms(rooms)
	return err
}

// joinAt puts a socket into rooms at a log offset.
func (n *Namespace) joinAt(s *Socket, rooms []string, offset uint64) error {
	srv := n.server
	refused := n.roster.join(s, rooms, offset, srv.opts.MaxRooms)
	srv.sessionChanged(s)
	if refused == 0 {
		return nil
	}
	srv.stats.tooManyRooms.Add(uint64(refused))
	s.report(ErrTooManyRooms)
	return ErrTooManyRooms
}

// JoinIfBelow puts the socket into a room that has fewer than limit members on this
// server, and returns whether it is in it now: of two that see room for one, one gets
// in. Those count that join a room before they are connected, in middleware. The error
// is that of Join.
func (s *Socket) JoinIfBelow(room string, limit int) (in bool, err error) {
	srv := s.nsp.server
	in, refused := s.nsp.roster.joinIfBelow(s, room, limit, srv.offset(), srv.opts.MaxRooms)
	if refused {
		srv.stats.tooManyRooms.Add(1)
		s.report(ErrTooManyRooms)
		return false, ErrTooManyRooms
	}
	if in {
		srv.sessionChanged(s)
		s.nsp.awaitRooms([]string{room})
	}
	return in, nil
}

// Leave takes the socket out of rooms. Its own room cannot be left.
func (s *Socket) Leave(rooms ...string) {
	s.nsp.roster.leave(s, rooms)
	s.nsp.server.sessionChanged(s)
}

// Rooms returns the names of the socket's rooms, its own first. It has that one
// from before its connection handlers until its disconnecting handlers are
// through, and none at all afterwards.
func (s *Socket) Rooms() []string { return s.nsp.roster.roomNames(s) }

// Use adds middleware: f sees every event of the socket before its handlers,
// off the reading goroutine, and stops it by returning an error, which goes to
// [Options.OnError].
func (s *Socket) Use(f func(e *Event) error) { s.hookTable().use(f) }

// OnAny registers a listener for every event that comes in, called before
// middleware and handlers, and returns what removes it. Arguments may be kept.
func (s *Socket) OnAny(f func(s *Socket, event string, args Args)) (remove func()) {
	return s.hookTable().onAny(f, false, false)
}

// PrependAny is OnAny, but before the listeners there are.
func (s *Socket) PrependAny(f func(s *Socket, event string, args Args)) (remove func()) {
	return s.hookTable().onAny(f, false, true)
}

// OnAnyOutgoing registers a listener for every event that is sent to the
// socket, acknowledgements not counted. It is called on the goroutine that
// emits, must not block and must not emit. The arguments must not be kept.
func (s *Socket) OnAnyOutgoing(f func(s *Socket, event string, args Args)) (remove func()) {
	return s.hookTable().onAny(f, true, false)
}

// PrependAnyOutgoing is OnAnyOutgoing, but before the listeners there are.
func (s *Socket) PrependAnyOutgoing(f func(s *Socket, event string, args Args)) (remove func()) {
	return s.hookTable().onAny(f, true, true)
}

// OnDisconnect registers f to be called once when the socket has disconnected
// and left its rooms, after the events that had come from it were handled; where
// the server disconnected it, those that waited are dropped. One that left before
// its connection handlers were due has none of its hooks called, but its Context
// ends.
func (s *Socket) OnDisconnect(f func(s *Socket, reason Reason)) (remove func()) {
	return s.hookTable().onDisconnect(f, false)
}

// OnDisconnecting is OnDisconnect, but while the socket is still in its rooms. It
// is called on the goroutine that closes, or behind the handlers that run or wait,
// and must not block.
func (s *Socket) OnDisconnecting(f func(s *Socket, reason Reason)) (remove func()) {
	return s.hookTable().onDisconnect(f, true)
}

// Disconnect puts the client out of the namespace, or, where closeConn is
// true, out of all namespaces, and closes the connection. Events of it that wait
// for their handlers are dropped. It does not recover its session. Disconnecting
// twice does nothing.
func (s *Socket) Disconnect(closeConn bool) {
	if closeConn {
		for _, o := range s.client.list() {
			o.expel(true)
		}
		s.client.close(ReasonForcedServer)
		return
	}
	s.expel(false)
}

// expel puts the client out of the namespace and tells it, behind what is held back
// unless that has to be now. It is told last: it may join again at once.
func (s *Socket) expel(now bool) {
	if !s.Connected() || !s.close(ReasonServerDisconnect) {
		return
	}
	p := &parser.Packet{Type: parser.Disconnect, Namespace: s.nsp.name, ID: parser.NoID}
	ms, err := s.nsp.server.opts.Parser.Encode(p)
	s.ending.Lock()
	defer s.ending.Unlock()
	if err != nil || s.life().mute() || !now && s.holdLast(ms) {
		return
	}
	s.enter(stateDismissed)
	_ = s.client.Send(ms...) // it may be gone already
}

// clientLeft notes that the client left a namespace that it was put out of, or was
// about to be, perhaps to join it again: nothing for this socket comes after that.
func (s *Socket) clientLeft() {
	s.ending.Lock()
	defer s.ending.Unlock()
	s.enter(stateDismissed)
	s.client.forget(s)
}

// close ends the socket; whoever changes the state does the rest, once, and is told so:
//  1. disconnecting hooks, while the rooms are still known
//  2. the session is remembered for recovery, while rooms and data are there
//  3. out of the roster and the client, so that nothing is sent to it; a client that
//     is put out and does not know yet still has it
//  4. waiting acknowledgements and the context end
//  5. disconnect hooks, behind the events that still wait
//
// Where handlers of the socket run or wait, its connection handler perhaps, the
// disconnecting hooks come behind them, and the leaving of the rooms with them.
func (s *Socket) close(reason Reason) (closed bool) {
	if s.life().ended() {
		return false // perhaps by the caller's caller, which holds ending
	}
	s.ending.Lock()
	before, after := s.end(reason)
	if before == after {
		s.ending.Unlock()
		return false
	}
	srv := s.nsp.server
	connected := before == stateConnected || after == stateLeft
	later := connected && s.postBehind(func() {
		s.notifyDisconnecting(reason)
		s.nsp.leave(s)
		s.notifyDisconnect(reason)
	})
	if connected && !later {
		s.notifyDisconnecting(reason)
	}
	if before != stateConnecting {
		srv.guard(s, StageDisconnect, func() { srv.rememberSession(s, reason) })
	}
	s.ending.Unlock()
	if !later {
		s.nsp.leave(s)
	}
	if after != stateExpelling {
		s.client.forget(s)
	}
	s.endWaiting(reason)
	if !connected || later {
		return true
	}
	for _, t := range s.nsp.tables(s) {
		if len(t.disconnect) > 0 {
			s.post(func() { s.notifyDisconnect(reason) })
			break
		}
	}
	return true
}

// awaitEnding returns when the session of a socket that is closing is remembered.
func (s *Socket) awaitEnding() {
	s.ending.Lock()
	defer s.ending.Unlock()
}

func (s *Socket) notifyDisconnecting(reason Reason) {
	for _, t := range s.nsp.tables(s) {
		for _, h := range t.disconnecting {
			s.nsp.server.guard(s, StageDisconnect, func() { h.f(s, reason) })
		}
	}
}

func (s *Socket) notifyDisconnect(reason Reason) {
	for _, t := range s.nsp.tables(s) {
		for _, h := range t.disconnect {
			s.nsp.server.guard(s, StageDisconnect, func() { h.f(s, reason) })
		}
	}
}

// endWaiting tells those who wait for an acknowledgement or on the context.
func (s *Socket) endWaiting(reason Reason) {
	m := s.more.Load()
	if m == nil {
		return
	}
	s.mu.Lock()
	acks, cancel := m.acks, m.cancel
	m.acks = nil
	s.mu.Unlock()
	for _, a := range acks {
		a.gone(s)
	}
	if cancel != nil {
		cancel(&DisconnectError{reason})
	}
}
