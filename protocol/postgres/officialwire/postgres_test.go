package officialwire

import (
	"log/slog"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"podium/protocol/internal/wiretest"
	"podium/protocol/services"
	"podium/protocol/socketio"
)

// openPostgres starts a PostgreSQL, and returns what the wire needs.
func openPostgres(t *testing.T) (Options, string) {
	p := services.StartPostgres(t)
	pool, err := pgxpool.New(t.Context(), p.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return Options{Pool: pool, Logger: slog.New(slog.DiscardHandler)}, p.URL()
}

func TestPostgresBesideNode(t *testing.T) {
	o, url := openPostgres(t)
	p := Postgres{o}
	wiretest.Run(t, wiretest.Wire{
		Name: "postgres", URL: url, Options: func() socketio.Options { return socketio.Options{Cluster: p.Join} }, Emitter: p.Emitter(), Official: wiretest.OnlyGo, Unordered: true,
	})
}
