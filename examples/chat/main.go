// Command chat lets people talk in rooms.
package main

import (
	"flag"
	"log"
	"net/http"

	"podium/protocol/socketio"
)

type message struct {
	Room string `json:"room"`
	From string `json:"from"`
	Text string `json:"text"`
}

func main() {
	listen := flag.String("listen", "localhost:3000", "address to listen on")
	flag.Parse()

	srv := socketio.NewServer(socketio.Options{})
	socketio.OnAck(srv, "join", func(s *socketio.Socket, room string) (members int, err error) {
		if room == "" {
			return 0, &socketio.Error{Message: "which room?"} // reaches the client
		}
		s.Join(room)
		return s.Namespace().RoomSize(room), nil
	})
	socketio.On(srv, "say", func(s *socketio.Socket, m message) {
		m.From = s.ID() // whatever the client says
		if err := srv.To(m.Room).Emit("said", m); err != nil {
			log.Print("say: ", err)
		}
	})

	http.Handle("/socket.io/", srv)
	log.Fatal(http.ListenAndServe(*listen, nil))
}
