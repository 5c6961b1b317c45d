package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"podium/protocol/emitter"
	"podium/protocol/internal/logentry"
	"podium/protocol/internal/outbox"
	"podium/protocol/socketio"
)

// Emitter returns an emitter for a process without sockets; one beside them may have it
// too. What it emits is logged as a server's events are, and its methods return when it
// is committed. Where the connection breaks before the answer the outcome is open; in a
// transaction of one's own [Engine.Emit] leaves no doubt. Volatile events and
// ServerSideEmit are letters, at most once.
func (e *Engine) Emitter() emitter.Emitter {
	return emitter.New(outbox.New(e.emitAll).Do)
}

// emitAll commits messages together, in their order.
func (e *Engine) emitAll(ctx context.Context, batch []*socketio.Message) []error {
	errs := make([]error, len(batch))
	err := e.emitTogether(ctx, batch)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

func (e *Engine) emitTogether(ctx context.Context, batch []*socketio.Message) error {
	ctx, cancel := e.within(ctx, patience)
	defer cancel()
	var b pgx.Batch
	logged := 0
	for _, m := range batch {
		if entry, ok := emitter.Entry(m); ok {
			b.Queue(e.sql(emitLog), logentry.Encode(&entry))
			logged++
			continue
		}
		m.From = "emitter"
		data, err := json.Marshal(&letter{Message: m})
		if err != nil {
			return fmt.Errorf("postgres: encode a message: %w", err)
		}
		b.Queue(e.sql(putLetters), int64(1), m.From, []string{""}, [][]byte{data})
	}
	if logged > 0 {
		b.Queue(e.sql(`select pg_notify({channel}, 'e')`))
	}
	if logged < len(batch) {
		b.Queue(e.sql(`select pg_notify({channel}, 'l')`))
	}
	results := e.pool.SendBatch(ctx, &b)
	var headless error
	for _, m := range batch {
		done, err := results.Exec()
		if _, ok := emitter.Entry(m); ok && err == nil && done.RowsAffected() != 1 {
			headless = errNoHead
		}
	}
	if err := errors.Join(results.Close(), headless); err != nil {
		return fmt.Errorf("postgres: emit: %w", err)
	}
	return nil
}
