package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	"podium/protocol/emitter"
	"podium/protocol/internal/logentry"
	"podium/protocol/internal/outbox"
	"podium/protocol/socketio"
)

// emitting is the sending end of emitters: a place of its own in the log.
type emitting struct {
	engine *Engine
	node   string
	seq    atomic.Uint64
	outbox *outbox.Outbox[*socketio.Message]
}

// Emitter returns an emitter for a process without sockets; one beside them may have it
// too. What it emits is logged as a server's events are, and its methods return when it
// is: an error that wraps [socketio.ErrOutcome] says that it may have been. Volatile
// events and ServerSideEmit are published, at most once.
func (e *Engine) Emitter() emitter.Emitter {
	em := &emitting{engine: e, node: randomID()}
	em.outbox = outbox.New(em.send)
	return emitter.New(em.outbox.Do)
}

// send logs or publishes messages in their order: neighbours that are logged are one batch.
func (em *emitting) send(ctx context.Context, batch []*socketio.Message) []error {
	errs := make([]error, len(batch))
	for i := 0; i < len(batch); {
		var entries []socketio.Entry
		for _, m := range batch[i:] {
			e, logged := emitter.Entry(m)
			if !logged {
				break
			}
			entries = append(entries, e)
		}
		if len(entries) == 0 {
			errs[i] = em.publish(ctx, batch[i])
			i++
			continue
		}
		err := em.append(ctx, entries)
		for range entries {
			errs[i] = err
			i++
		}
	}
	return errs
}

// append appends a batch, anew where the log has another epoch by now: nothing was
// appended then.
func (em *emitting) append(ctx context.Context, entries []socketio.Entry) error {
	seq := em.seq.Add(1)
	for tries := 0; ; tries++ {
		args := []any{em.engine.known().Epoch, seq, em.engine.o.MaxEntries}
		for i := range entries {
			args = append(args, logentry.Encode(&entries[i]))
		}
		keys := em.engine.keys
		_, err := em.engine.insist(ctx, []string{keys.epoch, keys.log, keys.batch + em.node}, args)
		if tries > 0 || !errors.Is(err, socketio.ErrEpoch) {
			return err
		}
		if _, _, err := em.engine.Read(ctx, 0, 0); err != nil {
			return err
		}
	}
}

// publish tells all servers at once.
func (em *emitting) publish(ctx context.Context, m *socketio.Message) error {
	m.From = "emitter"
	body, err := json.Marshal(&letter{Message: m})
	if err != nil {
		return fmt.Errorf("redis: encode a message: %w", err)
	}
	if err := em.engine.client.Publish(ctx, em.engine.keys.all, body).Err(); err != nil {
		return fmt.Errorf("redis: publish: %w", err)
	}
	return nil
}
