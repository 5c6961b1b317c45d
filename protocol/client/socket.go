package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"

	"podium/protocol/engineio"
	"podium/protocol/socketio/parser"
)

// Socket is a client's end of a namespace. All methods are safe for concurrent use.
//
// It is connected, not connected but active, so that it connects as soon as it can, or
// neither. What is emitted while it is not connected is kept until it is.
type Socket struct {
	manager   *Manager
	namespace string
	opts      SocketOptions
	owner     bool // of the Manager: New made both
	turns     turns
	hooks     atomic.Pointer[hooks]
	ids       atomic.Int64 // of acknowledgements

	// Guarded by Manager.mu.
	active    bool
	connected bool
	recovered bool
	id        string
	pid       string // proves to the server who we were, where it can recover
	offset    string // of the last event
	acks      map[int64]*waiter
	received  []*Event       // before the socket was connected
	buffer    []buffered     // emitted while it was not
	queue     []*queued      // emitted, with SocketOptions.Retries
	waiting   []chan<- error // for Connect
	lastErr   error          // of the last attempt
}

// New makes a socket, and a Manager of its own, for the server and namespace that
// rawURL names: its path is the namespace, as in the official client's io(url). It does
// not connect before Open or Connect, so that handlers can be registered first.
func New(rawURL string, o Options) (*Socket, error) {
	o = o.withDefaults()
	address, path, err := o.target(rawURL)
	if err != nil {
		return nil, err
	}
	s := newManager(address, o).Socket(path, o.Socket)
	s.owner = true
	return s, nil
}

