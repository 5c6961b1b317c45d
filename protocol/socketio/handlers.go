package socketio

import (
	"context"
	"errors"
	"fmt"
	"podium/protocol/socketio/parser"
	"sync/atomic"
)

// HandlerOption changes how a handler is called.
type HandlerOption uint8

const (
	// Inline runs the handler in place, on the goroutine that reads the
	// connection, where nothing of that socket is waiting. It must be cheap
	// and must not block: other connections wait for it.
	Inline HandlerOption = 1 << iota
	// Once removes the handler after its first event. On a namespace that is
	// the first event of any socket.
	Once
	// Concurrent runs the handler on a goroutine of its own, so that the next events
	// of the socket are handled while it runs: an upload does not keep its "cancel"
	// waiting. Events begin to be handled in their order. Whatever else listens for
	// the event runs there too. Disconnect handlers do not wait for it: its context
	// ends. [Options.MaxPendingBytes] counts the events that are being handled.
	Concurrent
)

// Event is an event that a peer sent.
type Event struct {
	Socket *Socket
	Name   string
	Args   Args

	id      int64
	acked   atomic.Bool
	ctx     context.Context // of interceptors, or nil
	outcome *outcome        // while interceptors are around it
}

// Context returns the context that interceptors gave the event, or that of the
// socket. It ends when the socket disconnects.
func (e *Event) Context() context.Context {
	if e.ctx != nil {
		return e.ctx
	}
	return e.Socket.Context()
}

// WantsAck reports whether the peer asked for an acknowledgement.
func (e *Event) WantsAck() bool { return e.id != parser.NoID }

// Ack sends the acknowledgement, at any time, from any goroutine, once. Where the
// arguments cannot be encoded nothing is sent, and it may be called again.
func (e *Event) Ack(args ...any) error {
	e.Socket.nsp.server.warnOfBase64(e.Name, args)
	return e.answer(func() error { return e.Socket.sendAck(e.id, args) })
}

// Handled reports whether a handler is registered for events of that name. Other names
// are whatever clients make up, of which metrics and traces should make none of theirs.
func (e *Event) Handled() bool {
	for _, t := range e.Socket.nsp.tables(e.Socket) {
		if len(t.events[e.Name]) > 0 {
			return true
		}
	}
	return false
}

// answer acknowledges by calling send, unless that was done before.
func (e *Event) answer(send func() error) error {
	if e.id == parser.NoID {
		return ErrNoAck
	}
	if e.acked.Swap(true) {
		return ErrAcked
	}
	sent := false
	defer func() { // behind a panic of what encodes itself too
		if !sent {
			e.acked.Store(false)
		}
	}()
	err := send()
	sent = err == nil || errors.Is(err, ErrDisconnected)
	return err
}

// On registers f for an event and returns what removes it. The event's first
// argument is decoded into A; [Args2] and [Args3] take several, [Args] takes
// all of them undecoded, struct{} none. An argument that is missing is the
// zero A, and further ones are ignored. Where arguments do not fit A, f is not
// called, the error goes to [Options.OnError], and a peer that waits for an
// acknowledgement is told.
//
// Nothing else is acknowledged: see [OnAck] and [OnEvent].
//
// Each socket's handlers run one after another in the order of its events, on
// a goroutine that exists while the socket has events to handle, unless
// [Inline] or [Concurrent] says otherwise. Handlers of different sockets run
// concurrently.
func On[A any](on Registrar, event string, f func(s *Socket, a A), opts ...HandlerOption) (remove func()) {
	return register(on, event, func(e *Event) {
		if a, ok := argumentsOf[A](e); ok {
			f(e.Socket, a)
		}
	}, opts)
}

// OnCtx is On with the event's context: see [Event.Context].
func OnCtx[A any](on Registrar, event string, f func(ctx context.Context, s *Socket, a A), opts ...HandlerOption) (remove func()) {
	return register(on, event, func(e *Event) {
		if a, ok := argumentsOf[A](e); ok {
			f(e.Context(), e.Socket, a)
		}
	}, opts)
}

// argumentsOf decodes the arguments of an event. Where they do not fit it says so to
// who it concerns.
func argumentsOf[A any](e *Event) (a A, ok bool) {
	if err := parser.DecodeInto(e.Args, &a); err != nil {
		e.failed(StageArguments, err)
		return a, false
	}
	return a, true
}

