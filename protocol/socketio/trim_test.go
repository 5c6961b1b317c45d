package socketio

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
)

// trimmingLog loses its first entries right before a certain reading.
type trimmingLog struct {
	*diskLog
	before, reads, entries int
}

func (l *trimmingLog) Read(ctx context.Context, after uint64, limit int) ([]Entry, Position, error) {
	if l.reads++; l.reads == l.before {
		l.trim(l.entries)
	}
	return l.diskLog.Read(ctx, after, limit)
}

// The log is trimmed between the looks that a recovery takes at it.
func TestNothingIsMissingWhereTheLogIsTrimmedMeanwhile(t *testing.T) {
	for name, tt := range map[string]struct {
		ring, before int
	}{
		"while the ring is extended": {1 << 20, 1},
		"while events are counted":   {1, 1},
		"before events are sent":     {1, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			log := &diskLog{epoch: "e"}
			b := &browser{t: t, name: name}
			srv := recoveryServer(t, log, nil)
			b.online(srv)
			publish(t, srv, log, 1)
			b.offline()
			publish(t, srv, log, 2, 3, 4, 5)
			trimming := &trimmingLog{diskLog: log, entries: 3}
			srv = recoveryServer(t, trimming, func(r *Recovery) { r.RingBytes = tt.ring })
			if tt.ring == 1 {
				srv.publisher.ringFloor = srv.publisher.ringFrom // it is not extended
			}
			trimming.before = trimming.reads + tt.before
			for b.online(srv); !b.connected; b.online(srv) { // one that was cut short comes again
			}
			if fmt.Sprint(b.got) != "[1 4 5]" || b.recovered != 0 || b.refused != RefusedTrimmed {
				t.Errorf("%s: got %v, recovered %d, refused %q", name, b.got, b.recovered, b.refused)
			}
		})
	}
}
