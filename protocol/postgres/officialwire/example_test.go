package officialwire_test

import (
	"context"
	"log"

	"github.com/jackc/pgx/v5/pgxpool"

	"podium/protocol/postgres/officialwire"
	"podium/protocol/socketio"
)

// A server takes its place among Node servers that are one by @socket.io/postgres-adapter.
func ExamplePostgres_Join() {
	pool, err := pgxpool.New(context.Background(), "postgres://localhost/app")
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	wire := officialwire.Postgres{Options: officialwire.Options{Pool: pool}}
	srv := socketio.NewServer(socketio.Options{Cluster: wire.Join})
	defer srv.Shutdown(context.Background())
}

// What a process without sockets emits reaches those of Node's servers and ours.
func ExamplePostgres_Emitter() {
	pool, err := pgxpool.New(context.Background(), "postgres://localhost/app")
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	emitter := officialwire.Postgres{Options: officialwire.Options{Pool: pool}}.Emitter()
	if err := emitter.To("orders").Emit(context.Background(), "paid", 17); err != nil {
		log.Print(err)
	}
}
