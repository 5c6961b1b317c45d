package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"podium/contest"
	"podium/protocol/services"
	"podium/store/bolt"
	"podium/store/postgres"
	"podium/store/storetest"
)

func TestMain(m *testing.M) {
	if url := os.Getenv("PODIUM_TEST_HOLD"); url != "" {
		hold(url)
	}
	goleak.VerifyTestMain(m)
}

// hold is a machine at some work that it never ends.
func hold(url string) {
	s, err := postgres.Open(context.Background(), url, postgres.Options{})
	if err == nil {
		err = s.Alone(context.Background(), "clean", func(context.Context) error {
			fmt.Println("at work")
			select {}
		})
	}
	fmt.Println(err)
	os.Exit(1)
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

// load puts everything into a new database.
func (pg *server) load(t *testing.T, all iter.Seq2[contest.Part, error]) storetest.Opener {
	t.Helper()
	url := pg.fresh(t)
	s := mover(t, url)
	if err := s.Load(t.Context(), all, false); err != nil {
		t.Fatal(err)
	}
	return func() contest.Store { return open(t, url) }
}

// mover opens a store that serves nobody.
func mover(t *testing.T, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, postgres.Options{Name: "mover"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestMove(t *testing.T) {
	pg := startServer(t)
	database := func(t *testing.T) storetest.Opener {
		url := pg.fresh(t)
		return func() contest.Store { return open(t, url) }
	}
	file := func(t *testing.T) storetest.Opener {
		path := filepath.Join(t.TempDir(), "podium.db")
		return openFile(t, path)
	}
	toFile := func(t *testing.T, all iter.Seq2[contest.Part, error]) storetest.Opener {
		path := filepath.Join(t.TempDir(), "podium.db")
		if err := bolt.Write(t.Context(), path, all); err != nil {
			t.Fatal(err)
		}
		return openFile(t, path)
	}
	t.Run("database to database", func(t *testing.T) { storetest.RunMove(t, database, pg.load) })
	t.Run("file to database", func(t *testing.T) { storetest.RunMove(t, file, pg.load) })
	t.Run("database to file", func(t *testing.T) { storetest.RunMove(t, database, toFile) })
}

func openFile(t *testing.T, path string) storetest.Opener {
	return func() contest.Store {
		s, err := bolt.Open(path, bolt.Options{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func TestAMoveIntoADatabaseIsAllOrNothing(t *testing.T) {
	pg := startServer(t)
	source := contest.New(open(t, pg.fresh(t)))
	for n := range 3 {
		if _, _, err := source.Submit(t.Context(), storetest.Entry(n+1, "best"), contest.Once{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	all := source.Store.(contest.Whole).All
	url := pg.fresh(t)
	target := mover(t, url)
	epoch := target.Epoch()

	broken := errors.New("broken off")
	err := target.Load(t.Context(), func(yield func(contest.Part, error) bool) {
		for part, err := range all(t.Context()) {
			if !yield(part, err) {
				return
			}
		}
		yield(contest.Part{}, broken)
	}, false)
	if counts, _ := target.Counts(); !errors.Is(err, broken) || counts.Total() != 0 || target.Epoch() != epoch {
		t.Errorf("a move that broke off: %v, and %v are there", err, counts)
	}

	serving := open(t, url)
	if err := target.Load(t.Context(), all(t.Context()), false); !errors.Is(err, postgres.ErrServed) {
		t.Errorf("while a machine serves: %v", err)
	}
	if err := contest.New(serving).SaveSetting("mine", []byte("x")); err != nil {
		t.Fatal(err)
	}
	serving.Close()
	if err := target.Served(t.Context()); err != nil {
		t.Errorf("when it serves no more: %v", err)
	}
	if err := target.Load(t.Context(), all(t.Context()), false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("into a database that is not empty: %v", err)
	}
	if v, err := target.Setting("mine"); string(v) != "x" || err != nil {
		t.Errorf("what was there is %q (%v)", v, err)
	}
	if err := target.Load(t.Context(), all(t.Context()), true); err != nil {
		t.Fatal(err)
	}
	if v, err := target.Setting("mine"); v != nil || err != nil || target.Epoch() != source.Epoch() {
		t.Errorf("what was replaced is %q (%v)", v, err)
	}
	if target.Followed() != 3 {
		t.Errorf("it follows from %d", target.Followed())
	}
}

func TestStore(t *testing.T) {
	pg := startServer(t)
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		url := pg.fresh(t)
		return func() contest.Store { return open(t, url) }
	})
}
