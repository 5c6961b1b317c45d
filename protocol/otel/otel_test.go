package otel_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"podium/protocol/client"
	"podium/protocol/otel"
	"podium/protocol/socketio"
	"podium/protocol/sockettest"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// traced is a server whose spans are recorded.
func traced(t testing.TB, o otel.Options) (*sockettest.Server, *tracetest.SpanRecorder) {
	spans := tracetest.NewSpanRecorder()
	o.Tracers = sdk.NewTracerProvider(sdk.WithSpanProcessor(spans))
	o.Propagator = propagation.TraceContext{}
	srv := sockettest.NewServer(t, socketio.Options{OnError: func(*socketio.Socket, error) {}})
	otel.Trace(srv.Server, o)
	return srv, spans
}

func attributes(s sdk.ReadOnlySpan) map[attribute.Key]string {
	all := make(map[attribute.Key]string)
	for _, a := range s.Attributes() {
		all[a.Key] = a.Value.String()
	}
	return all
}

func TestEventsWithAHandlerHaveSpans(t *testing.T) {
	srv, spans := traced(t, otel.Options{})
	n := srv.Of("/made/later")
	socketio.OnAckCtx(n, "double", func(ctx context.Context, _ *socketio.Socket, n int) (int, error) {
		if !trace.SpanContextFromContext(ctx).IsValid() {
			t.Error("the handler's context has no span")
		}
		switch {
		case n < 0:
			return 0, &socketio.Error{Message: "not below zero"}
		case n > 100:
			return 0, errors.New("too large")
		}
		return 2 * n, nil
	})
	c := srv.Connect("/made/later", client.Options{})
	_ = c.Emit("made up")
	for _, n := range []int{1, -1, 101} {
		c.Ask(nil, "double", n)
	}
	c.Disconnect()
	got := spans.Ended()
	if len(got) != 3 {
		t.Fatalf("%d spans, want one for each event with a handler", len(got))
	}
	for i, want := range []codes.Code{codes.Unset, codes.Unset, codes.Error} {
		a := attributes(got[i])
		if got[i].Name() != "receive double" || got[i].Status().Code != want || got[i].SpanKind() != trace.SpanKindServer ||
			a["socketio.namespace"] != "/made/later" || a["messaging.destination.name"] != "double" || a["socketio.wants_ack"] != "true" {
			t.Errorf("span %d: %s, %v, %v", i, got[i].Name(), got[i].Status(), a)
		}
	}
	if a := attributes(got[2]); a["socketio.stage"] != "handler" || len(got[2].Events()) != 1 {
		t.Errorf("a failure is %v with %d events", a, len(got[2].Events()))
	}
}

func TestSpansBelongToTheTraceThatClientsName(t *testing.T) {
	remote, _ := trace.TraceIDFromHex("0af7651916cd43dd8448eb211c80319c")
	carrier := func(e *socketio.Event) propagation.TextMapCarrier {
		var m propagation.MapCarrier
		if e.Args.Get(1).Decode(&m) != nil || m == nil {
			return nil
		}
		return m
	}
	header := client.Options{Header: http.Header{"Traceparent": {parent}}}
	auth := client.Options{Socket: client.SocketOptions{Auth: map[string]any{"token": 1, "traceparent": parent}}}
	for name, c := range map[string]struct {
		o             otel.Options
		client        client.Options
		args          []any
		inside, links bool
	}{
		"a header, linked":       {otel.Options{}, header, nil, false, true},
		"the auth, linked":       {otel.Options{}, auth, nil, false, true},
		"a header, as a child":   {otel.Options{InTraceOfHandshake: true}, header, nil, true, false},
		"the auth, as a child":   {otel.Options{InTraceOfHandshake: true}, auth, nil, true, false},
		"the event":              {otel.Options{Carrier: carrier}, client.Options{}, []any{1, map[string]string{"traceparent": parent}}, true, false},
		"the event says nothing": {otel.Options{Carrier: carrier}, auth, []any{1}, false, true},
		"nobody":                 {otel.Options{Carrier: carrier}, client.Options{}, []any{1}, false, false},
		"nonsense":               {otel.Options{}, client.Options{Socket: client.SocketOptions{Auth: map[string]string{"traceparent": "00-zz"}}}, []any{1}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			srv, spans := traced(t, c.o)
			socketio.OnAck(srv, "x", func(*socketio.Socket, socketio.Args) (int, error) { return 1, nil })
			cl := srv.Connect("/", c.client)
			cl.Ask(nil, "x", c.args...)
			cl.Disconnect()
			got := spans.Ended()
			if len(got) != 1 {
				t.Fatalf("%d spans", len(got))
			}
			if in := got[0].SpanContext().TraceID() == remote; in != c.inside {
				t.Errorf("in the client's trace: %v", in)
			}
			if linked := len(got[0].Links()) == 1 && got[0].Links()[0].SpanContext.TraceID() == remote; linked != c.links {
				t.Errorf("links %v", got[0].Links())
			}
		})
	}
}

func ExampleTrace() {
	srv := socketio.NewServer(socketio.Options{})
	otel.Trace(srv, otel.Options{Propagator: propagation.TraceContext{}})
	socketio.OnAckCtx(srv, "order", func(ctx context.Context, _ *socketio.Socket, id int) (string, error) {
		return "taken", store(ctx, id) // what it does is below the event's span
	})
}

func store(context.Context, int) error { return nil }
