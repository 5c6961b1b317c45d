package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"podium/contest"
)

// Options says how a store is opened. The zero value is right for a server.
type Options struct {
	// Logger receives what is worth an operator's attention. Nil discards it.
	Logger *slog.Logger
	// Now is this machine's clock, for what a change asks. Nil means time.Now.
	Now func() time.Time
	// DefaultCategories are put into a new contest. Nil means the usual ones.
	DefaultCategories []contest.Category
	// OnCommit, when set, is called after each commit, on the committing
	// goroutine, and must not block.
	OnCommit func(contest.Commit)
	// Name is what the store's connections are called (application_name). "" is
	// what the address says, or "podium", by which machines that serve are known.
	Name string
	// Patience is how long a change waits for a database that is away, and how
	// long it is tried to find out what became of a commit that was not
	// answered. Zero means 5 s.
	Patience time.Duration
}

const (
	// readers is how many connections read, unless pool_max_conns says
	// otherwise. One more commits, and one listens.
	readers = 4
	// readTimeout bounds a read. Three questions to a database that takes two seconds for
	// each answer, and the wait for a connection, fit in.
	readTimeout = 10 * time.Second
	// lookTimeout bounds what finds out whether the database is there: one question.
	lookTimeout = 5 * time.Second
	// connectTimeout bounds one attempt to connect.
	connectTimeout = 3 * time.Second
)

// Store is a contest in a database. It implements [contest.Shared].
type Store struct {
	options Options
	log     *slog.Logger
	now     func() time.Time

	config *pgx.ConnConfig // of the connections beside the pool
	serves string          // what the connections of machines that serve are called
	pool   *pgxpool.Pool

	committer committer
	figures   figures
	watch     watch

	closing sync.Once
	closed  chan struct{} // closed by Close
}

var _ contest.Shared = (*Store)(nil)

// Open opens the contest in the database at url, which is a postgres:// address
// or a list of key=value pairs, as libpq takes it, and makes its tables where
// there are none.
//
// Errors: contest.ErrAway, contest.ErrReadOnly, contest.ErrNewerFormat, or what
// the database says. None of them holds the password.
func Open(ctx context.Context, url string, options Options) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("the database's address cannot be read: %w", err)
	}
	s := &Store{options: options, log: options.Logger, now: options.Now, closed: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.options.Patience == 0 {
		s.options.Patience = 5 * time.Second
	}
	s.configure(config)
	conn, err := s.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", explain(err))
	}
	defer conn.Close(ctx)
	if err := migrate(ctx, conn, options.DefaultCategories); err != nil {
		return nil, err
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("open the database: %w", explain(err))
	}
	if err := s.look(ctx, s.pool); err != nil {
		s.pool.Close()
		return nil, fmt.Errorf("open the database: %w", err)
	}
	s.committer.start(s)
	s.watch.start(s)
	return s, nil
}

// configure sets what an address leaves open.
func (s *Store) configure(config *pgxpool.Config) {
	connection := config.ConnConfig
	if connection.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		connection.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe // no names: see doc.go
	}
	if connection.ConnectTimeout == 0 || connection.ConnectTimeout > connectTimeout {
		connection.ConnectTimeout = connectTimeout
	}
	s.serves = cmp.Or(connection.RuntimeParams["application_name"], "podium")
	connection.RuntimeParams["application_name"] = cmp.Or(s.options.Name, s.serves)
	if defaults, err := pgxpool.ParseConfig("host=x"); err == nil && config.MaxConns == defaults.MaxConns {
		config.MaxConns = readers
	}
	config.MaxConnIdleTime = time.Minute
	// A read that finds its connection broken takes another: asking before each whether
	// it is whole would double the way to a database that is far.
	config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
	s.config = connection.Copy()
}

// connect opens a connection beside the pool.
func (s *Store) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.ConnectTimeout)
	defer cancel()
	return pgx.ConnectConfig(ctx, s.config)
}

// Close waits for what is running and lets go of the database.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.committer.stop()
		close(s.closed)
		s.watch.stop()
		s.pool.Close()
	})
	return nil
}

// Update runs a change; see [contest.Store].
func (s *Store) Update(ctx context.Context, doing string, change func(contest.Tx) error) error {
	if err := s.committer.do(ctx, change); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// read runs f on a connection. A connection that turns out to be broken is
// replaced once: the database may have restarted since it was used last.
func (s *Store) read(doing string, f func(ctx context.Context, conn *pgxpool.Conn) error) error {
	return s.readUntil(context.Background(), doing, f)
}

// readUntil is read for as long as ctx lasts.
func (s *Store) readUntil(ctx context.Context, doing string, f func(ctx context.Context, conn *pgxpool.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		select {
		case <-s.closed:
			return fmt.Errorf("%s: %w", doing, contest.ErrClosed)
		default:
		}
		err := s.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error { return f(ctx, conn) })
		switch {
		case err == nil, errors.Is(err, contest.ErrNotFound):
			return err
		case attempt < 2 && open(err) && ctx.Err() == nil:
			s.pool.Reset()
			continue
		}
		return fmt.Errorf("%s: %w", doing, explain(err))
	}
}

// figures counts what happened since opening.
type figures struct {
	mu    sync.Mutex // guards the field below
	stats contest.Stats
}

func (f *figures) committed(c contest.Commit) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.Commits++
	f.stats.Changes += uint64(c.Changes)
	f.stats.CommitTime += c.Took
	f.stats.SlowestCommit = max(f.stats.SlowestCommit, c.Took)
	f.stats.LastError = nil
}

func (f *figures) failed(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.Failures++
	f.stats.LastError = err
}

// Stats returns the figures of this moment. Bytes are those of podium's tables
// with their indexes.
func (s *Store) Stats() (contest.Stats, error) {
	s.figures.mu.Lock()
	stats := s.figures.stats
	s.figures.mu.Unlock()
	err := s.read("ask for the size of the data", func(ctx context.Context, conn *pgxpool.Conn) error {
		return conn.QueryRow(ctx, `select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint from pg_class c
			join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'podium' and c.relkind = 'r'`).Scan(&stats.Bytes)
	})
	stats.OpenReads = int(s.pool.Stat().AcquiredConns())
	return stats, err
}
