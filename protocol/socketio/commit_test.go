package socketio

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slowLog takes a second for each batch.
type slowLog struct {
	MemoryLog
	batches []int // how many entries each had; by one caller at a time
}

func (l *slowLog) Append(ctx context.Context, entries []Entry) error {
	time.Sleep(time.Second)
	l.batches = append(l.batches, len(entries))
	return l.MemoryLog.Append(ctx, entries)
}

// Emits at the same time do not wait for each other behind a slow log, but for one batch.
func TestEmitsAtTheSameTimeShareABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log slowLog
		srv := newTestServer(t, Options{Recovery: &Recovery{Log: &log}})
		began := time.Now()
		var emits sync.WaitGroup
		for i := range commitBatch {
			emits.Go(func() {
				if err := srv.Emit("news", i); err != nil {
					t.Error(err)
				}
			})
		}
		emits.Wait()
		if took := time.Since(began); took > 2*time.Second { // the first, and all that came meanwhile
			t.Errorf("took %v, with batches of %v", took, log.batches)
		}
	})
}
