// Command twonodes is a chat of as many servers as are started on one Redis: whoever is
// connected to any of them sees every message once, in one order, and misses none where a
// server dies and clients go to another.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"

	"podium/protocol/redis"
	"podium/protocol/socketio"
)

func main() {
	listen := flag.String("listen", "localhost:3000", "address to listen on")
	url := flag.String("redis", "redis://localhost:6379", "where the servers meet")
	flag.Parse()

	engine, err := redis.Open(context.Background(), redis.Options{URL: *url})
	if err != nil {
		log.Fatal(err)
	}
	srv := socketio.NewServer(socketio.Options{Cluster: engine.Join, Recovery: engine.Recovery()})
	socketio.OnAck(srv, "say", func(_ *socketio.Socket, text string) (struct{}, error) {
		return struct{}{}, srv.Emit("said", text)
	})
	http.Handle("/socket.io/", srv)
	log.Fatal(http.ListenAndServe(*listen, nil))
}
