package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"podium/protocol/engineio"
	"podium/protocol/socketio/parser"
)

// Manager is a connection to a server, which it opens again when it breaks, and the
// sockets that share it, one for each namespace. All methods are safe for concurrent
// use. There is a connection while a socket wants one.
type Manager struct {
	opts      Options
	url       string
	hc        *http.Client
	transport *Transport
	owned     bool // transport is the Manager's own
	trace     turns

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup // goroutines

	// mu guards the fields below, and those of the sockets. The locks of packages
	// engineio and websocket, and those of turns, are taken under it. No function of
	// the caller's is called under it.
	mu       sync.Mutex
	closed   bool
	run      *run     // the attempts to connect that are under way, or nil
	session  *session // the connection, or nil
	sockets  []*Socket
	upgraded bool // an upgrade has succeeded, and no connection has failed since
}

// run is a row of attempts to connect.
type run struct {
	ctx     context.Context
	cancel  context.CancelFunc
	again   bool // there was a connection, or an attempt, before
	backoff backoff
}

// session is one connection of a Manager. It is the receiver of what comes.
type session struct {
	manager *Manager
	engine  *engineio.Client
	decoder parser.Decoder // owned by the reader, as is packet
	packet  parser.Packet

	// Of protocol 4, where servers connect everybody to the main namespace, once. Guarded
	// by Manager.mu.
	rootSeen bool // it has
	rootLeft bool // and we have left
}

var _ engineio.Receiver = (*session)(nil)

// NewManager makes a Manager for the server at rawURL, whose scheme is http, https, ws
// or wss, and which has no path: see Options.Path and [Manager.Socket].
func NewManager(rawURL string, o Options) (*Manager, error) {
	o = o.withDefaults()
	address, path, err := o.target(rawURL)
	if err != nil {
		return nil, err
	}
	if path != "" && path != "/" {
		return nil, fmt.Errorf("client: URL of a manager has the path %q: it is set by Options.Path", path)
	}
	return newManager(address, o), nil
}

func newManager(address string, o Options) *Manager {
	m := &Manager{opts: o, url: address, hc: o.HTTPClient, transport: o.Transport}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.trace = turns{work: &m.work, logger: o.Logger}
	if m.transport == nil {
		m.transport = &Transport{Loops: -1} // a loop for one connection costs more than it saves
		m.owned = true
	}
	m.transport.start()
	if m.hc == nil {
		m.hc = &http.Client{Transport: m.transport.http}
	}
	return m
}

// Socket returns the socket of a namespace, which it makes at the first call; o is not
// looked at later. "" is the main namespace. The socket does not connect before Open
// or Connect.
func (m *Manager) Socket(namespace string, o SocketOptions) *Socket {
	if namespace == "" || namespace[0] != '/' {
		namespace = "/" + namespace
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.socketLocked(namespace); s != nil {
		return s
	}
	s := &Socket{manager: m, namespace: namespace, opts: o}
	s.turns = turns{work: &m.work, logger: m.opts.Logger}
	m.sockets = append(m.sockets, s)
	return s
}

func (m *Manager) socketLocked(namespace string) *Socket {
	for _, s := range m.sockets {
		if s.namespace == namespace {
			return s
		}
	}
	return nil
}

// Transport is the name of the transport in use, "" while there is no connection.
func (m *Manager) Transport() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session == nil {
		return ""
	}
	return m.session.engine.Transport()
}

// EngineID is the Engine.IO session's id, "" while there is no connection.
func (m *Manager) EngineID() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session == nil {
		return ""
	}
	return m.session.engine.ID()
}

// Reset breaks the connection as a failing network would: the sockets are disconnected
// with "transport error" and connect again. It is for tests.
func (m *Manager) Reset() {
	m.mu.Lock()
	s := m.session
	m.mu.Unlock()
	if s != nil {
		s.end(ReasonTransportError, errors.New("client: reset"), true)
	}
}

// Close disconnects the sockets, waits until what was emitted has left and every handler
// has returned, and ends the Manager for good. When it returns nothing of the Manager is
// running. It must not be called by a handler, which it would wait for: see
// [Socket.Disconnect].
//
// Servers for Node pass over events that they read together with a client's end. To be
// sure that the last event was handled, have it acknowledged.
func (m *Manager) Close() error {
	m.mu.Lock()
	var after later
	if !m.closed {
		for _, s := range m.sockets {
			s.disconnectLocked(&after)
		}
		m.closed = true
		m.cancel()
		for _, s := range m.sockets {
			s.dropLocked(ErrClosed, &after)
		}
	}
	m.mu.Unlock()
	after.run()
	m.work.Wait()
	if m.owned {
		m.transport.Close()
	}
	return nil
}

