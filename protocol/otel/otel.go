// Package otel traces the events of a Socket.IO server with OpenTelemetry. It is a module
// of its own, so that others do not carry OpenTelemetry.
//
//	otel.Trace(srv, otel.Options{})
//
// Each event that has a handler gets a span, which handlers have in their context (OnCtx,
// Event.Context), so that what they do is below it. Clients say whose trace it belongs to,
// with the fields of the propagator, traceparent mostly: in the headers of the handshake, or
// where browsers cannot set those, in the auth payload.
//
//	const socket = io({ auth: { traceparent } });
package otel

import (
	"context"
	"errors"
	"sync"

	api "go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"podium/protocol/socketio"
)

// scope names the instrumentation.
const scope = "podium/protocol/otel"

// Options configure the tracing. The zero value is useful.
type Options struct {
	// Tracers make the spans. Nil means OpenTelemetry's global provider.
	Tracers trace.TracerProvider
	// Propagator reads what clients say of their traces. Nil means OpenTelemetry's
	// global one, which reads nothing unless it was set.
	Propagator propagation.TextMapPropagator
	// Carrier returns where an event says what trace it belongs to, an argument say, or
	// nil where it does not. Such a trace goes before that of the handshake.
	Carrier func(e *socketio.Event) propagation.TextMapCarrier
	// InTraceOfHandshake makes the spans children of what the handshake names. Else they
	// begin traces that are linked to it: a connection may last for days.
	InTraceOfHandshake bool
}

// tracing traces the events of one server.
type tracing struct {
	o      Options
	tracer trace.Tracer

	// mu guards remote, which has the sockets whose handshakes named a trace.
	mu     sync.Mutex
	remote map[*socketio.Socket]trace.SpanContext
}

// Trace traces the events of all namespaces of a server, those made later too. It is
// called before the server serves. Events of a server that is traced are handled off the
// goroutine that reads connections, whether or not their handlers are
// [socketio.Inline].
func Trace(srv *socketio.Server, o Options) {
	if o.Tracers == nil {
		o.Tracers = api.GetTracerProvider()
	}
	if o.Propagator == nil {
		o.Propagator = api.GetTextMapPropagator()
	}
	t := &tracing{o: o, tracer: o.Tracers.Tracer(scope), remote: make(map[*socketio.Socket]trace.SpanContext)}
	for _, name := range srv.Namespaces() {
		if n := srv.Lookup(name); n != nil {
			t.watch(n)
		}
	}
	srv.OnNewNamespace(t.watch)
}

// watch traces a namespace.
func (t *tracing) watch(n *socketio.Namespace) {
	n.OnConnection(t.connected, socketio.Inline)
	n.OnDisconnect(func(s *socketio.Socket, _ socketio.Reason) { t.forget(s) })
	n.Intercept(t.intercept)
}

// connected notes the trace that a handshake names.
func (t *tracing) connected(s *socketio.Socket) {
	h := s.Handshake()
	ctx := t.o.Propagator.Extract(context.Background(), propagation.HeaderCarrier(h.Header))
	if !trace.SpanContextFromContext(ctx).IsValid() {
		ctx = t.o.Propagator.Extract(ctx, authCarrier(h.Auth))
	}
	remote := trace.SpanContextFromContext(ctx)
	if !remote.IsValid() {
		return
	}
	t.mu.Lock()
	t.remote[s] = remote
	t.mu.Unlock()
	if !s.Connected() { // it left before its disconnect handlers were due
		t.forget(s)
	}
}

func (t *tracing) forget(s *socketio.Socket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.remote, s)
}

// authCarrier is what an auth payload says, as far as it is strings.
func authCarrier(auth socketio.Value) propagation.MapCarrier {
	var fields map[string]any
	if auth.Decode(&fields) != nil {
		return nil
	}
	carrier := make(propagation.MapCarrier)
	for name, v := range fields {
		if text, ok := v.(string); ok {
			carrier[name] = text
		}
	}
	return carrier
}

// intercept makes the span of an event.
func (t *tracing) intercept(ctx context.Context, e *socketio.Event, next func(context.Context) error) error {
	if !e.Handled() {
		return next(ctx) // its name is whatever a client makes up
	}
	s := e.Socket
	ctx, links := t.parent(ctx, e)
	ctx, span := t.tracer.Start(ctx, "receive "+e.Name, trace.WithSpanKind(trace.SpanKindServer), trace.WithLinks(links...),
		trace.WithAttributes(
			attribute.String("messaging.system", "socket.io"),
			attribute.String("messaging.operation.name", "receive"),
			attribute.String("messaging.destination.name", e.Name),
			attribute.String("socketio.namespace", s.Namespace().Name()),
			attribute.String("socketio.socket.id", s.ID()),
			attribute.Int("socketio.arguments", len(e.Args)),
			attribute.Bool("socketio.wants_ack", e.WantsAck()),
		))
	defer span.End()
	err := next(ctx)
	if err == nil {
		return nil
	}
	var h *socketio.HandlerError
	if errors.As(err, &h) {
		span.SetAttributes(attribute.String("socketio.stage", string(h.Stage)))
	}
	var public *socketio.Error
	if errors.As(err, &public) {
		return err // an answer, as a status of 400 is one
	}
	span.RecordError(err)
	span.SetStatus(codes.Error, err.Error())
	return err
}

// parent puts the trace that an event belongs to into its context, or returns the link
// to that of its connection.
func (t *tracing) parent(ctx context.Context, e *socketio.Event) (context.Context, []trace.Link) {
	if t.o.Carrier != nil {
		if carrier := t.o.Carrier(e); carrier != nil {
			own := t.o.Propagator.Extract(ctx, carrier)
			if trace.SpanContextFromContext(own).IsRemote() {
				return own, nil
			}
		}
	}
	t.mu.Lock()
	remote, ok := t.remote[e.Socket]
	t.mu.Unlock()
	switch {
	case !ok:
		return ctx, nil
	case t.o.InTraceOfHandshake:
		return trace.ContextWithRemoteSpanContext(ctx, remote), nil
	}
	return ctx, []trace.Link{{SpanContext: remote}}
}
