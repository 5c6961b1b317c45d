package socketio

import (
	"context"
	"fmt"
	"podium/protocol/socketio/parser"
	"sync"
	"time"
)

// acker waits for the acknowledgement of one event.
type acker interface {
	answered(s *Socket, args Args) // args are the acker's to keep
	gone(s *Socket)                // the socket disconnected before
}

// expect registers a under id. It returns false where s is closed.
func (s *Socket) expect(id int64, a acker) bool {
	m := s.extras()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.Connected() {
		return false
	}
	if m.acks == nil {
		m.acks = make(map[int64]acker)
	}
	m.acks[id] = a
	return true
}

// unexpect takes what waits under id, or nil.
func (s *Socket) unexpect(id int64) acker {
	m := s.more.Load()
	if m == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := m.acks[id]
	delete(m.acks, id)
	if len(m.acks) == 0 {
		m.acks = nil
	}
	return a
}

// onAck handles an acknowledgement; one that nobody waits for is ignored.
func (s *Socket) onAck(id int64, args Args) {
	if a := s.unexpect(id); a != nil {
		a.answered(s, args.Clone())
	}
}

// sendAck answers an event.
func (s *Socket) sendAck(id int64, args []any) error {
	s.nsp.server.storeRooms(s)
	if !s.Connected() {
		return ErrDisconnected
	}
	if j, ok := s.nsp.server.opts.Parser.(JSONParser); ok {
		return j.SendAck(s.client, s.nsp.name, id, args)
	}
	return s.client.send(&parser.Packet{Type: parser.Ack, Namespace: s.nsp.name, ID: id, Args: args})
}

// sendAckArgs answers an event with arguments passed on as they are.
func (s *Socket) sendAckArgs(id int64, args Args) error {
	j, ok := s.nsp.server.opts.Parser.(JSONParser)
	if !ok {
		return s.sendAck(id, args.Any())
	}
	s.nsp.server.storeRooms(s)
	if !s.Connected() {
		return ErrDisconnected
	}
	return j.SendAckArgs(s.client, s.nsp.name, id, args)
}

// EmitWithAck sends an event and waits for the client's acknowledgement. It
// returns an error wrapping [ErrAckTimeout] and ctx's error when ctx ends
// first, or [ErrDisconnected]. It must not be called from an [Inline] handler:
// the answer could not be read.
//
// Events with an acknowledgement are not logged for recovery.
func (s *Socket) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	return Emitter{socket: s}.EmitWithAck(ctx, event, args...)
}

// EmitWithAck is [Socket.EmitWithAck] with the flags.
func (e Emitter) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	if parser.Reserved(event) {
		return nil, ErrReservedEvent
	}
	ctx, cancel := withTimeout(ctx, e.flags.timeout)
	defer cancel()
	s := e.socket
	id := s.nsp.ackIDs.Add(1) - 1
	ms, err := s.nsp.encode(event, id, args)
	if err != nil {
		return nil, err
	}
	w := &ackWait{done: make(chan struct{}), missing: 1}
	if !s.expect(id, w) {
		return nil, ErrDisconnected
	}
	o := outgoing{nsp: s.nsp, event: event, args: args, messages: e.flags.compressible(ms)}
	if err := o.sendTo(s); err != nil {
		s.unexpect(id)
		return nil, err
	}
	select {
	case <-w.done:
		if len(w.answers) == 0 {
			return nil, ErrDisconnected
		}
		return w.answers[0], nil
	case <-ctx.Done():
		s.unexpect(id)
		return nil, fmt.Errorf("%w: %w", ErrAckTimeout, context.Cause(ctx))
	}
}

func withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, d)
}

// ackWait collects acknowledgements until none is missing.
type ackWait struct {
	// mu guards the fields below.
	mu      sync.Mutex
	answers []Args
	missing int
	closed  bool
	done    chan struct{} // closed when none is missing
}

var _ acker = (*ackWait)(nil)

func (w *ackWait) answered(_ *Socket, args Args) { w.settle(1, args) }

func (w *ackWait) gone(*Socket) { w.settle(1) }

// expectMore adds n to what is missing.
func (w *ackWait) expectMore(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.missing += n
}

// settle notes answers and takes n from what is missing.
func (w *ackWait) settle(n int, answers ...Args) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers = append(w.answers, answers...)
	if w.missing -= n; w.missing <= 0 && !w.closed {
		w.closed = true
		close(w.done)
	}
}

// take returns what came so far, and whether anything is missing.
func (w *ackWait) take() ([]Args, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.answers, w.missing > 0
}

// EmitWithAck sends an event and waits until everybody addressed has
// acknowledged it or disconnected. Where ctx or the timeout ends first it
// returns the answers that came, and an error wrapping [ErrAckTimeout]. It
// must not be called from an [Inline] handler.
//
// Events with an acknowledgement are not logged for recovery.
func (b Broadcast) EmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error) {
	if parser.Reserved(event) {
		return nil, ErrReservedEvent
	}
	ctx, cancel := withTimeout(ctx, b.flags.timeout)
	defer cancel()
	w := &ackWait{done: make(chan struct{}), missing: 1} // one for the asking itself
	var asked []pendingAsk
	defer func() {
		for _, a := range asked {
			a.socket.unexpect(a.id)
		}
	}()
	for _, n := range b.nsp.family() {
		id := n.ackIDs.Add(1) - 1
		ms, err := n.encode(event, id, args)
		if err != nil {
			return nil, err
		}
		o := &outgoing{nsp: n, event: event, args: args, messages: b.flags.compressible(ms), volatile: b.flags.volatile}
		asked = n.ask(b.target, o, id, w, asked)
	}
	if c := b.nsp.server.cluster; c != nil && !b.flags.local {
		stop, err := c.ask(ctx, b, event, args, w)
		if err != nil {
			return nil, err
		}
		defer stop()
	}
	w.settle(1)
	select {
	case <-w.done:
		answers, _ := w.take()
		return answers, nil
	case <-ctx.Done():
		answers, _ := w.take()
		return answers, fmt.Errorf("%w: %w", ErrAckTimeout, context.Cause(ctx))
	}
}

type pendingAsk struct {
	socket *Socket
	id     int64
}

// ask sends o to those addressed and has their answers go to w.
func (n *Namespace) ask(t target, o *outgoing, id int64, w *ackWait, asked []pendingAsk) []pendingAsk {
	n.roster.each(t, 1, func(s *Socket) {
		w.expectMore(1)
		if !s.expect(id, w) {
			w.settle(1)
			return
		}
		asked = append(asked, pendingAsk{s, id})
		if o.sendTo(s) != nil && s.unexpect(id) != nil {
			w.settle(1)
		}
	})
	return asked
}
