package client

import (
	"context"
	"fmt"
	"slices"
	"time"

	"podium/protocol/engineio"
	"podium/protocol/socketio/parser"
)

// Emitter emits with flags. Its methods return changed copies.
type Emitter struct {
	socket     *Socket
	volatile   bool
	uncompress bool
	timeout    time.Duration
}

// buffered is a packet that waits for the socket to connect.
type buffered struct {
	id       int64
	messages []*engineio.Message
	event    string
	args     parser.Args // for listeners; nil where there are none
}

// waiter waits for an acknowledgement.
type waiter struct {
	done  func(parser.Args, error) // called once, and without locks
	timer *time.Timer              // or nil
}

// Emit sends an event. It never blocks. While the socket is not connected the event is
// kept; events arrive in the order of emitting.
//
// Arguments are encoded as [encoding/json] does, without escaping HTML; for bytes see
// [parser.Binary]. The error is of encoding, [ErrReservedEvent] or [ErrClosed].
func (s *Socket) Emit(event string, args ...any) error {
	return Emitter{socket: s}.Emit(event, args...)
}

// Send emits the event "message".
func (s *Socket) Send(args ...any) error { return s.Emit("message", args...) }

// EmitWithAck sends an event and waits for the server's acknowledgement. It returns an
// error wrapping [ErrAckTimeout] when ctx or SocketOptions.AckTimeout ends first, and
// [ErrDisconnected] where the socket is disconnected after the event left. It must not
// be called by an [Inline] handler.
func (s *Socket) EmitWithAck(ctx context.Context, event string, args ...any) (parser.Args, error) {
	return Emitter{socket: s}.EmitWithAck(ctx, event, args...)
}

// Volatile returns an emitter whose events are dropped, with [ErrDropped], where they
// cannot leave at once.
func (s *Socket) Volatile() Emitter { return Emitter{socket: s, volatile: true} }

// Compress returns an emitter whose events are compressed or not, where the connection
// negotiated compression. The default is true.
func (s *Socket) Compress(on bool) Emitter { return Emitter{socket: s, uncompress: !on} }

// Timeout returns an emitter whose EmitWithAck waits no longer than d.
func (s *Socket) Timeout(d time.Duration) Emitter { return Emitter{socket: s, timeout: d} }

// Volatile is [Socket.Volatile].
func (e Emitter) Volatile() Emitter { e.volatile = true; return e }

// Compress is [Socket.Compress].
func (e Emitter) Compress(on bool) Emitter { e.uncompress = !on; return e }

// Timeout is [Socket.Timeout].
func (e Emitter) Timeout(d time.Duration) Emitter { e.timeout = d; return e }

// Emit is [Socket.Emit] with the flags.
func (e Emitter) Emit(event string, args ...any) error {
	if e.socket.opts.Retries > 0 && !e.volatile {
		_, err := e.enqueue(event, args, nil)
		return err
	}
	_, err := e.emit(event, args, nil)
	return err
}

// EmitWithAck is [Socket.EmitWithAck] with the flags.
func (e Emitter) EmitWithAck(ctx context.Context, event string, args ...any) (parser.Args, error) {
	type answer struct {
		args parser.Args
		err  error
	}
	answers := make(chan answer, 1)
	done := func(a parser.Args, err error) { answers <- answer{a, err} }
	if e.socket.opts.Retries > 0 && !e.volatile {
		q, err := e.enqueue(event, args, done)
		if err != nil {
			return nil, err
		}
		select {
		case a := <-answers:
			return a.args, a.err
		case <-ctx.Done():
			e.socket.abandon(q)
			return nil, fmt.Errorf("%w: %w", ErrAckTimeout, context.Cause(ctx))
		}
	}
	if d := e.ackTimeout(); d > 0 {
		bounded, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		ctx = bounded
	}
	id, err := e.emit(event, args, &waiter{done: done})
	if err != nil {
		return nil, err
	}
	select {
	case a := <-answers:
		return a.args, a.err
	case <-ctx.Done():
		e.socket.forget(id)
		return nil, fmt.Errorf("%w: %w", ErrAckTimeout, context.Cause(ctx))
	}
}

