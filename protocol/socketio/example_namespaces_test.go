package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"regexp"

	"podium/protocol/client"
	"podium/protocol/socketio"
)

// Namespaces that are made when a client asks for one that matches, and removed when the
// last one has left.
func ExampleServer_OfPattern() {
	srv := socketio.NewServer(socketio.Options{CleanupEmptyChildNamespaces: true})
	rooms := srv.OfPattern(regexp.MustCompile(`^/room-\d+$`))
	socketio.OnAck(rooms, "where am I", func(s *socketio.Socket, _ struct{}) (string, error) {
		return s.Namespace().Name(), nil
	})
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	c, err := client.Dial(ctx, web.URL+"/room-7", client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Println(client.Call[string](ctx, c, "where am I"))
	_, err = client.Dial(ctx, web.URL+"/attic", client.Options{})
	fmt.Println(err)
	// Output:
	// /room-7 <nil>
	// Invalid namespace
}

func ExampleServer_Remove() {
	srv := socketio.NewServer(socketio.Options{})
	srv.Of("/seminar")
	fmt.Println(srv.Lookup("/seminar") != nil, srv.Lookup("/none") != nil)
	fmt.Println(srv.Remove("/seminar"), srv.Remove("/seminar"), srv.Lookup("/seminar") != nil)
	// Output:
	// true false
	// true false false
}

// Middleware lets clients in, or refuses them with what they are told.
func ExampleNamespace_Use() {
	srv := socketio.NewServer(socketio.Options{})
	srv.Of("/").Use(func(s *socketio.Socket) error {
		var auth struct{ Token string }
		if err := s.Handshake().Auth.Decode(&auth); err != nil || auth.Token != "secret" {
			return &socketio.Error{Message: "not authorized", Data: map[string]int{"retryAfter": 60}}
		}
		s.SetData(auth.Token)
		return nil
	})
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	o := client.Options{Socket: client.SocketOptions{Auth: map[string]string{"token": "guess"}}}
	_, err := client.Dial(ctx, web.URL, o)
	var refused *client.ConnectError
	if errors.As(err, &refused) {
		fmt.Println(refused.Message)
	}
	// Output: not authorized
}

// What middleware keeps of a socket is read where it is needed.
func ExampleDataOf() {
	type user struct{ Name string }
	srv := socketio.NewServer(socketio.Options{})
	srv.Of("/").Use(func(s *socketio.Socket) error {
		s.SetData(user{s.Handshake().Query.Get("name")})
		return nil
	})
	socketio.OnAck(srv, "who am I", func(s *socketio.Socket, _ struct{}) (string, error) {
		u, _ := socketio.DataOf[user](s)
		return u.Name, nil
	})
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	o := client.Options{Query: map[string][]string{"name": {"Ada"}}}
	c, err := client.Dial(ctx, web.URL, o)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Println(client.Call[string](ctx, c, "who am I"))
	// Output: Ada <nil>
}
