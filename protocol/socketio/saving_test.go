package socketio

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// heldSessions takes its time to save.
type heldSessions struct {
	*diskSessions
	begun, goOn chan struct{}
}

func (h *heldSessions) SaveSessions(ctx context.Context, r []SessionRecord) error {
	h.begun <- struct{}{}
	<-h.goOn
	return h.diskSessions.SaveSessions(ctx, r)
}

func TestAnEventForARoomWaitsForTheSavingThatIsUnderWay(t *testing.T) {
	store := &heldSessions{newDiskSessions(), make(chan struct{}, 9), make(chan struct{})}
	log := &diskLog{epoch: "e"}
	srv := recoveryServer(t, appendingLog{log}, func(r *Recovery) { r.Sessions, r.SaveEvery = store, time.Hour })
	s := newWire(srv).join(t, "/")
	s.Join("room")
	go func() { _ = srv.SaveSessions() }()
	wait(t, store.begun)
	emitted := make(chan error, 1)
	go func() { emitted <- srv.To("room").Emit("logged", 1) }()
	eventually(t, "the emitting", func() bool { return len(emitted) > 0 || waitsForLock("(*saver).flush") })
	if _, at, _ := log.Read(t.Context(), 0, 0); at.Last != 0 {
		t.Error("the event was logged before the membership was saved")
	}
	close(store.goOn)
	mustBeNil(t, wait(t, emitted))
	if rec := store.records[s.ID()]; len(rec.Rooms) != 1 {
		t.Errorf("saved %+v", rec)
	}
}

// awaySessions is a store that cannot be reached.
type awaySessions struct {
	*diskSessions
	away  atomic.Bool
	tries atomic.Int64
}

func (a *awaySessions) SaveSessions(ctx context.Context, r []SessionRecord) error {
	a.tries.Add(1)
	if a.away.Load() {
		return errors.New("the store is away")
	}
	return a.diskSessions.SaveSessions(ctx, r)
}

func TestAStoreThatIsAwayIsTriedAtIntervalsAndReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said syncBuffer
		store := &awaySessions{diskSessions: newDiskSessions()}
		store.away.Store(true)
		srv := newTestServer(t, Options{
			Logger:   slog.New(slog.NewTextHandler(&said, nil)),
			Recovery: &Recovery{Log: &diskLog{epoch: "e"}, Sessions: store, SaveEvery: 20 * time.Millisecond},
		})
		s := newWire(srv).join(t, "/")
		s.Join("room")
		time.Sleep(5 * time.Second)
		if n := store.tries.Load(); n < 5 || n > 25 {
			t.Errorf("it was tried %d times in 5 s", n)
		}
		if n := strings.Count(said.String(), "the store is away"); n != 1 {
			t.Errorf("that was reported %d times", n)
		}
		store.away.Store(false)
		time.Sleep(time.Second)
		if rec, ok, _ := store.LoadSession(t.Context(), s.ID()); !ok || len(rec.Rooms) != 1 {
			t.Errorf("then saved was %+v", rec)
		}
	})
}