// Dial makes a socket by [New] and connects it. On an error nothing is left running.
func Dial(ctx context.Context, rawURL string, o Options) (*Socket, error) {
	s, err := New(rawURL, o)
	if err != nil {
		return nil, err
	}
	if err := s.Connect(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// Manager is the socket's connection.
func (s *Socket) Manager() *Manager { return s.manager }

// Namespace is the socket's namespace, "/" or "/name".
func (s *Socket) Namespace() string { return s.namespace }

// ID is what the server calls the socket; "" while it is not connected.
func (s *Socket) ID() string {
	s.manager.mu.Lock()
	defer s.manager.mu.Unlock()
	return s.id
}

// Connected reports whether the socket is connected.
func (s *Socket) Connected() bool {
	s.manager.mu.Lock()
	defer s.manager.mu.Unlock()
	return s.connected
}

// Active reports whether the socket is connected or is going to be, by itself.
func (s *Socket) Active() bool {
	s.manager.mu.Lock()
	defer s.manager.mu.Unlock()
	return s.active && (s.manager.session != nil || s.manager.run != nil)
}

// Recovered reports whether the server restored the session at the last connect: id,
// rooms and what was missed.
func (s *Socket) Recovered() bool {
	s.manager.mu.Lock()
	defer s.manager.mu.Unlock()
	return s.recovered
}

// Open begins to connect and does not wait. On a socket that is active it does nothing.
func (s *Socket) Open() {
	s.manager.mu.Lock()
	defer s.manager.mu.Unlock()
	s.openLocked()
}

func (s *Socket) openLocked() {
	m := s.manager
	if m.closed {
		return
	}
	fresh := !s.active
	s.active = true
	if m.session != nil && fresh {
		s.joinLocked(m.session)
	}
	m.startLocked(false)
}

// Connect opens the socket and waits until it is connected; where it is already, it
// returns at once. A refusal by the server is a *[ConnectError]. Where the connection
// cannot be opened it waits through the attempts that the options allow, and returns
// what the last one failed with. ctx bounds the waiting alone: the socket goes on
// connecting until Disconnect or Close.
func (s *Socket) Connect(ctx context.Context) error {
	answer := make(chan error, 1)
	m := s.manager
	m.mu.Lock()
	switch {
	case m.closed:
		m.mu.Unlock()
		return ErrClosed
	case s.connected:
		m.mu.Unlock()
		return nil
	}
	s.waiting = append(s.waiting, answer)
	s.openLocked()
	m.mu.Unlock()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, w := range s.waiting {
		if w == (chan<- error)(answer) {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			break
		}
	}
	if s.lastErr != nil {
		return fmt.Errorf("client: connect: %w: %w", context.Cause(ctx), s.lastErr)
	}
	return fmt.Errorf("client: connect: %w", context.Cause(ctx))
}

// Disconnect leaves the namespace, and closes the connection where no other socket uses
// it. The socket does not connect again by itself.
func (s *Socket) Disconnect() {
	var after later
	defer after.run()
	s.manager.mu.Lock()
	defer s.manager.mu.Unlock()
	s.disconnectLocked(&after)
}

// Close is Disconnect for good: of a socket that [New] or [Dial] made it closes the
// Manager, see [Manager.Close].
func (s *Socket) Close() error {
	if s.owner {
		return s.manager.Close()
	}
	s.Disconnect()
	return nil
}

func (s *Socket) disconnectLocked(after *later) {
	m := s.manager
	if !s.active {
		return
	}
	if s.connected {
		p := parser.Packet{Type: parser.Disconnect, Namespace: s.namespace, ID: parser.NoID}
		if ms, err := m.opts.Parser.Encode(&p); err == nil {
			_ = m.session.engine.Send(ms...) // where it is closed the server knows
		}
	}
	s.leaveLocked(ReasonClientDisconnect, after)
}

// leaveLocked ends the socket's activity.
func (s *Socket) leaveLocked(reason Reason, after *later) {
	s.active = false
	if ses := s.manager.session; ses != nil && s.connected && s.namespace == "/" {
		ses.rootSeen, ses.rootLeft = false, true
	}
	s.lostLocked(reason, nil, after)
	s.answerLocked(ErrDisconnected)
	s.manager.stopLocked()
}

// answerLocked tells those who wait for the socket to connect.
func (s *Socket) answerLocked(err error) {
	for _, w := range s.waiting {
		w <- err // there is room for one answer, and there is but one
	}
	s.waiting = nil
}

// joinLocked asks for the namespace.
func (s *Socket) joinLocked(ses *session) {
	if s.namespace == "/" && s.manager.opts.EIO3 {
		if ses.rootSeen {
			s.welcomeLocked(ses, ses.engine.ID(), "")
		}
		if !ses.rootLeft {
			return // the server connects us without being asked
		}
	}
	if s.opts.AuthFunc == nil {
		if err := s.askLocked(ses, s.opts.Auth); err != nil {
			s.manager.work.Go(func() { s.refuse(ses, err) }) // off the lock
		}
		return
	}
	m := s.manager
	m.work.Go(func() {
		auth, err := s.opts.AuthFunc(m.ctx)
		if err == nil {
			m.mu.Lock()
			if m.session == ses && s.active && !s.connected {
				err = s.askLocked(ses, auth)
			}
			m.mu.Unlock()
		}
		if err != nil {
			s.refuse(ses, fmt.Errorf("client: auth: %w", err))
		}
	})
}

// askLocked sends CONNECT. (Socket.IO protocol v5, "Connection to a namespace")
func (s *Socket) askLocked(ses *session, auth any) error {
	p := parser.Packet{Type: parser.Connect, Namespace: s.namespace, ID: parser.NoID}
	if s.manager.opts.EIO3 {
		query, err := authQuery(auth)
		if err != nil {
			return err
		}
		p.Namespace += query
	} else {
		if s.pid != "" && !s.opts.NoRecovery {
			var err error
			if auth, err = withPID(auth, s.pid, s.offset); err != nil {
				return err
			}
		}
		if auth != nil {
			p.Args = []any{auth}
		}
	}
	ms, err := s.manager.opts.Parser.Encode(&p)
	if err != nil {
		return err
	}
	_ = ses.engine.Send(ms...) // where it is closed, OnClose follows
	return nil
}

// withPID adds what a server needs to recover the session to the auth payload.
// (Socket.IO protocol v5, "Connection state recovery")
func withPID(auth any, pid, offset string) (any, error) {
	all := map[string]any{"pid": pid}
	if offset != "" {
		all["offset"] = offset
	}
	if auth == nil {
		return all, nil
	}
	text, err := json.Marshal(auth)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&all); err != nil {
		return nil, fmt.Errorf("auth is not an object: %w", err)
	}
	return all, nil
}

// authQuery is the auth payload as the query of a namespace.
// (Socket.IO protocol v4, "Packet types": CONNECT)
func authQuery(auth any) (string, error) {
	values := url.Values{}
	switch a := auth.(type) {
	case nil:
		return "", nil
	case map[string]string:
		for k, v := range a {
			values.Set(k, v)
		}
	case url.Values:
		values = a
	default:
		return "", fmt.Errorf("auth of protocol 3 is a map[string]string, not %T", auth)
	}
	return "?" + values.Encode(), nil
}

func cutQuery(namespace string) (name, query string, has bool) {
	return strings.Cut(namespace, "?")
}

// connectedLocked takes the server's consent.
func (s *Socket) connectedLocked(ses *session, p *parser.Packet) {
	if s.connected {
		return
	}
	if s.manager.opts.EIO3 {
		id := ses.engine.ID()
		if s.namespace != "/" {
			id = s.namespace + "#" + id
		}
		s.welcomeLocked(ses, id, "")
		return
	}
	var granted struct {
		SID string `json:"sid"`
		PID string `json:"pid"`
	}
	if err := p.Values.Get(0).Decode(&granted); err != nil || granted.SID == "" {
		s.failedLocked(ErrOldServer)
		s.answerLocked(ErrOldServer)
		return
	}
	s.welcomeLocked(ses, granted.SID, granted.PID)
}

// welcomeLocked makes the socket a connected one: what came and what was emitted before
// goes its way first, as in the official client.
func (s *Socket) welcomeLocked(ses *session, id, pid string) {
	s.connected, s.id, s.lastErr = true, id, nil
	s.recovered = pid != "" && pid == s.pid
	if !s.recovered {
		s.offset = ""
	}
	s.pid = pid
	received := s.received
	s.received = nil
	for _, e := range received {
		s.noteOffsetLocked(e.Args, e.id)
		s.turns.post(e.dispatch)
	}
	s.flushLocked(ses)
	s.drainLocked(true)
	for _, f := range s.loadHooks().connect {
		s.turns.post(f.run)
	}
	s.answerLocked(nil)
}

// refusedLocked takes the server's refusal.
func (s *Socket) refusedLocked(p *parser.Packet, after *later) {
	if !s.active || s.connected {
		return
	}
	e := &ConnectError{Namespace: s.namespace}
	v := p.Values.Get(0).Clone()
	var full struct {
		Message *string      `json:"message"`
		Data    parser.Value `json:"-"`
	}
	if err := v.Decode(&full); err == nil && full.Message != nil {
		e.Message = *full.Message
		e.Data = member(v, "data")
	} else if v.Decode(&e.Message) != nil {
		e.Message, e.Data = v.String(), v // protocol 4: anything at all
	}
	s.refuseLocked(e, after)
}

// member is one member of an object, not Present where it lacks it.
func member(v parser.Value, name string) parser.Value {
	var all map[string]any
	if v.Decode(&all) != nil || all[name] == nil {
		return parser.Value{}
	}
	args, err := parser.ArgsOf(all[name])
	if err != nil {
		return parser.Value{}
	}
	return args.Get(0)
}

// refuse is refuseLocked for an error of our own.
func (s *Socket) refuse(ses *session, err error) {
	var after later
	defer after.run()
	s.manager.mu.Lock()
	defer s.manager.mu.Unlock()
	if s.manager.session == ses && s.active && !s.connected {
		s.refuseLocked(err, &after)
	}
}

func (s *Socket) refuseLocked(err error, after *later) {
	s.failedLocked(err)
	s.answerLocked(err)
	s.leaveLocked(ReasonServerDisconnect, after)
}

// failedLocked tells the handlers of failure to connect.
func (s *Socket) failedLocked(err error) {
	s.lastErr = err
	for _, f := range s.loadHooks().connectError {
		s.turns.post(func() { f.run(err) })
	}
}

// lostLocked takes note that the socket is not connected any more.
func (s *Socket) lostLocked(reason Reason, err error, after *later) {
	s.received = nil // without having been told of: the server sends it again
	if !s.connected {
		return
	}
	s.connected, s.id = false, ""
	for _, f := range s.loadHooks().disconnect {
		s.turns.post(func() { f.run(reason, err) })
	}
	s.clearAcksLocked(after)
}

// dropLocked gives up everything that waits for the socket to connect.
func (s *Socket) dropLocked(err error, after *later) {
	s.buffer = nil
	acks, queue := s.acks, s.queue
	s.acks, s.queue = nil, nil
	for _, w := range acks {
		if w.timer != nil {
			w.timer.Stop()
		}
		after.add(func() { w.done(nil, err) })
	}
	for _, q := range queue {
		if q.done != nil {
			after.add(func() { q.done(nil, err) })
		}
	}
	s.answerLocked(err)
}

// sendLocked sends where the socket is connected, and reports whether it did.
func (s *Socket) sendLocked(ms []*engineio.Message) bool {
	if !s.connected {
		return false
	}
	return s.manager.session.engine.Send(ms...) == nil
}
