package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"podium/contest"
	"podium/protocol/socketio"
)

// eventLog is the store's log as Socket.IO's recovery reads it.
type eventLog struct{ rt *Realtime }

// log returns the store's log: one that Socket.IO follows where other machines
// write to it too.
func (rt *Realtime) log() socketio.Log {
	if shared, ok := rt.o.Contest.Store.(contest.Shared); ok {
		return &sharedLog{eventLog: eventLog{rt}, shared: shared}
	}
	return eventLog{rt}
}

// Read implements [socketio.Log].
func (l eventLog) Read(_ context.Context, after uint64, limit int) ([]socketio.Entry, socketio.Position, error) {
	store := l.rt.o.Contest
	at := socketio.Position{Epoch: store.Epoch()}
	if shared, ok := store.Store.(contest.Shared); ok {
		at.Incarnation = shared.Incarnation()
	}
	for {
		first, last, err := store.EventRange()
		if err != nil {
			return nil, at, err
		}
		entries, err := l.entries(after, limit)
		if err != nil {
			return nil, at, err
		}
		if at.First, _, err = store.EventRange(); err != nil || at.First == first {
			// Nothing was trimmed while they were read. What was logged meanwhile is
			// not among them: the end is what it was before, or that of the entries.
			at.Last = last
			if n := len(entries); n > 0 {
				at.Last = max(last, entries[n-1].Offset)
			}
			return entries, at, err
		}
	}
}

// entries reads the events after an offset, at most limit. One that told of what was
// deleted since asks for nothing, but it is there: it may be the last that a guest had.
func (l eventLog) entries(after uint64, limit int) (out []socketio.Entry, err error) {
	if limit == 0 {
		return nil, nil
	}
	var failed error
	err = contest.EachEvent(l.rt.o.Contest, after, func(e contest.Event) bool {
		one := socketio.Entry{Offset: e.Offset, At: time.UnixMilli(e.At), Kind: socketio.KindNothing, Check: check(e)}
		if len(e.Payload) > 0 {
			payload, err := l.rt.o.Payload(e.Name, e.Payload)
			if err != nil {
				failed = err
				return false
			}
			one.Kind, one.Event, one.Args = socketio.KindEvent, e.Name, []json.RawMessage{payload}
		}
		out = append(out, one)
		return len(out) < limit
	})
	return out, errors.Join(err, failed)
}

// check tells an event from another that took its offset, by what stays as it is: what it
// told of may be deleted, and where a picture is may change.
func check(e contest.Event) uint32 {
	return max(1, crc32.ChecksumIEEE(fmt.Appendf(nil, "%d %s", e.At, e.Name)))
}

// sharedLog is the log of a store that other machines write to as well.
type sharedLog struct {
	eventLog
	shared contest.Shared
	at     socketio.Position // of the last call of Follow, which one goroutine makes
}

// Follow implements [socketio.Follower]. It wakes the event streams, too.
func (l *sharedLog) Follow(ctx context.Context, after uint64, limit int) ([]socketio.Entry, socketio.Position, error) {
	for {
		if err := l.shared.Follow(ctx, after); err != nil {
			return nil, l.at, err
		}
		entries, at, err := l.Read(ctx, after, limit)
		if err != nil {
			return nil, at, err
		}
		changed := at.Epoch != l.at.Epoch || at.Incarnation != l.at.Incarnation
		l.at = at
		if at.Last > after {
			l.rt.wake()
		}
		if len(entries) > 0 || changed {
			return entries, at, nil
		}
	}
}
