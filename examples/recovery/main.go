// Command recovery is a chat whose clients take up where they were, also after the server was
// killed: what is said and who is where is in a bbolt file. Several servers are twonodes.
package main

import (
	"flag"
	"log"
	"net/http"

	"podium/protocol/socketio"
)

func main() {
	listen := flag.String("listen", "localhost:3000", "address to listen on")
	file := flag.String("file", "chat.db", "file that sessions and events are kept in")
	flag.Parse()

	j, err := open(*file)
	if err != nil {
		log.Fatal(err)
	}
	srv := socketio.NewServer(socketio.Options{
		Recovery: &socketio.Recovery{Log: j, Sessions: j, Key: j.key},
	})
	socketio.OnAck(srv, "join", func(s *socketio.Socket, room string) (struct{}, error) {
		return struct{}{}, s.Join(room)
	})
	// The acknowledgement leaves when the event is in the file.
	socketio.OnAck(srv, "say", func(_ *socketio.Socket, a socketio.Args2[string, string]) (struct{}, error) {
		return struct{}{}, srv.To(a.A).Emit("said", a.B)
	})

	http.Handle("/socket.io/", srv)
	log.Fatal(http.ListenAndServe(*listen, nil))
}
