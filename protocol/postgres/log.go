package postgres

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"podium/protocol/internal/logentry"
	"podium/protocol/socketio"
)

// incarnation names the server process and its timeline: another one may have lost the
// end of the log, as a replica that was behind, or after a crash where commits do not
// wait for the disk. A replica has none.
const incarnation = `case when pg_is_in_recovery() then '' else substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
	|| '-' || (extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint end`

// readLog is one statement, so that all it says is of one moment.
const readLog = `select h.epoch, coalesce((select min(off) from {s}.events), h.last + 1), h.last,
	(extract(epoch from clock_timestamp()) * 1000000)::bigint, ` + incarnation + `,
	e.off, e.at, e.data, e.nsp, e.event, e.rooms, e.excluded, e.args
	from {s}.head h left join lateral (select * from {s}.events where off > $1 order by off limit $2) e on true order by e.off`

// appendLog appends a batch to a log of that epoch: its counter is locked from here to
// the commit, which is what gives the entries neighbouring offsets in the order of
// commits.
//
// Parameters: batch, number of entries, epoch, the batch before, entries.
const appendLog = `with h as (
		update {s}.head set last = last + $2 where epoch = $3
		returning last - $2 as base, (extract(epoch from clock_timestamp()) * 1000)::bigint as stamp
	), b as (
		insert into {s}.batches (id, base, stamp) select $1, base, stamp from h
	), d as (
		delete from {s}.batches where id = $4
	), e as (
		insert into {s}.events (off, at, data)
		select h.base + u.i, h.stamp, u.data from h, unnest($5::bytea[]) with ordinality as u (data, i)
	)
	select base, stamp, ` + incarnation + ` from h`

// resolveBatch makes sure that a batch whose commit was not answered is committed or
// never will be: the row waits for a transaction that is still running, and stands in
// the way of one that comes later.
const resolveBatch = `insert into {s}.batches (id) values ($1) on conflict (id) do nothing`

// trimLog drops the entries beyond those to keep.
const trimLog = `delete from {s}.events where off <= (select last - $1 from {s}.head)`

// Read implements [socketio.Log]. Where the schema is gone it is made anew, with a log of
// another epoch.
func (e *Engine) Read(ctx context.Context, after uint64, limit int) ([]socketio.Entry, socketio.Position, error) {
	entries, at, err := e.read(ctx, after, limit)
	if missing(err) {
		if err = e.migrate(ctx); err == nil {
			entries, at, err = e.read(ctx, after, limit)
		}
	}
	if err != nil {
		return nil, socketio.Position{}, fmt.Errorf("postgres: read the log: %w", err)
	}
	e.told(at)
	return entries, at, nil
}

var (
	errReplica = errors.New("the database is a replica")
	errNoHead  = errors.New("the table head is empty")
)

func (e *Engine) read(ctx context.Context, after uint64, limit int) (entries []socketio.Entry, at socketio.Position, err error) {
	ctx, cancel := e.within(ctx, patience)
	defer cancel()
	rows, err := e.pool.Query(ctx, e.sql(readLog), int64(after), int64(limit))
	if err != nil {
		return nil, at, err
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.epoch, &r.first, &r.last, &r.now, &r.incarnation,
			&r.off, &r.at, &r.data, &r.nsp, &r.event, &r.rooms, &r.excluded, &r.args); err != nil {
			return nil, at, err
		}
		at = socketio.Position{
			Epoch: r.epoch, Incarnation: r.incarnation,
			First: uint64(r.first), Last: uint64(r.last), Now: time.UnixMicro(r.now),
		}
		if r.off != nil {
			entries = append(entries, r.entry())
		}
	}
	switch err := rows.Err(); {
	case err != nil:
		return nil, at, err
	case at.Epoch == "":
		return nil, at, errNoHead
	case at.Incarnation == "":
		e.pool.Reset() // the next connection may reach the primary
		return nil, at, errReplica
	}
	return entries, at, nil
}

// row is what readLog returns: the position with each entry, which may be none.
type row struct {
	epoch, incarnation    string
	first, last, now      int64
	off, at               *int64
	data                  []byte
	nsp, event            *string
	rooms, excluded, args []string
}

// entry reads an entry: data as servers write it, or the columns of the SQL function.
func (r *row) entry() (entry socketio.Entry) {
	if r.data != nil {
		var err error
		if entry, err = logentry.Decode(r.data); err != nil {
			entry = socketio.Entry{Kind: logentry.Unreadable}
		}
	} else if r.event != nil {
		entry = socketio.Entry{Event: *r.event, Rooms: r.rooms, Except: r.excluded}
		if r.nsp != nil {
			entry.Namespace = *r.nsp
		}
		for _, a := range r.args {
			entry.Args = append(entry.Args, json.RawMessage(a))
		}
	} else {
		entry.Kind = logentry.Unreadable
	}
	entry.Offset, entry.At = uint64(*r.off), time.UnixMilli(*r.at)
	return entry
}

// told notes what was read last.
func (e *Engine) told(at socketio.Position) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = at
}

func (e *Engine) known() socketio.Position {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last
}

// placed says where a batch stands.
type placed struct {
	base, stamp int64
	incarnation string
}

// Append implements [socketio.Appender], as of the position that was read last.
func (e *Engine) Append(ctx context.Context, entries []socketio.Entry) error {
	return e.AppendAt(ctx, e.known(), entries)
}

