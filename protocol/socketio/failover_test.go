package socketio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// failingLog is a log whose end can get lost: each time it is another incarnation.
type failingLog struct {
	diskLog
	failovers int

	mu       sync.Mutex // guards the hooks
	onRead   func()     // called once, when something was read and is not returned yet
	onAppend func()     // called once, when something was appended and that is not said yet
}

var _ AppenderAt = (*failingLog)(nil)

func (l *failingLog) incarnation() string { return fmt.Sprint("i", l.failovers) }

func (l *failingLog) Read(ctx context.Context, after uint64, limit int) ([]Entry, Position, error) {
	l.diskLog.mu.Lock()
	incarnation := l.incarnation()
	l.diskLog.mu.Unlock()
	entries, at, err := l.diskLog.Read(ctx, after, limit)
	entries = slices.Clone(entries)
	at.Incarnation = incarnation
	l.call(&l.onRead)
	return entries, at, err
}

func (l *failingLog) Append(ctx context.Context, entries []Entry) error {
	_, at, _ := l.Read(ctx, 0, 0)
	return l.AppendAt(ctx, at, entries)
}

func (l *failingLog) AppendAt(_ context.Context, at Position, entries []Entry) error {
	l.diskLog.mu.Lock()
	known := at.Incarnation == l.incarnation()
	l.diskLog.mu.Unlock()
	for i := range entries {
		if offset := l.commit(entries[i]); known {
			entries[i].Offset = offset
		}
	}
	l.call(&l.onAppend)
	return nil
}

func (l *failingLog) call(hook *func()) {
	l.mu.Lock()
	f := *hook
	*hook = nil
	l.mu.Unlock()
	if f != nil {
		f()
	}
}

// failOver loses the last entries, and goes on with others.
func (l *failingLog) failOver(lost int, then ...int) {
	l.diskLog.mu.Lock()
	l.failovers++
	l.entries = slices.Clone(l.entries[:len(l.entries)-lost])
	l.diskLog.mu.Unlock()
	for _, n := range then {
		l.commit(numbered(n))
	}
}

// awayAfterOne returns a log, its server, and a client that had event 1 there and is away.
func awayAfterOne(t *testing.T) (*failingLog, *Server, *browser) {
	t.Helper()
	log := &failingLog{diskLog: diskLog{epoch: "e"}}
	srv := recoveryServer(t, log, nil)
	b := &browser{t: t, name: "b"}
	b.online(srv)
	publish(t, srv, &log.diskLog, 1)
	b.offline()
	return log, srv, b
}

// A server finds that it cannot go on from where it is, and goes on from elsewhere before
// the connections have ended that it closes for it. What it sends them meanwhile would
// make their clients come back with an offset behind the hole.
func TestNothingIsSentBehindAHoleToAClientThatIsStillThere(t *testing.T) {
	for name, tt := range map[string]struct {
		happens func(l *failingLog)
		refused Refusal
	}{
		"trimmed":     {func(l *failingLog) { l.commit(numbered(4)); l.commit(numbered(5)); l.trim(4) }, RefusedTrimmed},
		"lost":        {func(l *failingLog) { l.failOver(2, 4, 5, 6) }, RefusedLost},
		"lost at all": {func(l *failingLog) { l.failOver(3); l.epoch = "f" }, RefusedTicket},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &failingLog{diskLog: diskLog{epoch: "e"}}
				b := &browser{t: t, name: name}
				srv := recoveryServer(t, log, func(r *Recovery) { r.ReplayRefused = false })
				b.online(srv)
				publish(t, srv, &log.diskLog, 1, 2, 3)
				b.read()
				closing := b.w.holdClosing()
				tt.happens(log)
				mustBeNil(t, srv.Publish())
				publish(t, srv, &log.diskLog, 7, 8)
				mustBeNil(t, srv.Of("/").Volatile().Emit("ends in a string", "and so gets an offset"))
				b.read()
				if fmt.Sprint(b.got) != "[1 2 3]" {
					t.Errorf("it got %v", b.got)
				}
				close(closing)
				synctest.Wait()
				b.online(srv)
				if b.recovered != 0 || b.refused != tt.refused {
					t.Errorf("recovered %d times, refused %q", b.recovered, b.refused)
				}
				publish(t, srv, &log.diskLog, 9)
				b.read()
				if fmt.Sprint(b.got) != "[1 2 3 9]" {
					t.Errorf("then it got %v", b.got)
				}
			})
		})
	}
}

