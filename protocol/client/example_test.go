package client_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"time"

	"podium/protocol/client"
	"podium/protocol/socketio"
	"podium/protocol/socketio/parser"
)

// exampleServer is what the examples connect to.
func exampleServer() (url string, end func()) {
	srv := socketio.NewServer(socketio.Options{})
	socketio.OnAck(srv, "add", func(_ *socketio.Socket, n socketio.Args2[int, int]) (int, error) { return n.A + n.B, nil })
	srv.OnConnection(func(s *socketio.Socket) { _ = s.Emit("hello", "you", 1) })
	srv.Of("/private").Use(func(s *socketio.Socket) error {
		var auth struct{ Token string }
		if err := s.Handshake().Auth.Decode(&auth); err != nil || auth.Token != "secret" {
			return &socketio.Error{Message: "not allowed"}
		}
		return nil
	})
	hs := httptest.NewServer(srv)
	return hs.URL, func() {
		_ = srv.Shutdown(context.Background())
		hs.Close()
	}
}

// Connect, ask, and leave.
func ExampleDial() {
	url, end := exampleServer()
	defer end()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	s, err := client.Dial(ctx, url, client.Options{})
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
	url, end := exampleServer()
	defer end()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	s, err := client.New(url, client.Options{})
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
	url, end := exampleServer()
	defer end()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	m, err := client.NewManager(url, client.Options{})
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
	url, end := exampleServer()
	defer end()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	transport := new(client.Transport)
	defer transport.Close()
	o := client.Options{Transport: transport, Transports: []string{client.TransportWebSocket}}
	var clients []*client.Socket
	for range 10 {
		s, err := client.Dial(ctx, url, o)
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
