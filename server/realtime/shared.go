package realtime

import (
	"context"

	"podium/contest"
	"podium/protocol/socketio"
)

// sharedLog is the log of a store that other machines write to as well.
type sharedLog struct {
	eventLog
	shared contest.Shared
	at     socketio.Position // of the last call of Follow, which one goroutine makes
}

// Follow implements [socketio.Follower]. It wakes the event streams, too.
func (l *sharedLog) Follow(ctx context.Context, after uint64, limit int) ([]socketio.Entry, socketio.Position, error) {
	for seen := after; ; {
		if err := l.shared.Follow(ctx, seen); err != nil {
			return nil, l.at, err
		}
		entries, at, err := l.Read(ctx, seen, limit)
		if err != nil {
			return nil, at, err
		}
		changed := at.Epoch != l.at.Epoch || at.Incarnation != l.at.Incarnation
		l.at = at
		if at.Last > seen {
			l.rt.wake()
		}
		if len(entries) > 0 || changed {
			return entries, at, nil
		}
		seen = max(seen, at.Last) // what is there is not sent any more
	}
}
