package socketio

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// brokenSessions is a session store that cannot be read.
type brokenSessions struct{ *diskSessions }

func (brokenSessions) LoadSession(context.Context, string) (SessionRecord, bool, error) {
	return SessionRecord{}, false, errors.New("disk is away")
}

func TestARefusedClientIsToldWhyAndCounted(t *testing.T) {
	for why, tt := range map[Refusal]struct {
		change func(*Recovery)
		away   func(t *testing.T, srv *Server, log *diskLog, b *browser)
	}{
		RefusedTicket: {nil, func(_ *testing.T, _ *Server, _ *diskLog, b *browser) { b.pid = "x" + b.pid[1:] }},
		RefusedDenied: {nil, func(_ *testing.T, srv *Server, _ *diskLog, b *browser) {
			b.online(srv)
			b.w.say("1")
		}},
		RefusedRecord:  {func(r *Recovery) { r.Sessions = brokenSessions{newDiskSessions()} }, nil},
		RefusedExpired: {nil, func(*testing.T, *Server, *diskLog, *browser) { time.Sleep(maxTicketAge + time.Minute) }},
		RefusedAhead: {nil, func(_ *testing.T, srv *Server, _ *diskLog, b *browser) {
			b.offset = formatOffset(tagIn(srv), mark{offset: 1000})
		}},
		RefusedTrimmed: {func(r *Recovery) { r.RingBytes = 1 }, func(t *testing.T, srv *Server, log *diskLog, _ *browser) {
			publish(t, srv, log, 2, 3, 4)
			log.trim(2)
		}},
		RefusedTooOld: {nil, func(t *testing.T, srv *Server, log *diskLog, _ *browser) {
			publish(t, srv, log, 2)
			time.Sleep(time.Hour)
		}},
		RefusedTooMany: {func(r *Recovery) { r.MaxMissed = 1 }, func(t *testing.T, srv *Server, log *diskLog, _ *browser) {
			publish(t, srv, log, 2, 3)
		}},
	} {
		t.Run(string(why), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &diskLog{epoch: "e"}
				srv := recoveryServer(t, log, tt.change)
				b := &browser{t: t, name: "b"}
				b.online(srv)
				publish(t, srv, log, 1)
				b.offline()
				if tt.away != nil {
					tt.away(t, srv, log, b)
				}
				b.online(srv)
				if b.sessions != 2 || b.refused != why {
					t.Errorf("%d sessions, refused for %q", b.sessions, b.refused)
				}
				for r, n := range srv.Stats().Refused {
					if want := uint64(1); r == why && n != want || r != why && n != 0 {
						t.Errorf("%s was counted %d times", r, n)
					}
				}
			})
		})
	}
}

// A new session begins without the old one's events, as with the official server,
// unless they are asked for.
func TestARefusedClientGetsOldEventsOnlyWhereThatIsAskedFor(t *testing.T) {
	for replay, want := range map[bool]string{false: "[]", true: "[3 4]"} {
		synctest.Test(t, func(t *testing.T) {
			log := &diskLog{epoch: "e"}
			srv := recoveryServer(t, log, func(r *Recovery) { r.MaxMissed, r.ReplayRefused = 2, replay })
			b := &browser{t: t, name: "b"}
			b.online(srv)
			b.offline()
			publish(t, srv, log, 1, 2, 3, 4)
			b.online(srv)
			if b.sessions != 2 || fmt.Sprint(b.got) != want {
				t.Errorf("replay %v: %d sessions, got %v, want %s", replay, b.sessions, b.got, want)
			}
		})
	}
}

// countingLog counts the entries that are read.
type countingLog struct {
	*diskLog
	read int
}

func (l *countingLog) Read(ctx context.Context, after uint64, limit int) ([]Entry, Position, error) {
	entries, at, err := l.diskLog.Read(ctx, after, limit)
	l.read += len(entries)
	return entries, at, err
}

// After a restart every client comes back at once, and most have missed little:
// what none of them asks for is not read while publishing waits.
func TestAFreshServerReadsNoMoreOfTheLogThanClientsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &countingLog{diskLog: &diskLog{epoch: "e"}}
		limits := func(r *Recovery) { r.MaxMissed = 100_000 }
		srv := recoveryServer(t, log, limits)
		early, late := &browser{t: t, name: "early"}, &browser{t: t, name: "late"}
		early.online(srv)
		for n := range 3000 {
			log.commit(numbered(n))
		}
		mustBeNil(t, srv.Publish())
		late.online(srv)
		early.online(srv)
		early.offline()
		late.offline()
		for n := range 10 {
			log.commit(numbered(3000 + n))
		}
		srv = recoveryServer(t, log, limits)
		log.read = 0
		late.online(srv)
		if log.read > 2*fillStep {
			t.Errorf("%d events were read for one that missed 10", log.read)
		}
		for range 3 {
			early.pid, early.offset = "", "" // a new tab
			early.online(srv)
			early.offline()
		}
		if log.read > 2*fillStep || len(late.got) != 10 || late.recovered != 1 {
			t.Errorf("%d events were read; %d recoveries, got %v", log.read, late.recovered, late.got)
		}
	})
}

// A connection that ends between its claim to a session and taking it up leaves
// nothing behind.
func TestAClaimEndsWithItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &diskLog{epoch: "e"}
		sessions := &gatedSessions{diskSessions: newDiskSessions(), gate: make(chan struct{})}
		srv := recoveryServer(t, log, func(r *Recovery) { r.Sessions = sessions })
		b := &browser{t: t, name: "b"}
		b.online(srv)
		b.offline()
		b.connect(srv) // waits for the store
		synctest.Wait()
		b.w.drop()
		synctest.Wait()
		close(sessions.gate)
		synctest.Wait()
		roster := &srv.Of("/").roster
		if len(roster.claims) != 0 || len(roster.ids) != 0 {
			t.Errorf("%d claims, %d sockets", len(roster.claims), len(roster.ids))
		}
		b.online(srv)
		if b.recovered != 1 {
			t.Errorf("%d recoveries", b.recovered)
		}
	})
}

// gatedSessions answers when its gate is closed.
type gatedSessions struct {
	*diskSessions
	gate chan struct{}
}

func (g *gatedSessions) LoadSession(ctx context.Context, id string) (SessionRecord, bool, error) {
	<-g.gate
	return g.diskSessions.LoadSession(ctx, id)
}
