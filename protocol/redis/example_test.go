package redis_test

import (
	"context"
	"log"
	"net/http"
	"os"

	"podium/protocol/engineio"
	"podium/protocol/redis"
	"podium/protocol/socketio"
)

// A chat of as many servers as are started: each is told its name and address, and none
// need be known to whatever spreads the clients over them.
func Example() {
	name, address := os.Getenv("NODE"), os.Getenv("LISTEN")
	engine, err := redis.Open(context.Background(), redis.Options{URL: "redis://localhost:6379"})
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()
	srv := socketio.NewServer(socketio.Options{
		Engine:  engineio.Options{NodeID: name},
		Address: "http://" + address + "/socket.io/",
		Cluster: engine.Join, Recovery: engine.Recovery(),
	})
	socketio.OnAck(srv, "enter", func(s *socketio.Socket, room string) (struct{}, error) {
		s.Join(room)
		return struct{}{}, nil
	})
	socketio.OnAck(srv, "say", func(s *socketio.Socket, a socketio.Args2[string, string]) (struct{}, error) {
		return struct{}{}, s.To(a.A).Emit("said", a.B) // nil: it is in the log, and reaches all
	})
	http.Handle("/socket.io/", srv)
	log.Print(http.ListenAndServe(address, nil))
}

// A job that has no sockets emits to those of all servers.
func ExampleEngine_Emitter() {
	ctx := context.Background()
	engine, err := redis.Open(ctx, redis.Options{URL: "redis://localhost:6379"})
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()
	emitter := engine.Emitter()
	if err := emitter.To("orders").Except("away").Emit(ctx, "paid", 17); err != nil {
		log.Print(err)
	}
	if err := emitter.Of("/admin").SocketsJoin(ctx, "audit"); err != nil {
		log.Print(err)
	}
}
