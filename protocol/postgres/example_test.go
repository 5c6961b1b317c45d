package postgres_test

import (
	"context"
	"log"
	"net/http"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"podium/protocol/engineio"
	"podium/protocol/postgres"
	"podium/protocol/socketio"
)

// A shop of as many servers as are started: who looks at an order sees it paid when, and
// only when, that is stored.
func Example() {
	ctx, url := context.Background(), os.Getenv("DATABASE_URL")
	engine, err := postgres.Open(ctx, postgres.Options{URL: url})
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()
	db, err := pgxpool.New(ctx, url)
	if err != nil {
		log.Fatal(err)
	}
	srv := socketio.NewServer(socketio.Options{
		Engine:  engineio.Options{NodeID: os.Getenv("NODE")},
		Address: "http://" + os.Getenv("LISTEN") + "/socket.io/",
		Cluster: engine.Join, Recovery: engine.Recovery(),
	})
	socketio.OnAck(srv, "look", func(s *socketio.Socket, order string) (struct{}, error) {
		s.Join(order)
		return struct{}{}, nil
	})
	socketio.OnAck(srv, "pay", func(_ *socketio.Socket, order string) (struct{}, error) {
		return struct{}{}, pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `update orders set paid = true where id = $1`, order); err != nil {
				return err
			}
			return engine.Emit(ctx, tx, postgres.Target{Rooms: []string{order}}, "paid", order)
		})
	})
	http.Handle("/socket.io/", srv)
	log.Print(http.ListenAndServe(os.Getenv("LISTEN"), nil))
}
