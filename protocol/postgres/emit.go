package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"podium/protocol/internal/logentry"
	"podium/protocol/socketio"
	"podium/protocol/socketio/parser"
)

// Target says who an event is for. The zero value means everybody in the main
// namespace.
type Target struct {
	Namespace     string   // "" means the main namespace
	Rooms, Except []string // everybody where Rooms is empty
}

// emitLog is appendLog in the transaction of somebody else.
const emitLog = `with h as (
		update {s}.head set last = last + 1
		returning last as off, (extract(epoch from clock_timestamp()) * 1000)::bigint as stamp
	)
	insert into {s}.events (off, at, data) select off, stamp, $1::bytea from h`

// Emit emits an event as a part of the caller's transaction: it is sent if and only if
// that commits, and in the order of commits. From Emit to the end of the transaction
// nobody else emits, so it comes last. The transaction belongs to the database of the
// engine, whose role needs to write to the engine's schema.
//
// The SQL function emit of the schema does the same from any language.
func (e *Engine) Emit(ctx context.Context, tx pgx.Tx, to Target, event string, args ...any) error {
	if parser.Reserved(event) {
		return fmt.Errorf("postgres: emit: %w", socketio.ErrReservedEvent)
	}
	raw, attachments, err := parser.MarshalArgs(args)
	if err != nil {
		return fmt.Errorf("postgres: encode %q: %w", event, err)
	}
	namespace := to.Namespace
	if namespace == "" {
		namespace = "/"
	}
	data := logentry.Encode(&socketio.Entry{
		Namespace: namespace, Rooms: to.Rooms, Except: to.Except, Event: event, Args: raw, Attachments: attachments,
	})
	var b pgx.Batch
	b.Queue(e.sql(emitLog), data)
	b.Queue(e.sql(`select pg_notify({channel}, 'e')`))
	results := tx.SendBatch(ctx, &b)
	done, err := results.Exec()
	if closed := results.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("postgres: emit %q: %w", event, err)
	}
	if done.RowsAffected() != 1 {
		return fmt.Errorf("postgres: emit %q: %w", event, errNoHead)
	}
	return nil
}
