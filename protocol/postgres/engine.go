package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"podium/protocol/socketio"
)

// Options say which database it is.
type Options struct {
	// URL is postgres://user:password@host:port/database, with the parameters of
	// pgx and its pool, such as pool_max_conns. Several hosts divided by commas are
	// tried in turn until one can be written to.
	URL string
	// Pool configures the connections instead of URL, where that says too little.
	Pool *pgxpool.Config
	// Schema holds the tables, and names the channel of notifications. Servers with the
	// same schema of the same database are one. Empty means "socketio".
	Schema string
	// MaxEntries is about how many entries the log keeps: events that clients may have
	// missed. Zero means 10,000.
	MaxEntries int
	// Poll has the engine ask for what is new 40 times a second and never listen. That
	// is also what it does by itself where notifications do not arrive, as through a
	// pooler that hands connections out by transaction; there it is better set, so that
	// no connection of the pooler is left listening.
	Poll bool
}

// Engine is what servers that are one have in common. All methods are safe for
// concurrent use, [Engine.Append] for one batch at a time. It is a [socketio.Log] and a
// [socketio.SessionStore].
type Engine struct {
	o      Options
	pool   *pgxpool.Pool
	schema string // quoted
	secret []byte // signs session ids

	life context.Context // ends with the engine
	end  context.CancelFunc
	work sync.WaitGroup

	events, letters bell // rung where there may be more of them

	// Owned by who appends: the batch before, whose row is not needed any more, and how
	// many entries were appended since the log was trimmed.
	lastBatch string
	untrimmed int

	mu       sync.Mutex        // guards the fields below
	last     socketio.Position // as it was last read; only what names the history counts
	caughtUp caughtUp
}

var (
	_ socketio.AppenderAt   = (*Engine)(nil)
	_ socketio.Follower     = (*Engine)(nil)
	_ socketio.SessionStore = (*Engine)(nil)
)

// Open connects to the database, and makes what is not there yet: the user must be able
// to make a schema, unless it is there. It returns an error where the database does not
// answer before ctx ends.
func Open(ctx context.Context, o Options) (*Engine, error) {
	if o.Schema == "" {
		o.Schema = "socketio"
	}
	if len(o.Schema) > 63 || strings.ContainsRune(o.Schema, 0) {
		return nil, errors.New("postgres: the name of a schema has at most 63 bytes")
	}
	if o.MaxEntries == 0 {
		o.MaxEntries = 10_000
	}
	config, err := poolConfig(o)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	e := &Engine{o: o, pool: pool, schema: pgx.Identifier{o.Schema}.Sanitize()}
	e.life, e.end = context.WithCancel(context.Background())
	if err := e.prepare(ctx); err != nil {
		_ = e.Close()
		return nil, err
	}
	e.work.Go(e.watch)
	e.work.Go(e.tidy)
	return e, nil
}

// connectTimeout is how long connecting may take where the URL does not say.
const connectTimeout = 5 * time.Second

// minConns is how many connections there may be where the URL does not say: one each for
// who appends, who follows, and the messages, and some for sessions.
const minConns = 8

// poolConfig reads the options, under which nothing is set for a session or prepared
// under a name: a pooler may give each transaction another connection.
func poolConfig(o Options) (*pgxpool.Config, error) {
	config := o.Pool
	if config == nil {
		u, err := url.Parse(o.URL)
		if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
			return nil, errors.New("the URL must be like postgres://user:password@host:port/database")
		}
		if config, err = pgxpool.ParseConfig(o.URL); err != nil {
			// The error can quote the URL, and so a password.
			return nil, errors.New("the URL cannot be read: want postgres://user:password@host:port/database")
		}
		q := u.Query()
		if !q.Has("pool_max_conns") {
			config.MaxConns = max(config.MaxConns, minConns)
		}
		if !q.Has("connect_timeout") {
			config.ConnConfig.ConnectTimeout = connectTimeout
		}
		if !q.Has("target_session_attrs") && len(config.ConnConfig.Fallbacks) > 0 {
			config.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
		}
	}
	config = config.Copy()
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	// Through a pooler a connection can get what another one listens for.
	config.ConnConfig.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) {}
	return config, nil
}

// prepare makes the tables, and reads what servers have in common.
func (e *Engine) prepare(ctx context.Context) error {
	if err := e.migrate(ctx); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	if err := e.pool.QueryRow(ctx, e.sql(`select secret from {s}.head`)).Scan(&e.secret); err != nil {
		return fmt.Errorf("postgres: read the key of sessions: %w", err)
	}
	_, _, err := e.Read(ctx, 0, 0)
	return err
}

// sql puts the schema into a statement, as a name and as the channel's.
func (e *Engine) sql(statement string) string {
	return strings.NewReplacer("{s}", e.schema, "{channel}", "'"+strings.ReplaceAll(e.o.Schema, "'", "''")+"'").Replace(statement)
}

// Recovery returns what the servers have in common, for [socketio.Options]. It may be
// changed.
func (e *Engine) Recovery() *socketio.Recovery {
	return &socketio.Recovery{Log: e, Sessions: e, Key: e.secret}
}

// Close ends what is under way and closes the connections. Servers that use it end
// before.
func (e *Engine) Close() error {
	e.end()
	e.work.Wait()
	e.pool.Close()
	return nil
}

// errClosed is what waiting ends with when the engine is closed.
var errClosed = errors.New("postgres: the server has left the cluster")

// patience bounds every question to the database: one that hangs is away.
const patience = 4 * time.Second

// within returns a context that ends with ctx, with the engine, and after a time.
func (e *Engine) within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, d)
	stop := context.AfterFunc(e.life, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// pause waits, and reports whether there is time left.
func (e *Engine) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-e.life.Done():
	}
	return false
}

// tidyEvery is how often what nobody needs any more is removed.
const tidyEvery = 10 * time.Second

// tidy removes what is left over until the engine ends: entries beyond those to keep,
// of which any process may be the one that appended them, messages that everybody has
// read, members that are gone, and batches of processes that ended.
func (e *Engine) tidy() {
	for e.pause(e.life, tidyEvery) {
		for _, statement := range []string{
			`delete from {s}.letters where at < now() - interval '1 minute'`,
			`delete from {s}.members where seen < now() - interval '1 minute'`,
			`delete from {s}.batches where at < now() - interval '1 day'`,
		} {
			_ = e.exec(e.life, statement) // the next time may do it
		}
		_ = e.exec(e.life, trimLog, int64(e.o.MaxEntries))
	}
}

// exec runs one statement.
func (e *Engine) exec(ctx context.Context, statement string, args ...any) error {
	ctx, cancel := e.within(ctx, patience)
	defer cancel()
	_, err := e.pool.Exec(ctx, e.sql(statement), args...)
	return err
}

// randomKey returns 32 random bytes.
func randomKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return key
}