func (e Emitter) ackTimeout() time.Duration {
	if e.timeout > 0 {
		return e.timeout
	}
	return e.socket.opts.AckTimeout
}

// emit sends or keeps an event, whose acknowledgement goes to w where that is not nil.
func (e Emitter) emit(event string, args []any, w *waiter) (id int64, err error) {
	s := e.socket
	id = parser.NoID
	if w != nil {
		id = s.ids.Add(1) - 1
	}
	ms, err := e.encode(event, id, args)
	if err != nil {
		return id, err
	}
	var seen parser.Args
	if len(s.loadHooks().anyOut) > 0 {
		if seen, err = parser.ArgsOf(args...); err != nil {
			return id, err
		}
	}
	m := s.manager
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return id, ErrClosed
	}
	if e.volatile && !(s.connected && m.session.engine.Writable()) {
		return id, ErrDropped
	}
	if w != nil {
		s.expectLocked(id, w)
	}
	if s.sendLocked(ms) {
		s.outgoingLocked(event, seen)
	} else {
		s.buffer = append(s.buffer, buffered{id, ms, event, seen})
	}
	return id, nil
}

func (e Emitter) encode(event string, id int64, args []any) ([]*engineio.Message, error) {
	if reserved(event) {
		return nil, fmt.Errorf("%w: %q", ErrReservedEvent, event)
	}
	s := e.socket
	p := parser.Packet{Type: parser.Event, Namespace: s.namespace, ID: id, Event: event, Args: args}
	ms, err := s.manager.opts.Parser.Encode(&p)
	if err != nil {
		return nil, err
	}
	if e.uncompress {
		for i := range ms {
			ms[i] = ms[i].Uncompressed()
		}
	}
	return ms, nil
}

// reserved reports whether only the library may report the event.
func reserved(event string) bool {
	switch event {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}

// flushLocked sends what was kept; Manager.mu must be held.
func (s *Socket) flushLocked(ses *session) {
	kept := s.buffer
	s.buffer = nil
	for _, b := range kept {
		_ = ses.engine.Send(b.messages...) // where it is closed, its acknowledgement is told
		s.outgoingLocked(b.event, b.args)
	}
}

// outgoingLocked tells the listeners of what leaves; Manager.mu must be held.
func (s *Socket) outgoingLocked(event string, args parser.Args) {
	for _, l := range s.loadHooks().anyOut {
		s.turns.post(func() { l.run(event, args) })
	}
}

func (s *Socket) expectLocked(id int64, w *waiter) {
	if s.acks == nil {
		s.acks = make(map[int64]*waiter)
	}
	s.acks[id] = w
}

// takeAckLocked takes who waits for an acknowledgement, or nil.
func (s *Socket) takeAckLocked(id int64) *waiter {
	w := s.acks[id]
	if w == nil {
		return nil
	}
	delete(s.acks, id)
	if len(s.acks) == 0 {
		s.acks = nil
	}
	if w.timer != nil {
		w.timer.Stop()
	}
	return w
}

// forget gives up waiting; where the event has not left, it does not leave any more.
func (s *Socket) forget(id int64) *waiter {
	s.manager.mu.Lock()
	defer s.manager.mu.Unlock()
	s.buffer = slices.DeleteFunc(s.buffer, func(b buffered) bool { return b.id == id })
	return s.takeAckLocked(id)
}

// clearAcksLocked tells those who wait for acknowledgements that none will come, but
// for events that have not left.
func (s *Socket) clearAcksLocked(after *later) {
	for id := range s.acks {
		if slices.ContainsFunc(s.buffer, func(b buffered) bool { return b.id == id }) {
			continue
		}
		w := s.takeAckLocked(id)
		after.add(func() { w.done(nil, ErrDisconnected) })
	}
}