// The same while the client is sent what it missed.
func TestNoReplayGoesOnInAnotherHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, srv, b := awayAfterOne(t)
		publish(t, srv, &log.diskLog, 2, 3)
		p := srv.publisher
		p.mu.Lock()
		p.ring, p.ringFrom, p.ringFloor = nil, p.last.Load(), p.last.Load() // so that the log is read
		p.mu.Unlock()
		reads := 0
		var hook func()
		hook = func() {
			if reads++; reads < 3 { // for the check, for the count, for the replay
				log.onRead = hook
				return
			}
			log.failOver(2, 20, 30, 40)
			mustBeNil(t, srv.Publish())
		}
		log.onRead = hook
		b.online(srv)
		if len(b.got) > 1 {
			t.Errorf("it got %v", b.got)
		}
		b.online(srv)
		if fmt.Sprint(b.got) != "[1 20 30 40]" || b.recovered == 0 {
			t.Errorf("it got %v, refused %q", b.got, b.refused)
		}
	})
}

// An answer of the log is under way while the server learns that the end of the log was
// lost: what it holds may be among that.
func TestWhatWasReadBeforeAFailoverIsNotDeliveredAfterIt(t *testing.T) {
	for name, began := range map[string]func(t *testing.T, srv *Server, log *failingLog){
		"read": func(t *testing.T, srv *Server, log *failingLog) {
			log.commit(numbered(2))
			mustBeNil(t, srv.publisher.catchUp())
		},
		"appended": func(t *testing.T, srv *Server, _ *failingLog) {
			mustBeNil(t, srv.Of("/").Emit("logged", 2))
			mustBeNil(t, srv.Publish())
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &failingLog{diskLog: diskLog{epoch: "e"}}
				srv := recoveryServer(t, log, nil)
				b := &browser{t: t, name: "b"}
				b.online(srv)
				mustBeNil(t, srv.Of("/").Emit("logged", 1))
				during := func() {
					log.failOver(1) // of what no client has had
					srv.publisher.takeStock()
					log.commit(numbered(20))
				}
				if name == "read" {
					log.onRead = during
				} else {
					log.onAppend = during
				}
				log.commit(numbered(0)) // what is read where the other is lost
				log.failOver(1)
				began(t, srv, log)
				mustBeNil(t, srv.Publish())
				b.read()
				if fmt.Sprint(b.got) != "[1 20]" || !b.connected {
					t.Errorf("it got %v", b.got)
				}
			})
		})
	}
}

// A server that was replaced and does not know it yet answers as before. Who believes it
// has to be told that what it had there is lost.
func TestGoingBackToAnOlderIncarnationIsAFailoverToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &failingLog{diskLog: diskLog{epoch: "e"}}
		srv := recoveryServer(t, log, nil)
		b := &browser{t: t, name: "b"}
		b.online(srv)
		publish(t, srv, &log.diskLog, 1)
		log.failOver(0, 2)
		mustBeNil(t, srv.Publish())
		log.failovers-- // the old one again, with an end of its own
		log.commit(numbered(-3))
		mustBeNil(t, srv.Publish())
		b.read()
		log.failovers += 2
		log.failOver(1, 3)
		mustBeNil(t, srv.Publish())
		synctest.Wait()
		b.online(srv)
		if b.sessions != 2 || b.refused != RefusedLost {
			t.Errorf("it got %v in %d sessions, refused %q", b.got, b.sessions, b.refused)
		}
	})
}

// waitingLog is a log that others append to, and that cannot be read at first.
type waitingLog struct {
	*failingLog
	reads    int // so far
	failures int // how many of them fail
}

func (l *waitingLog) Read(ctx context.Context, after uint64, limit int) ([]Entry, Position, error) {
	l.mu.Lock()
	l.reads++
	fails := l.reads <= l.failures
	l.mu.Unlock()
	if fails {
		return nil, Position{}, errors.New("the log is away")
	}
	return l.failingLog.Read(ctx, after, limit)
}

func (l *waitingLog) Follow(ctx context.Context, after uint64, limit int) ([]Entry, Position, error) {
	select {
	case <-ctx.Done():
		return nil, Position{}, ctx.Err()
	case <-time.After(time.Second):
	}
	return l.Read(ctx, after, limit)
}

// A server that could not find out about a session a moment ago does not begin a new one
// because the log can be read now: it has the client come again.
func TestASessionThatCouldNotBeLookedForIsNotBegunAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, _, b := awayAfterOne(t)
		log.commit(numbered(2))
		// The server's own, its follower's, and that for the client fail.
		two := recoveryServer(t, &waitingLog{failingLog: log, failures: 3}, nil)
		synctest.Wait()
		b.online(two)
		if b.connected {
			t.Errorf("it was let in: %d sessions, refused %q", b.sessions, b.refused)
		}
		b.online(two)
		if b.recovered != 1 || fmt.Sprint(b.got) != "[1 2]" {
			t.Errorf("recovered %d times, refused %q, got %v", b.recovered, b.refused, b.got)
		}
	})
}