// OnAck is On for events that are acknowledged with what f returns: R as the
// one argument, [Args2], [Args3] and [Args] as several, struct{} as none.
//
// A peer that waits for an answer gets one in any case. Where f returns an error it is
// {"error": message, "data": …} for an [*Error], and "internal error" for any other;
// so it is where f panics, where the result cannot be encoded, and where middleware
// refuses the event. [Options.AckError] gives it another form. The error goes to
// [Options.OnError].
func OnAck[A, R any](on Registrar, event string, f func(s *Socket, a A) (R, error), opts ...HandlerOption) (remove func()) {
	if pass, ok := any(f).(func(*Socket, Args) (Args, error)); ok {
		return register(on, event, func(e *Event) { answerArgs(e, pass) }, opts)
	}
	return register(on, event, func(e *Event) {
		if a, ok := argumentsOf[A](e); ok {
			r, err := f(e.Socket, a)
			acknowledge(e, &r, err)
		}
	}, opts)
}

// OnAckCtx is OnAck with the event's context: see [Event.Context].
func OnAckCtx[A, R any](on Registrar, event string, f func(ctx context.Context, s *Socket, a A) (R, error), opts ...HandlerOption) (remove func()) {
	return register(on, event, func(e *Event) {
		if a, ok := argumentsOf[A](e); ok {
			r, err := f(e.Context(), e.Socket, a)
			acknowledge(e, &r, err)
		}
	}, opts)
}

// acknowledge answers with what a handler returned.
func acknowledge[R any](e *Event, r *R, err error) {
	if err != nil {
		e.failed(StageHandler, err)
		return
	}
	e.succeeded(parser.ResultArgs(r))
}

// succeeded notes the result of OnAck. It leaves at once where there are no
// interceptors.
func (e *Event) succeeded(args []any) {
	if o := e.outcome; o == nil {
		e.sendResult(args)
	} else if !o.has {
		o.answer, o.has = args, true
	}
}

// sendResult acknowledges with the result of OnAck.
func (e *Event) sendResult(args []any) {
	if e.id == parser.NoID {
		return
	}
	err := caught(func() error { return e.Ack(args...) })
	if err != nil && !errors.Is(err, ErrDisconnected) && !errors.Is(err, ErrAcked) {
		e.conclude(&HandlerError{e.Name, StageAck, err})
	}
}

// answerArgs runs a handler that neither decodes nor encodes.
func answerArgs(e *Event, f func(*Socket, Args) (Args, error)) {
	r, err := f(e.Socket, e.Args)
	switch {
	case err != nil:
		e.failed(StageHandler, err)
	case e.outcome != nil:
		e.succeeded(r.Clone().Any())
	default:
		_ = e.answer(func() error { return e.Socket.sendAckArgs(e.id, r) }) // the peer may be gone
	}
}

// OnEvent registers a handler that sees the whole event, and may acknowledge
// it later. The event may be kept.
func OnEvent(on Registrar, event string, f func(e *Event), opts ...HandlerOption) (remove func()) {
	return registerHandler(on, event, &handler{run: f, keeps: true}, opts)
}

// Off removes the handlers of an event, or of all events where event is "".
// It does not touch handlers registered elsewhere.
func Off(on Registrar, event string) { on.hookTable().off(event) }

func register(on Registrar, event string, run func(*Event), opts []HandlerOption) func() {
	return registerHandler(on, event, &handler{run: run}, opts)
}

func registerHandler(on Registrar, event string, hd *handler, opts []HandlerOption) func() {
	for _, o := range opts {
		hd.inline = hd.inline || o&Inline != 0
		hd.once = hd.once || o&Once != 0
		hd.concurrent = hd.concurrent || o&Concurrent != 0
	}
	if n, ok := on.(interface{ noteName(string) }); ok {
		n.noteName(event)
	}
	return on.hookTable().add(event, hd)
}

// Call emits an event to s, waits for the acknowledgement and decodes its
// first argument into R ([Args2], [Args3] and [Args] take several).
func Call[R any](ctx context.Context, s *Socket, event string, args ...any) (R, error) {
	var r R
	answer, err := s.EmitWithAck(ctx, event, args...)
	if err != nil {
		return r, err
	}
	if err := parser.DecodeInto(answer, &r); err != nil {
		return r, fmt.Errorf("socketio: acknowledgement of %q: %w", event, err)
	}
	return r, nil
}

// CallAll emits an event to everybody b addresses and decodes the first
// argument of each acknowledgement into R. Where some did not answer in time
// it returns the answers that came, and an error wrapping [ErrAckTimeout].
func CallAll[R any](ctx context.Context, b Broadcast, event string, args ...any) ([]R, error) {
	answers, err := b.EmitWithAck(ctx, event, args...)
	out := make([]R, 0, len(answers))
	for _, a := range answers {
		var r R
		if derr := parser.DecodeInto(a, &r); derr != nil {
			return out, fmt.Errorf("socketio: acknowledgement of %q: %w", event, derr)
		}
		out = append(out, r)
	}
	return out, err
}
