package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"podium/protocol/socketio"
)

// SaveSessions implements [socketio.SessionStore].
func (e *Engine) SaveSessions(ctx context.Context, records []socketio.SessionRecord) error {
	last := make(map[string][]byte, len(records)) // a statement may not write a row twice
	for _, r := range records {
		b, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("postgres: encode a session: %w", err)
		}
		last[r.ID] = b
	}
	ids := slices.Sorted(maps.Keys(last)) // all lock rows in one order
	data := make([][]byte, len(ids))
	for i, id := range ids {
		data[i] = last[id]
	}
	err := e.exec(ctx, `insert into {s}.sessions (id, at, data)
		select u.id, clock_timestamp(), u.data from unnest($1::text[], $2::bytea[]) as u (id, data)
		on conflict (id) do update set at = excluded.at, data = excluded.data`, ids, data)
	if err != nil {
		return fmt.Errorf("postgres: save sessions: %w", err)
	}
	return nil
}

// LoadSession implements [socketio.SessionStore].
func (e *Engine) LoadSession(ctx context.Context, id string) (r socketio.SessionRecord, found bool, err error) {
	ctx, cancel := e.within(ctx, patience)
	defer cancel()
	var b []byte
	err = e.pool.QueryRow(ctx, e.sql(`select data from {s}.sessions where id = $1`), id).Scan(&b)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		return r, false, fmt.Errorf("postgres: load a session: %w", err)
	}
	return r, true, nil
}

// TrimSessions implements [socketio.SessionStore].
func (e *Engine) TrimSessions(ctx context.Context, before time.Time, keep int) error {
	err := e.exec(ctx, `delete from {s}.sessions where at < $1
		or id in (select id from {s}.sessions order by at desc offset $2)`, before, int64(keep))
	if err != nil {
		return fmt.Errorf("postgres: trim sessions: %w", err)
	}
	return nil
}
