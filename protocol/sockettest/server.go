package sockettest

import (
	"context"
	"io"
	"log"
	"net/http"
	"testing"
	"time"

	"podium/protocol/client"
	"podium/protocol/socketio"
)

// URL is where clients of a [Server] find it.
const URL = "http://socket.test"

// Patience is how long helpers wait before they fail the test. Within a bubble of
// testing/synctest it takes no time.
const Patience = 10 * time.Second

// Server is a Socket.IO server in memory.
type Server struct {
	*socketio.Server
	// Network carries the connections of its clients.
	Network *Network

	t         testing.TB
	transport *client.Transport
}

// NewServer runs a server until t ends. Handlers are registered on it as on any other.
func NewServer(t testing.TB, o socketio.Options) *Server {
	t.Helper()
	o.Engine.Loops = -1     // they wait in the kernel
	o.Engine.ParkAfter = -1 // as do parked polls
	s := &Server{Server: socketio.NewServer(o), Network: newNetwork(), t: t}
	s.transport = &client.Transport{DialContext: s.Network.Dial, Loops: -1}
	hs := &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: Patience}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = hs.Serve(s.Network) // until Close
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("sockettest: shut down: %v", err)
		}
		s.transport.Close()
		_ = hs.Close()
		<-served
	})
	return s
}

// Transport has clients of one's own reach the server, in client.Options.
func (s *Server) Transport() *client.Transport { return s.transport }

// Client makes a client of a namespace, which does not connect yet; it ends with the
// test. Where o has no Transport it gets the server's.
func (s *Server) Client(namespace string, o client.Options) *Client {
	s.t.Helper()
	if o.Transport == nil {
		o.Transport = s.transport
	}
	if namespace == "/" {
		namespace = ""
	}
	socket, err := client.New(URL+namespace, o)
	if err != nil {
		s.t.Fatalf("sockettest: %v", err)
	}
	return watch(s.t, socket)
}

// Connect is Client, and connects it.
func (s *Server) Connect(namespace string, o client.Options) *Client {
	s.t.Helper()
	c := s.Client(namespace, o)
	ctx, cancel := context.WithTimeout(s.t.Context(), Patience)
	defer cancel()
	if err := c.Connect(ctx); err != nil {
		s.t.Fatalf("sockettest: connect to %s: %v", c.Namespace(), err)
	}
	return c
}