// later are calls that have to wait until a lock is released.
type later []func()

func (l *later) add(f func()) { *l = append(*l, f) }

func (l *later) run() {
	for _, f := range *l {
		f()
	}
}

// startLocked makes sure that there is a connection, or an attempt at one; mu must be held.
func (m *Manager) startLocked(again bool) {
	if m.session != nil || m.run != nil || m.closed {
		return
	}
	r := &run{again: again}
	r.ctx, r.cancel = context.WithCancel(m.ctx)
	m.run = r
	m.work.Go(func() { m.connect(r) })
}

// stopLocked ends the connection, or the attempts, where no socket wants one any more;
// mu must be held.
func (m *Manager) stopLocked() {
	if slices.ContainsFunc(m.sockets, func(s *Socket) bool { return s.active }) {
		return
	}
	if r := m.run; r != nil {
		m.run = nil
		r.cancel()
	}
	if s := m.session; s != nil {
		m.session = nil
		m.closedLocked("forced close", nil)
		m.shutdownLocked(s)
	}
}

// shutdownLocked closes a connection that is not m.session any more; mu must be held.
func (m *Manager) shutdownLocked(s *session) {
	s.engine.Close()
	m.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), max(0, m.opts.CloseTimeout))
		defer cancel()
		s.engine.Shutdown(ctx)
	})
}

func (m *Manager) closedLocked(reason Reason, err error) {
	if f := m.opts.Trace.Closed; f != nil {
		m.trace.post(func() { f(reason, err) })
	}
}

// connect is the goroutine that tries until there is a connection, or no use in it.
func (m *Manager) connect(r *run) {
	defer r.cancel()
	for {
		if r.again && !m.await(r) {
			return
		}
		err := m.dial(r)
		if err == nil || !m.failed(r, err) {
			return
		}
		r.again = true
	}
}

// await waits before the next attempt, and returns false where there shall be none.
func (m *Manager) await(r *run) bool {
	timer := time.NewTimer(r.backoff.next(&m.opts))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.ctx.Done():
		return false
	}
	if f := m.opts.Trace.ReconnectAttempt; f != nil {
		attempt := r.backoff.attempts
		m.trace.post(func() { f(attempt) })
	}
	return true
}

// dial makes one attempt.
func (m *Manager) dial(r *run) error {
	ctx := r.ctx
	if d := m.opts.Timeout; d > 0 {
		bounded, cancel := context.WithTimeoutCause(ctx, d, ErrTimeout)
		defer cancel()
		ctx = bounded
	}
	o := engineio.DialOptions{
		Protocol:         4,
		Transports:       m.opts.Transports,
		TryAllTransports: m.opts.TryAllTransports,
		NoUpgrade:        m.opts.NoUpgrade,
		HTTPClient:       m.hc,
		WebSocket:        m.transport.ws,
		Header:           m.opts.Header,
		RequestTimeout:   m.opts.RequestTimeout,
		CloseTimeout:     m.opts.CloseTimeout,
		MaxMessageBytes:  m.transport.MaxMessageBytes,
		OnPing:           m.onPing,
		OnUpgrade:        m.onUpgrade,
		OnUpgradeError:   m.onUpgradeError,
	}
	if m.opts.EIO3 {
		o.Protocol = 3
	}
	m.mu.Lock()
	if m.upgraded && m.opts.RememberUpgrade {
		o.Transports = []string{TransportWebSocket}
	}
	m.mu.Unlock()
	_, err := engineio.Dial(ctx, m.url, o, func(e *engineio.Client) engineio.Receiver { return m.opened(r, e) })
	if errors.Is(err, engineio.ErrUnsupportedProtocol) && !m.opts.EIO3 {
		return fmt.Errorf("%w (%w)", ErrOldServer, err)
	}
	return err
}

func (m *Manager) onPing() {
	if f := m.opts.Trace.Ping; f != nil {
		m.trace.post(f)
	}
}

func (m *Manager) onUpgrade() {
	m.mu.Lock()
	m.upgraded = true
	m.mu.Unlock()
	if f := m.opts.Trace.Upgraded; f != nil {
		m.trace.post(f)
	}
}

