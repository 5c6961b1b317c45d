package postgres_test

import (
	"context"
	"fmt"

	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"podium/contest"
	"podium/protocol/services"
	"podium/store/postgres"
	"podium/store/storetest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// server is a database server for one test and those below it.
type server struct {
	*services.Postgres
	made atomic.Int32
}

func startServer(t *testing.T) *server {
	t.Helper()
	return &server{Postgres: services.StartPostgres(t, "fsync", "off", "max_connections", "60")}
}

// fresh makes a database and returns its address.
func (s *server) fresh(t *testing.T) string {
	t.Helper()
	name := fmt.Sprint("contest", s.made.Add(1))
	s.exec(t, s.URL(), "create database "+name)
	return fmt.Sprintf("postgres://podium@%s/%s?sslmode=disable", s.Addr(), name)
}

func (s *server) exec(t *testing.T, url, sql string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStore(t *testing.T) {
	pg := startServer(t)
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		url := pg.fresh(t)
		return func() contest.Store { return open(t, url) }
	})
}
