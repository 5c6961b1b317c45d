package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"time"

	"podium/protocol/client"
	"podium/protocol/socketio"
	"podium/protocol/socketio/parser"
)

// Connect, ask, and leave.
func ExampleDial() {
	srv := socketio.NewServer(socketio.Options{})
	socketio.OnAck(srv, "add", func(_ *socketio.Socket, n socketio.Args2[int, int]) (int, error) { return n.A + n.B, nil })
	web := httptest.NewServer(srv)
	defer web.Close()
	defer func() { _ = srv.Shutdown(context.Background()) }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	s, err := client.Dial(ctx, web.URL, client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	sum, err := client.Call[int](ctx, s, "add", 2, 3)
	fmt.Println(sum, err)
	// Output: 5 <nil>
}

// Handlers are registered before the socket connects, so that they miss nothing.
func ExampleNew() {
	srv := socketio.NewServer(socketio.Options{})
	srv.OnConnection(func(s *socketio.Socket) { _ = s.Emit("hello", "you", 1) })
	web := httptest.NewServer(srv)
	defer web.Close()
	defer func() { _ = srv.Shutdown(context.Background()) }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	s, err := client.New(web.URL, client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	done := make(chan struct{})
	client.On(s, "hello", func(a parser.Args2[string, int]) {
		fmt.Println("hello", a.A, a.B)
		close(done)
	})
	if err := s.Connect(ctx); err != nil {
		fmt.Println(err)
		return
	}
	<-done
	// Output: hello you 1
}

// One connection for two namespaces, of which one wants to know who comes.
func ExampleManager() {
	srv := socketio.NewServer(socketio.Options{})
	srv.Of("/private").Use(func(*socketio.Socket) error { return &socketio.Error{Message: "not allowed"} })
	web := httptest.NewServer(srv)
	defer web.Close()
	defer func() { _ = srv.Shutdown(context.Background()) }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	m, err := client.NewManager(web.URL, client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	fmt.Println(m.Socket("/", client.SocketOptions{}).Connect(ctx))
	private := m.Socket("/private", client.SocketOptions{
		AuthFunc: func(context.Context) (any, error) { return map[string]string{"token": "wrong"}, nil },
	})
	fmt.Println(private.Connect(ctx))
	// Output:
	// <nil>
	// not allowed
}

// Thousands of clients share a Transport.
func ExampleTransport() {
	srv := socketio.NewServer(socketio.Options{})
	web := httptest.NewServer(srv)
	defer web.Close()
	defer func() { _ = srv.Shutdown(context.Background()) }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	transport := new(client.Transport)
	defer transport.Close()
	o := client.Options{Transport: transport, Transports: []string{client.TransportWebSocket}}
	var clients []*client.Socket
	for range 10 {
		s, err := client.Dial(ctx, web.URL, o)
		if err != nil {
			fmt.Println(err)
			return
		}
		clients = append(clients, s)
	}
	for _, s := range clients {
		_ = s.Close()
	}
	fmt.Println(len(clients))
	// Output: 10
}

// Handlers take what events carry as Go types.
func ExampleOn() {
	type message struct{ From, Text string }
	srv := socketio.NewServer(socketio.Options{})
	socketio.On(srv, "say", func(s *socketio.Socket, m message) { _ = s.Emit("said", m) })
	web := httptest.NewServer(srv)
	defer web.Close()
	defer func() { _ = srv.Shutdown(context.Background()) }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	s, err := client.Dial(ctx, web.URL, client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	done := make(chan struct{})
	client.On(s, "said", func(m message) {
		fmt.Printf("%s: %s\n", m.From, m.Text)
		close(done)
	})
	if err := s.Emit("say", message{"Ada", "good morning"}); err != nil {
		fmt.Println(err)
		return
	}
	<-done
	// Output: Ada: good morning
}

// The server asks too: what the handler returns is the acknowledgement.
func ExampleOnAck() {
	srv := socketio.NewServer(socketio.Options{})
	socketio.OnAck(srv, "greet me", func(s *socketio.Socket, _ struct{}) (string, error) {
		name, err := socketio.Call[string](s.Context(), s, "your name?")
		return "Hello " + name, err
	})
	web := httptest.NewServer(srv)
	defer web.Close()
	defer func() { _ = srv.Shutdown(context.Background()) }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	s, err := client.Dial(ctx, web.URL, client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	client.OnAck(s, "your name?", func(struct{}) (string, error) { return "Ada", nil })
	greeting, err := client.Call[string](ctx, s, "greet me")
	fmt.Println(greeting, err)
	// Output: Hello Ada <nil>
}

// An answer of several values, and one that does not come in time.
func ExampleCall() {
	srv := socketio.NewServer(socketio.Options{})
	socketio.OnAck(srv, "add", func(_ *socketio.Socket, n socketio.Args2[int, int]) (int, error) { return n.A + n.B, nil })
	web := httptest.NewServer(srv)
	defer web.Close()
	defer func() { _ = srv.Shutdown(context.Background()) }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	s, err := client.Dial(ctx, web.URL, client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	sum, err := client.Call[int](ctx, s, "add", 1, 2)
	fmt.Println(sum, err)

	_, err = s.Timeout(10*time.Millisecond).EmitWithAck(ctx, "nobody answers this")
	fmt.Println(errors.Is(err, client.ErrAckTimeout))
	// Output:
	// 3 <nil>
	// true
}

// A client that tells what happens to it, and comes back when its connection breaks.
func ExampleSocket_OnDisconnect() {
	srv := socketio.NewServer(socketio.Options{})
	web := httptest.NewServer(srv)
	defer web.Close()
	defer func() { _ = srv.Shutdown(context.Background()) }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	s, err := client.New(web.URL, client.Options{ReconnectionDelay: 10 * time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	connected := make(chan struct{}, 2)
	s.OnConnect(func() {
		fmt.Println("connected")
		connected <- struct{}{}
	})
	s.OnDisconnect(func(reason client.Reason, _ error) { fmt.Println("disconnected:", reason) })
	if err := s.Connect(ctx); err != nil {
		fmt.Println(err)
		return
	}
	<-connected
	s.Manager().Reset() // as a network that fails
	<-connected
	// Output:
	// connected
	// disconnected: transport error
	// connected
	// disconnected: io client disconnect
}

// A refusal by the server's middleware, with what it tells.
func ExampleConnectError() {
	srv := socketio.NewServer(socketio.Options{})
	srv.Of("/private").Use(func(s *socketio.Socket) error {
		var auth struct{ Token string }
		if err := s.Handshake().Auth.Decode(&auth); err != nil || auth.Token != "secret" {
			return &socketio.Error{Message: "not allowed"}
		}
		return nil
	})
	web := httptest.NewServer(srv)
	defer web.Close()
	defer func() { _ = srv.Shutdown(context.Background()) }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	o := client.Options{}
	o.Socket.Auth = map[string]string{"token": "wrong"}
	_, err := client.Dial(ctx, web.URL+"/private", o)
	var refused *client.ConnectError
	if errors.As(err, &refused) {
		fmt.Println(refused.Namespace, refused.Message)
	}
	// Output: /private not allowed
}
