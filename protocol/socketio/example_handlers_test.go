package socketio_test

import (
	"context"
	"errors"
	"fmt"

	"podium/protocol/socketio"
)

// traceKey is the key of a trace in a context.
type traceKey struct{}

// Interceptors see every event and what became of it.
func ExampleNamespace_Intercept() {
	srv := socketio.NewServer(socketio.Options{})
	srv.Intercept(func(ctx context.Context, e *socketio.Event, next func(context.Context) error) error {
		err := next(context.WithValue(ctx, traceKey{}, "t1"))
		fmt.Println(e.Name, "failed:", err != nil)
		return err
	})
	socketio.OnAckCtx(srv, "order", func(ctx context.Context, _ *socketio.Socket, item string) (string, error) {
		return fmt.Sprint(item, " in trace ", ctx.Value(traceKey{})), nil
	})
	c, end := serve(srv)
	defer end()
	c.join("")
	c.send(`21["order","tea"]`)
	fmt.Println(c.next())
	// Output:
	// order failed: false
	// 31["tea in trace t1"]
}

// A handler that takes long does not keep the events behind it waiting.
func ExampleHandlerOption_concurrent() {
	srv := socketio.NewServer(socketio.Options{})
	srv.OnConnection(func(s *socketio.Socket) {
		cancel := make(chan struct{})
		socketio.OnAck(s, "upload", func(*socketio.Socket, string) (string, error) {
			<-cancel
			return "", &socketio.Error{Message: "cancelled"}
		}, socketio.Concurrent)
		socketio.On(s, "cancel", func(*socketio.Socket, struct{}) { close(cancel) })
	})
	c, end := serve(srv)
	defer end()
	c.join("")
	c.send(`21["upload","photo"]`, `2["cancel"]`)
	fmt.Println(c.next())
	// Output: 31[{"error":"cancelled"}]
}

// OnError is told where an event failed, and AckError says what the peer is told.
func ExampleHandlerError() {
	srv := socketio.NewServer(socketio.Options{
		OnError: func(_ *socketio.Socket, err error) {
			var h *socketio.HandlerError
			if errors.As(err, &h) {
				fmt.Println(h.Event, "|", h.Stage, "|", h.Err)
			}
		},
		AckError: func(*socketio.HandlerError) []any { return []any{map[string]int{"status": 500}} },
	})
	socketio.OnAck(srv, "save", func(*socketio.Socket, int) (int, error) { return 0, errors.New("disk full") })
	c, end := serve(srv)
	defer end()
	c.join("")
	c.send(`21["save",1]`)
	fmt.Println(c.next())
	// Output:
	// save | handler | disk full
	// 31[{"status":500}]
}
