package officialwire_test

import (
	"context"
	"log"

	goredis "github.com/redis/go-redis/v9"

	"podium/protocol/redis/officialwire"
	"podium/protocol/socketio"
)

// A server takes its place among Node servers that share a stream, and recovers their
// clients' sessions as they do its own.
func ExampleOpenStream() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379", MaxRetries: -1})
	defer client.Close()
	engine, err := officialwire.OpenStream(context.Background(), officialwire.Options{Client: client})
	if err != nil {
		log.Fatal(err)
	}
	srv := socketio.NewServer(socketio.Options{Cluster: engine.Join, Recovery: engine.Recovery()})
	defer srv.Shutdown(context.Background())
}

// What a process without sockets emits reaches those of Node's servers and ours.
func ExampleClassic_Emitter() {
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379", MaxRetries: -1})
	defer client.Close()
	emitter := officialwire.Classic{Options: officialwire.Options{Client: client}}.Emitter()
	if err := emitter.To("orders").Emit(context.Background(), "paid", 17); err != nil {
		log.Print(err)
	}
}
