package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"podium/protocol/socketio"
)

// SaveSessions implements [socketio.SessionStore].
func (e *Engine) SaveSessions(ctx context.Context, records []socketio.SessionRecord) error {
	_, err := e.client.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for _, r := range records {
			b, err := json.Marshal(r)
			if err != nil {
				return err
			}
			p.Set(ctx, e.keys.session+r.ID, b, e.o.SessionAge)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("redis: save sessions: %w", err)
	}
	return nil
}

// LoadSession implements [socketio.SessionStore].
func (e *Engine) LoadSession(ctx context.Context, id string) (r socketio.SessionRecord, found bool, err error) {
	b, err := e.client.Get(ctx, e.keys.session+id).Bytes()
	if errors.Is(err, goredis.Nil) {
		return r, false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		return r, false, fmt.Errorf("redis: load a session: %w", err)
	}
	return r, true, nil
}

// TrimSessions implements [socketio.SessionStore]: Redis drops records by their age.
func (e *Engine) TrimSessions(context.Context, time.Time, int) error { return nil }
