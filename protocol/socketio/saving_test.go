package socketio

import (
	"context"
	"testing"
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
