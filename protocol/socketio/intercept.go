package socketio

import (
	"context"
	"errors"
)

// Interceptor is called around the handling of an event: next handles it, and returns
// the errors of its middleware and handlers, panics included. What the interceptor
// returns takes their place: nil lets the acknowledgement leave, and an error becomes
// what the peer is told, as far as it is an [*Error], and what [Options.OnError] is
// told. Not calling next drops the event.
//
// The context ends when the socket disconnects; what is put into the one given to
// next is what handlers get ([OnCtx], [Event.Context]).
type Interceptor func(ctx context.Context, e *Event, next func(context.Context) error) error

type interceptor struct{ f Interceptor }

// Intercept adds an interceptor for the events of all sockets of the namespace:
// tracing, metrics, rate limits, transactions. Those added first are the outer ones,
// and those of a pattern are outside those of a namespace. Results of [OnAck] are sent
// when all have returned. Events that are intercepted are handled off the reading
// goroutine, [Inline] or not.
func (n *Namespace) Intercept(f Interceptor) (remove func()) { return n.hooks.intercept(f) }

// Intercept is [Namespace.Intercept] for this socket.
func (s *Socket) Intercept(f Interceptor) (remove func()) { return s.hookTable().intercept(f) }

// Intercept is [Namespace.Intercept] of the main namespace.
func (srv *Server) Intercept(f Interceptor) (remove func()) { return srv.Of("/").Intercept(f) }

func (h *hooks) intercept(f Interceptor) (remove func()) {
	i := &interceptor{f}
	h.change(func(t *hookTable) { t.intercept = with(t.intercept, i) })
	return func() { h.change(func(t *hookTable) { t.intercept = without(t.intercept, i) }) }
}

// outcome is what handling an event has come to while interceptors are around it.
type outcome struct {
	errs   []error // *HandlerErrors
	answer []any   // of OnAck; meaningful where there is one
	has    bool
}

func (o *outcome) err() error {
	if len(o.errs) == 1 {
		return o.errs[0]
	}
	return errors.Join(o.errs...)
}

// intercepted handles an event with interceptors around it.
func (s *Socket) intercepted(e *Event, tables [3]*hookTable) {
	var chain []*interceptor
	for _, t := range tables {
		chain = append(chain, t.intercept...)
	}
	o := new(outcome)
	e.outcome = o
	var from func(i int) func(context.Context) error
	from = func(i int) func(context.Context) error {
		return func(ctx context.Context) error {
			e.ctx = ctx
			if i < len(chain) {
				return chain[i].f(ctx, e, from(i+1))
			}
			s.process(e, tables)
			return o.err()
		}
	}
	err := caught(func() error { return from(0)(s.Context()) })
	e.outcome = nil
	if err == nil {
		err = o.err() // nobody else tells the peer
	}
	switch h := (*HandlerError)(nil); {
	case err == nil && o.has:
		e.sendResult(o.answer)
	case err == nil:
	case errors.As(err, &h) && error(h) == err:
		e.conclude(h)
	default:
		e.conclude(&HandlerError{e.Name, StageIntercept, err})
	}
}