func (m *Manager) onUpgradeError(err error) {
	if f := m.opts.Trace.UpgradeFailed; f != nil {
		m.trace.post(func() { f(err) })
	}
}

// opened takes a connection that is open, and connects the sockets.
func (m *Manager) opened(r *run, e *engineio.Client) engineio.Receiver {
	s := &session{manager: m, engine: e, decoder: m.opts.Parser.NewDecoder()}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run != r {
		m.shutdownLocked(s) // nobody wants it any more
		return s
	}
	m.run, m.session = nil, s
	if f := m.opts.Trace.Opened; f != nil {
		transport := e.Transport()
		m.trace.post(func() { f(transport) })
	}
	if f := m.opts.Trace.Reconnected; f != nil && r.again {
		attempt := r.backoff.attempts
		m.trace.post(func() { f(attempt) })
	}
	for _, socket := range m.sockets {
		if socket.active {
			socket.joinLocked(s)
		}
	}
	return s
}

// failed takes note of an attempt's failure, and reports whether to try again.
func (m *Manager) failed(r *run, err error) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run != r {
		return false
	}
	m.upgraded = false
	if f := m.opts.Trace.Failed; f != nil {
		m.trace.post(func() { f(err) })
	}
	attempts := m.opts.ReconnectionAttempts
	last := m.opts.NoReconnection || attempts > 0 && r.backoff.attempts >= attempts
	for _, s := range m.sockets {
		if s.active {
			s.failedLocked(err)
			if last {
				s.answerLocked(err)
			}
		}
	}
	if !last {
		return true
	}
	m.run = nil
	if f := m.opts.Trace.ReconnectFailed; f != nil && !m.opts.NoReconnection {
		m.trace.post(f)
	}
	return false
}

// OnClose implements [engineio.Receiver].
func (s *session) OnClose(reason engineio.Reason, err error) { s.end(Reason(reason), err, false) }

// end takes note of the connection's end, or ends it. The first call decides.
func (s *session) end(reason Reason, err error, cut bool) {
	var after later
	defer after.run()
	m := s.manager
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session != s {
		return
	}
	m.session = nil
	if cut {
		s.engine.Abort()
	}
	m.shutdownLocked(s)
	m.closedLocked(reason, err)
	wanted := false
	for _, socket := range m.sockets {
		socket.lostLocked(reason, err, &after)
		wanted = wanted || socket.active
	}
	switch {
	case !wanted:
	case !m.opts.NoReconnection:
		m.startLocked(true)
	default:
		gone := fmt.Errorf("%w: %s", ErrDisconnected, reason)
		if err != nil {
			gone = fmt.Errorf("%w: %w", gone, err)
		}
		for _, socket := range m.sockets {
			socket.answerLocked(gone)
		}
	}
}

// OnMessage implements [engineio.Receiver].
func (s *session) OnMessage(data []byte, binary bool) {
	done, err := s.decoder.Decode(data, binary, &s.packet)
	if err != nil {
		s.end(ReasonParseError, err, false)
		return
	}
	if done {
		s.onPacket(&s.packet)
		clear(s.packet.Values)
	}
}

// onPacket handles a packet. Nothing of it is kept.
func (s *session) onPacket(p *parser.Packet) {
	var after later
	defer after.run()
	m := s.manager
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session != s {
		return
	}
	name := p.Namespace
	if m.opts.EIO3 && p.Type == parser.Connect {
		name, _, _ = cutQuery(name)
		s.rootSeen = s.rootSeen || name == "/"
	}
	if m.opts.EIO3 && p.Type == parser.ConnectError && name == "/" {
		// A refusal by the main namespace concerns all of them, as in 2.x.
		for _, socket := range m.sockets {
			socket.refusedLocked(p, &after)
		}
		return
	}
	socket := m.socketLocked(name)
	if socket == nil || !socket.active {
		return // it left a moment ago
	}
	switch p.Type {
	case parser.Connect:
		socket.connectedLocked(s, p)
	case parser.Event:
		socket.onEventLocked(p, &after)
	case parser.Ack:
		if w := socket.takeAckLocked(p.ID); w != nil {
			args := p.Values.Clone()
			after.add(func() { w.done(args, nil) })
		}
	case parser.Disconnect:
		socket.leaveLocked(ReasonServerDisconnect, &after)
	case parser.ConnectError:
		socket.refusedLocked(p, &after)
	}
}
