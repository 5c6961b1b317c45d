package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"strings"

	"podium/protocol/client"
	"podium/protocol/socketio"
)

func ExampleOn() {
	type message struct {
		Room string `json:"room"`
		Text string `json:"text"`
	}
	srv := socketio.NewServer(socketio.Options{})
	socketio.On(srv, "chat", func(s *socketio.Socket, m message) {
		s.Emit("chat", strings.ToUpper(m.Text))
	})
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	c, err := client.Dial(ctx, web.URL, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	heard := make(chan string)
	client.On(c, "chat", func(text string) { heard <- text })
	c.Emit("chat", message{Room: "lobby", Text: "hello"})
	fmt.Println(<-heard)
	// Output: HELLO
}

// What a handler returns is the acknowledgement, an *Error among it.
func ExampleOnAck() {
	srv := socketio.NewServer(socketio.Options{})
	socketio.OnAck(srv, "divide", func(_ *socketio.Socket, a socketio.Args2[float64, float64]) (float64, error) {
		if a.B == 0 {
			return 0, &socketio.Error{Message: "division by zero"}
		}
		return a.A / a.B, nil
	})
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	c, err := client.Dial(ctx, web.URL, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Println(client.Call[float64](ctx, c, "divide", 1, 4))
	fmt.Println(c.EmitWithAck(ctx, "divide", 1, 0))
	// Output:
	// 0.25 <nil>
	// [{"error":"division by zero"}] <nil>
}

// Where types are not known beforehand, or an event is acknowledged later.
func ExampleOnEvent() {
	srv := socketio.NewServer(socketio.Options{})
	socketio.OnEvent(srv, "sum", func(e *socketio.Event) {
		sum := 0.0
		for _, arg := range e.Args {
			var n float64
			if err := arg.Decode(&n); err != nil {
				e.Ack("numbers only")
				return
			}
			sum += n
		}
		e.Ack(sum)
	})
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	c, err := client.Dial(ctx, web.URL, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Println(client.Call[float64](ctx, c, "sum", 1, 2, 3.5))
	fmt.Println(client.Call[string](ctx, c, "sum", 1, "two"))
	// Output:
	// 6.5 <nil>
	// numbers only <nil>
}

// Interceptors see every event and what became of it.
func ExampleNamespace_Intercept() {
	type traceKey struct{}
	srv := socketio.NewServer(socketio.Options{})
	srv.Intercept(func(ctx context.Context, e *socketio.Event, next func(context.Context) error) error {
		err := next(context.WithValue(ctx, traceKey{}, "t1"))
		fmt.Println(e.Name, "failed:", err != nil)
		return err
	})
	socketio.OnAckCtx(srv, "order", func(ctx context.Context, _ *socketio.Socket, item string) (string, error) {
		return fmt.Sprint(item, " in trace ", ctx.Value(traceKey{})), nil
	})
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	c, err := client.Dial(ctx, web.URL, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	answer, err := client.Call[string](ctx, c, "order", "tea")
	fmt.Println(answer, err)
	// Output:
	// order failed: false
	// tea in trace t1 <nil>
}

// A handler's context ends with its socket, and has what interceptors put into it.
func ExampleOnCtx() {
	srv := socketio.NewServer(socketio.Options{})
	ended := make(chan error)
	socketio.OnCtx(srv, "watch", func(ctx context.Context, s *socketio.Socket, topic string) {
		s.Emit("watching", topic)
		<-ctx.Done() // where a query would give up
		ended <- ctx.Err()
	})
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	c, err := client.Dial(ctx, web.URL, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	watching := make(chan string)
	client.On(c, "watching", func(topic string) { watching <- topic })
	c.Emit("watch", "weather")
	fmt.Println(<-watching)
	c.Disconnect()
	fmt.Println(<-ended)
	// Output:
	// weather
	// context canceled
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
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	c, err := client.Dial(ctx, web.URL, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	go c.Emit("cancel")
	fmt.Println(c.EmitWithAck(ctx, "upload", "photo"))
	// Output: [{"error":"cancelled"}] <nil>
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
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	c, err := client.Dial(ctx, web.URL, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	answer, err := client.Call[map[string]int](ctx, c, "save", 1)
	fmt.Println(answer, err)
	// Output:
	// save | handler | disk full
	// map[status:500] <nil>
}
