package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// format is the version of the tables that this package makes and uses.
const format = 1

// oldestServer is the oldest PostgreSQL that is taken, as server_version_num.
const oldestServer = 13_00_00

// migrations bring the tables from each format to the next, the first from nothing. A
// step only adds, so that servers which know the format before go on working beside it.
// What a step makes unnecessary is dropped by a later one, which raises head.oldest to
// the first format that does without it.
//
// What is unlogged is emptied where the database crashes: nobody relies on it.
func migrations() []string {
	return []string{`
create schema if not exists {s};
create table {s}.head (
	one boolean primary key default true check (one),
	format int not null,
	oldest int not null,
	epoch text not null,
	last bigint not null default 0,
	secret bytea not null
);
create table {s}.events (
	off bigint primary key,
	at bigint not null,
	data bytea,
	nsp text, event text, rooms text[], excluded text[], args text[]
);
create table {s}.batches (
	id text primary key, base bigint, at timestamptz not null default now(), stamp bigint
);
create table {s}.sessions (id text primary key, at timestamptz not null, data bytea not null);
create index sessions_at on {s}.sessions (at);
create unlogged table {s}.members (id text primary key, seen timestamptz not null, data bytea not null);
create unlogged table {s}.mail (one boolean primary key default true check (one), last bigint not null);
create unlogged table {s}.letters (
	n bigint primary key, at timestamptz not null default now(), sender text not null, receiver text not null, data bytea not null
);
create function {s}.emit(event text, args jsonb default '[]', rooms text[] default '{}', excluded text[] default '{}', nsp text default '/')
returns bigint language plpgsql set search_path = pg_catalog as $$
declare
	place bigint;
begin
	if jsonb_typeof(args) is distinct from 'array' then
		raise exception 'the arguments of an event are a JSON array' using errcode = 'invalid_parameter_value';
	end if;
	if event is null or event in ('connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener') then
		raise exception 'the name of an event is missing or reserved' using errcode = 'invalid_parameter_value';
	end if;
	update {s}.head set last = last + 1 returning last into strict place;
	insert into {s}.events (off, at, nsp, event, rooms, excluded, args) values (
		place, (extract(epoch from clock_timestamp()) * 1000)::bigint, nsp, event, rooms, excluded,
		array(select a.value::text from jsonb_array_elements(args) with ordinality as a order by a.ordinality));
	perform pg_notify({channel}, 'e');
	return place;
end
$$;
`}
}

// migrate makes the tables what this package needs. Several may do so at the same time.
func (e *Engine) migrate(ctx context.Context) error {
	var server int
	if err := e.pool.QueryRow(ctx, `select current_setting('server_version_num')::int`).Scan(&server); err != nil {
		return fmt.Errorf("ask the database for its version: %w", err)
	}
	if server < oldestServer {
		return fmt.Errorf("the database is PostgreSQL %d, and %d or newer is needed", server/10000, oldestServer/10000)
	}
	err := pgx.BeginFunc(ctx, e.pool, func(tx pgx.Tx) error {
		have, err := e.readFormat(ctx, tx)
		if err != nil || have >= format {
			return err
		}
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended('podium ' || $1::text, 0))`, e.o.Schema); err != nil {
			return err
		}
		if have, err = e.readFormat(ctx, tx); err != nil { // another may have been first
			return err
		}
		for ; have < format; have++ {
			if err := e.step(ctx, tx, have); err != nil {
				return fmt.Errorf("from format %d: %w", have, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("prepare the schema %s: %w", e.o.Schema, err)
	}
	return nil
}

// step brings the tables from a format to the next.
func (e *Engine) step(ctx context.Context, tx pgx.Tx, have int) error {
	if _, err := tx.Exec(ctx, e.sql(migrations()[have]), pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	if have > 0 {
		_, err := tx.Exec(ctx, e.sql(`update {s}.head set format = $1`), int64(have+1))
		return err
	}
	secret := e.secret // of a log that is gone: the other servers have it too
	if secret == nil {
		secret = randomKey()
	}
	_, err := tx.Exec(ctx, e.sql(`insert into {s}.head (format, oldest, epoch, secret) values (1, 1, $1, $2)`), rand.Text()[:12], secret)
	return err
}

// readFormat returns the format of the tables, 0 where there are none.
func (e *Engine) readFormat(ctx context.Context, tx pgx.Tx) (have int, err error) {
	var there bool
	// to_regclass would answer from a cache, and so from before the lock.
	if err := tx.QueryRow(ctx, `select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = $1 and c.relname = 'head')`, e.o.Schema).Scan(&there); err != nil || !there {
		return 0, err
	}
	var oldest int
	err = tx.QueryRow(ctx, e.sql(`select format, oldest from {s}.head`)).Scan(&have, &oldest)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, errors.New("there are tables and nothing in them; restore them, or drop the schema")
	case err != nil:
		return 0, fmt.Errorf("read the format: %w", err)
	case oldest > format:
		return 0, fmt.Errorf("it has format %d and can be used from format %d on, and this program knows %d", have, oldest, format)
	}
	return have, nil
}
