// Command quiz asks questions that have to be answered in time. How its handlers are tested,
// with clients in memory and a clock that takes no time, is in quiz_test.go.
package main

import (
	"flag"
	"log"
	"net/http"

	"podium/protocol/socketio"
)

func main() {
	listen := flag.String("listen", "localhost:3000", "address to listen on")
	flag.Parse()

	srv := socketio.NewServer(socketio.Options{
		Recovery: &socketio.Recovery{Log: new(socketio.MemoryLog)}, // who falls off does not miss the result
	})
	serve(srv)
	http.Handle("/socket.io/", srv)
	log.Fatal(http.ListenAndServe(*listen, nil))
}
