package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Alone runs f unless another machine is at the same work. What says so is an
// advisory lock of a transaction, which works through a pooler too, on a
// connection of its own, so that f finds those of the pool.
func (s *Store) Alone(ctx context.Context, work string, f func(context.Context) error) error {
	conn, err := s.connect(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", work, explain(err))
	}
	defer closeSoon(conn) // the lock ends with it, in whatever way
	free, err := s.claim(ctx, conn, work)
	if err != nil {
		return fmt.Errorf("%s: %w", work, explain(err))
	}
	if !free {
		return nil
	}
	return f(ctx)
}

// claim takes the lock of a kind of work, until the connection ends, and reports
// whether nobody had it.
func (s *Store) claim(ctx context.Context, conn *pgx.Conn, work string) (free bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if _, err := conn.Exec(ctx, `begin`); err != nil {
		return false, err
	}
	err = conn.QueryRow(ctx, `select pg_try_advisory_xact_lock(hashtextextended($1, $2))`, work, int64(migrationLock)).Scan(&free)
	return free, err
}