// AppendAt implements [socketio.AppenderAt]. Where the database is away it tries again until
// ctx ends.
func (e *Engine) AppendAt(ctx context.Context, to socketio.Position, entries []socketio.Entry) error {
	data := make([][]byte, len(entries))
	for i := range entries {
		data[i] = logentry.Encode(&entries[i])
	}
	p, err := e.insist(ctx, to.Epoch, data)
	if err != nil {
		return fmt.Errorf("postgres: append: %w", err)
	}
	if p.incarnation != to.Incarnation {
		return nil // the offsets are of a log that the server does not know yet
	}
	for i := range entries {
		entries[i].Offset, entries[i].At = uint64(p.base)+uint64(i)+1, time.UnixMilli(p.stamp)
	}
	return nil
}

// insist appends a batch, once, and asks what became of an attempt that was not answered
// before it makes another.
func (e *Engine) insist(ctx context.Context, epoch string, data [][]byte) (p placed, err error) {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 250*time.Millisecond) {
		id := rand.Text()
		p, sent, err := e.try(ctx, id, epoch, data)
		if sent && open(err) {
			p, err = e.resolve(ctx, id, err)
		}
		switch {
		case err == nil:
			e.lastBatch = id
			return p, nil
		case errors.Is(err, pgx.ErrNoRows), missing(err):
			return p, fmt.Errorf("%w: %w", socketio.ErrEpoch, err)
		case errors.Is(err, socketio.ErrOutcome), !passing(err):
			return p, err
		case codeOf(err) == codeReadOnly:
			e.pool.Reset() // the next connection may reach the primary
		}
		if !e.pause(ctx, wait) {
			return p, err
		}
	}
}

// appendPatience bounds an append whose caller sets no bound.
const appendPatience = 10 * time.Second

// try sends a batch, and reports whether anything may have been sent. All statements are one
// transaction, in one round trip.
func (e *Engine) try(ctx context.Context, id, epoch string, data [][]byte) (p placed, sent bool, err error) {
	ctx, cancel := e.within(ctx, appendPatience)
	defer cancel()
	conn, err := e.pool.Acquire(ctx)
	if err != nil {
		return p, false, err
	}
	defer conn.Release()
	var b pgx.Batch
	// An answer in time, also where somebody holds the log for long, is better than not
	// to know.
	deadline, _ := ctx.Deadline()
	b.Queue(`select set_config('statement_timeout', $1, true)`, fmt.Sprint(max(1, time.Until(deadline).Milliseconds()*3/4)))
	trim := e.untrimmed >= e.o.MaxEntries/4
	if trim {
		b.Queue(e.sql(trimLog), int64(e.o.MaxEntries))
	}
	b.Queue(e.sql(appendLog), id, int64(len(data)), epoch, e.lastBatch, data).QueryRow(func(row pgx.Row) error {
		return row.Scan(&p.base, &p.stamp, &p.incarnation)
	})
	b.Queue(e.sql(`select pg_notify({channel}, 'e')`))
	err = conn.SendBatch(ctx, &b).Close()
	if err == nil {
		if e.untrimmed += len(data); trim {
			e.untrimmed = 0
		}
	}
	return p, true, err
}

// resolve finds out what became of a batch whose commit was not answered: it returns
// where it stands, or an error after which the batch is not in the log and never will
// be, or ErrOutcome where the database could not be asked in time.
func (e *Engine) resolve(ctx context.Context, id string, because error) (p placed, err error) {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 250*time.Millisecond) {
		p, done, err := e.ask(ctx, id)
		switch {
		case err == nil && done:
			return p, nil
		case err == nil:
			return p, fmt.Errorf("it was not committed: %w", because)
		case missing(err):
			return p, err
		}
		if !e.pause(ctx, wait) {
			return p, fmt.Errorf("%w: %w", socketio.ErrOutcome, because)
		}
	}
}

// ask runs resolveBatch and reports whether the batch is committed.
func (e *Engine) ask(ctx context.Context, id string) (p placed, done bool, err error) {
	ctx, cancel := e.within(ctx, patience)
	defer cancel()
	if _, err := e.pool.Exec(ctx, e.sql(resolveBatch), id); err != nil {
		return p, false, err
	}
	var base, stamp *int64
	if err := e.pool.QueryRow(ctx, e.sql(`select base, stamp, `+incarnation+` from {s}.batches where id = $1`), id).Scan(&base, &stamp, &p.incarnation); err != nil {
		return p, false, err
	}
	if base == nil || stamp == nil {
		return p, false, nil
	}
	p.base, p.stamp = *base, *stamp
	return p, true, nil
}

// followFor is how long Follow waits for something new. It then reads all the same, so
// that nothing depends on notifications, and a log that was lost is noticed although
// nobody writes.
const followFor = time.Second

// caughtUp is a reading that found the end of the log: until the bell rings there is
// nothing behind it.
type caughtUp struct {
	after uint64
	rung  <-chan struct{}
}

// Follow implements [socketio.Follower].
func (e *Engine) Follow(ctx context.Context, after uint64, limit int) ([]socketio.Entry, socketio.Position, error) {
	e.mu.Lock()
	c := e.caughtUp
	e.mu.Unlock()
	if c.rung != nil && c.after == after {
		timer := time.NewTimer(followFor)
		defer timer.Stop()
		select {
		case <-c.rung:
		case <-timer.C:
		case <-e.life.Done():
			return nil, socketio.Position{}, errClosed
		case <-ctx.Done():
			return nil, socketio.Position{}, ctx.Err()
		}
	}
	rung := e.events.next() // before it reads: what comes afterwards rings
	entries, at, err := e.Read(ctx, after, limit)
	c = caughtUp{}
	if err == nil && len(entries) < limit {
		if c = (caughtUp{after, rung}); len(entries) > 0 {
			c.after = entries[len(entries)-1].Offset
		}
	}
	e.mu.Lock()
	e.caughtUp = c
	e.mu.Unlock()
	return entries, at, err
}
