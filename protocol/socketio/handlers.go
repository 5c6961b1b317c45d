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
)

// Event is an event that a peer sent.
type Event struct {
	Socket *Socket
	Name   string
	Args   Args

	id    int64
	acked atomic.Bool
}

// WantsAck reports whether the peer asked for an acknowledgement.
func (e *Event) WantsAck() bool { return e.id != parser.NoID }

// Ack sends the acknowledgement, at any time, from any goroutine, once.
func (e *Event) Ack(args ...any) error {
	if err := e.takeAck(); err != nil {
		return err
	}
	return e.Socket.sendAck(e.id, args)
}

func (e *Event) takeAck() error {
	if e.id == parser.NoID {
		return ErrNoAck
	}
	if e.acked.Swap(true) {
		return ErrAcked
	}
	return nil
}

// fail reports a handler's error and, where the peer waits, tells it as much
// as it may know.
func (e *Event) fail(err error) {
	e.Socket.report(fmt.Errorf("event %q: %w", e.Name, err))
	if e.takeAck() != nil {
		return
	}
	message := "internal error"
	var data any
	if public := (*Error)(nil); errors.As(err, &public) {
		message, data = public.Message, public.Data
	} else if errors.Is(err, errArguments) {
		message = "invalid arguments"
	}
	_ = e.Socket.sendAck(e.id, []any{ackError{message, data}}) // the peer may be gone
}

// ackError is the one argument of an acknowledgement that tells of an error.
type ackError struct {
	Error string `json:"error"`
	Data  any    `json:"data,omitempty"`
}

var errArguments = errors.New("arguments do not fit")

// On registers f for an event and returns what removes it. The event's first
// argument is decoded into A; [Args2] and [Args3] take several, [Args] takes
// all of them undecoded, struct{} none. An argument that is missing is the
// zero A, and further ones are ignored. Where arguments do not fit A, f is not
// called and the error goes to [Options.OnError].
//
// Nothing is acknowledged: see [OnAck] and [OnEvent].
//
// Each socket's handlers run one after another in the order of its events, on
// a goroutine that exists while the socket has events to handle, unless
// [Inline] says otherwise. Handlers of different sockets run concurrently.
func On[A any](on Registrar, event string, f func(s *Socket, a A), opts ...HandlerOption) (remove func()) {
	run := func(e *Event) {
		var a A
		if err := parser.DecodeInto(e.Args, &a); err != nil {
			e.fail(fmt.Errorf("%w: %w", errArguments, err))
			return
		}
		f(e.Socket, a)
	}
	return register(on, event, run, opts)
}

// OnAck is On for events that are acknowledged with what f returns: R as the
// one argument, [Args2], [Args3] and [Args] as several, struct{} as none.
//
// Where f returns an error and the peer waits for an answer, the answer is
// {"error": message, "data": …} for an [*Error], and "internal error" for any
// other, which goes to [Options.OnError].
func OnAck[A, R any](on Registrar, event string, f func(s *Socket, a A) (R, error), opts ...HandlerOption) (remove func()) {
	if pass, ok := any(f).(func(*Socket, Args) (Args, error)); ok {
		return register(on, event, func(e *Event) { answerArgs(e, pass) }, opts)
	}
	run := func(e *Event) {
		var a A
		if err := parser.DecodeInto(e.Args, &a); err != nil {
			e.fail(fmt.Errorf("%w: %w", errArguments, err))
			return
		}
		r, err := f(e.Socket, a)
		if err != nil {
			e.fail(err)
			return
		}
		if e.takeAck() != nil {
			return
		}
		if err := e.Socket.sendAck(e.id, parser.ResultArgs(&r)); err != nil && !errors.Is(err, ErrDisconnected) {
			e.Socket.report(fmt.Errorf("event %q: %w", e.Name, err))
		}
	}
	return register(on, event, run, opts)
}

// answerArgs runs a handler that neither decodes nor encodes.
func answerArgs(e *Event, f func(*Socket, Args) (Args, error)) {
	r, err := f(e.Socket, e.Args)
	if err != nil {
		e.fail(err)
		return
	}
	if e.takeAck() == nil {
		_ = e.Socket.sendAckArgs(e.id, r) // the peer may be gone
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
