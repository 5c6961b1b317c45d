package socketio_test

import (
	"fmt"

	"podium/protocol/socketio"
)

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
	client, end := serve(srv)
	defer end()
	client.join("")
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
	client, end := serve(srv)
	defer end()
	client.join("")
	client.send(`21["join","news"]`)
	fmt.Println(client.next())
	stats := srv.Of("/").Stats()
	fmt.Println(stats.Sockets, stats.Rooms, stats.Events)
	// Output:
	// 31[true]
	// 1 map[news:1] map[join:{1 0}]
}
