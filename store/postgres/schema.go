package postgres

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"podium/contest"
)

// format is the version of the tables that this program makes and uses.
const format = 2

// oldestServer is the oldest PostgreSQL that is taken, as server_version_num.
const oldestServer = 13_00_00

// migrationLock is the advisory lock under which the tables are changed.
const migrationLock = 0x706f6469756d // "podium"

// migrations bring the tables from each format to the next, the first from
// nothing. A step only adds: the program that knows the format before goes on
// working beside it. What a step makes unnecessary is dropped by a later one,
// which raises head.oldest to the first format that does without it.
func migrations() []string {
	return []string{`
create schema podium;
create table podium.head (
	one boolean primary key default true check (one),
	format int not null,
	oldest int not null,
	epoch text not null,
	last bigint not null default 0,
	version bigint not null default 0,
	categories text not null,
	categories_version bigint not null default 0,
	stale int not null default 0 constraint categories_are_current check (stale = 0)
);
create table podium.submissions (
	id text collate "C" primary key,
	seq bigint generated always as identity,
	category text not null,
	status text not null,
	created_at bigint not null,
	data text not null
);
create index submissions_order on podium.submissions (category, seq);
create index submissions_feed on podium.submissions (category, seq) where status = 'approved';
create table podium.counts (
	category text, status text, n bigint not null, primary key (category, status)
);
create table podium.winners (category text primary key, ids text[] not null);
create table podium.events (
	off bigint primary key,
	at bigint not null,
	name text not null,
	subject text not null,
	payload text
);
create index events_subject on podium.events (subject) where subject <> '';
create table podium.answers (
	key text primary key, at bigint not null, subject text not null, content bytea not null, body bytea not null
);
create index answers_at on podium.answers (at);
create index answers_subject on podium.answers (subject) where subject <> '';
create table podium.settings (name bytea primary key, value bytea not null);
create table podium.sessions (id text primary key, at bigint not null, data bytea not null);
create index sessions_at on podium.sessions (at);
create table podium.transfers (id text collate "C" primary key);
create table podium.batches (id text primary key, at timestamptz not null default now());
`, `
create unlogged table podium.machines (id text primary key, at timestamptz not null, report text not null);
`}
}

// migrate makes the tables what this program needs. Several may do so at the
// same time.
func migrate(ctx context.Context, conn *pgx.Conn, categories []contest.Category) error {
	var server int
	if err := conn.QueryRow(ctx, `select current_setting('server_version_num')::int`).Scan(&server); err != nil {
		return fmt.Errorf("ask the database for its version: %w", explain(err))
	}
	if err := judgeServer(server); err != nil {
		return err
	}
	have, err := readFormat(ctx, conn)
	if err != nil || have >= format {
		return err
	}
	return migrateTo(ctx, conn, format, categories)
}

// judgeServer refuses a server that is too old, by its server_version_num.
func judgeServer(version int) error {
	if version >= oldestServer {
		return nil
	}
	return fmt.Errorf("the database is PostgreSQL %d, and %d or newer is needed", version/10000, oldestServer/10000)
}

// migrateTo brings the tables to a format.
func migrateTo(ctx context.Context, conn *pgx.Conn, format int, categories []contest.Category) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1)`, int64(migrationLock)); err != nil {
			return err
		}
		have, err := readFormat(ctx, conn) // another may have been first
		if err != nil {
			return err
		}
		for ; have < format; have++ {
			if _, err := tx.Exec(ctx, migrations()[have], pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("from format %d: %w", have, err)
			}
			if have == 0 {
				err = fill(ctx, tx, categories)
			} else {
				_, err = tx.Exec(ctx, `update podium.head set format = $1`, have+1)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("prepare the database: %w", explain(err))
	}
	return nil
}

// fill writes what a new contest begins with.
func fill(ctx context.Context, tx pgx.Tx, categories []contest.Category) error {
	if categories == nil {
		categories = contest.DefaultCategories()
	}
	list, err := json.Marshal(categories)
	if err != nil {
		return fmt.Errorf("encode the default categories: %w", err)
	}
	_, err = tx.Exec(ctx, `insert into podium.head (format, oldest, epoch, categories) values ($1, 1, $2, $3)`, 1, rand.Text()[:8], string(list))
	return err
}

// readFormat returns the format of the tables, 0 where there are none.
func readFormat(ctx context.Context, conn *pgx.Conn) (have int, err error) {
	var there bool
	// to_regclass would answer from a cache that a transaction looks into at its
	// begin, and so from before the lock.
	if err := conn.QueryRow(ctx, `select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = 'podium' and c.relname = 'head')`).Scan(&there); err != nil || !there {
		return 0, explain(err)
	}
	var oldest int
	err = conn.QueryRow(ctx, `select format, oldest from podium.head`).Scan(&have, &oldest)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, errors.New("the database has podium's tables and nothing in them; restore it, or drop the schema podium")
	case err != nil:
		return 0, fmt.Errorf("read the format of the database: %w", explain(err))
	case oldest > format:
		return 0, fmt.Errorf("the database has format %d and can be used from format %d on, and this program knows %d: %w", have, oldest, format, contest.ErrNewerFormat)
	}
	return have, nil
}
