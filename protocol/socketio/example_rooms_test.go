package socketio_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"podium/protocol/client"
	"podium/protocol/socketio"
)

// Emitting to rooms reaches who is in any of them, once.
func ExampleNamespace_To() {
	srv := socketio.NewServer(socketio.Options{})
	socketio.OnAck(srv, "join", func(s *socketio.Socket, room string) (int, error) {
		s.Join(room)
		return s.Namespace().RoomSize(room), nil
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
	headlines := make(chan string)
	client.On(c, "headline", func(text string) { headlines <- text })
	fmt.Println(client.Call[int](ctx, c, "join", "news"))
	srv.To("weather").Emit("headline", "Rain")
	srv.To("news", "sports").Except("muted").Emit("headline", "Go!")
	fmt.Println(<-headlines)
	// Output:
	// 1 <nil>
	// Go!
}

// JoinIfBelow lets two clients not both take the last place.
func ExampleSocket_JoinIfBelow() {
	srv := socketio.NewServer(socketio.Options{})
	socketio.OnAck(srv, "sit down", func(s *socketio.Socket, table string) (bool, error) {
		return s.JoinIfBelow(table, 1)
	})
	web := httptest.NewServer(srv)
	defer web.Close()
	ctx := context.Background()
	defer srv.Shutdown(ctx)

	for range 2 {
		c, err := client.Dial(ctx, web.URL, client.Options{})
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		fmt.Println(client.Call[bool](ctx, c, "sit down", "table 4"))
	}
	// Output:
	// true <nil>
	// false <nil>
}

// Who needs to be told when the first subscriber of a topic comes and the last one
// leaves listens to the life of its room.
func ExampleNamespace_OnRoom() {
	srv := socketio.NewServer(socketio.Options{})
	events := make(chan socketio.RoomEvent, 4)
	srv.Of("/").OnRoom(func(e socketio.RoomEvent) { events <- e })
	srv.OnConnection(func(s *socketio.Socket) {
		_ = s.Join("news") // there is no limit on rooms here
		s.Leave("news")
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
	for range 4 {
		e := <-events
		fmt.Println(e.Kind, e.Room)
	}
	// Output:
	// create-room news
	// join-room news
	// leave-room news
	// delete-room news
}

func ExampleNamespace_Stats() {
	srv := socketio.NewServer(socketio.Options{})
	socketio.OnAck(srv, "join", func(s *socketio.Socket, room string) (bool, error) {
		return true, s.Join(room)
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
	fmt.Println(client.Call[bool](ctx, c, "join", "news"))
	srv.To("news").Emit("headline", "Go!")
	stats := srv.Of("/").Stats()
	fmt.Println(stats.Sockets, stats.Rooms["news"].Sockets, stats.Rooms["news"].Events, stats.Events["join"].Received)
	// Output:
	// true <nil>
	// 1 1 1 1
}
