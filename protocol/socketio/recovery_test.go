package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var testKey = []byte("0123456789abcdef")

// recoveryServer makes a server that follows log.
func recoveryServer(t testing.TB, log Log, change func(*Recovery)) *Server {
	r := &Recovery{Log: log, Key: testKey, ReplayRefused: true}
	if change != nil {
		change(r)
	}
	return newTestServer(t, Options{Recovery: r})
}

// offline has a browser read, and lose its connection.
func (b *browser) offline() {
	b.read()
	b.w.drop()
	synctest.Wait()
}

// online connects and reads what comes.
func (b *browser) online(srv *Server) {
	b.connect(srv)
	synctest.Wait()
	b.read()
}

func numbered(n int) Entry {
	return Entry{At: time.Now(), Event: "logged", Args: []json.RawMessage{json.RawMessage(fmt.Sprint(n))}}
}

// publish commits events and publishes them.
func publish(t testing.TB, srv *Server, log *diskLog, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		log.commit(numbered(n))
	}
	mustBeNil(t, srv.Publish())
	synctest.Wait()
}

func TestAClientThatWasSentNothingYetRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &diskLog{epoch: "e"}
		srv := recoveryServer(t, log, nil)
		publish(t, srv, log, 1, 2)
		b := &browser{t: t, name: "b"}
		b.online(srv)
		b.offline()
		publish(t, srv, log, 3, 4)
		b.online(srv)
		b.offline()
		b.online(srv) // again and again
		if b.recovered != 2 || fmt.Sprint(b.got) != "[3 4]" {
			t.Errorf("%d recoveries, got %v", b.recovered, b.got)
		}
	})
}

func TestAnOfferWhoseOffsetIsNoStringBeginsANewSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &diskLog{epoch: "e"}
		srv := recoveryServer(t, log, nil)
		b := &browser{t: t, name: "b"}
		b.online(srv)
		srv.Of("/").Socket(b.sid).Join("room1")
		b.offline()
		for offset, recovered := range map[string]bool{`123`: false, `["x"]`: false, `null`: true} {
			w := newWire(srv)
			w.say(fmt.Sprintf(`0{"pid":%q,"offset":%s}`, b.pid, offset))
			synctest.Wait()
			s := w.client.socket("/")
			if s.Recovered() != recovered || (s.ID() == b.sid) != recovered || (len(s.Rooms()) == 2) != recovered {
				t.Errorf("offset %s: recovered %v, id %s, rooms %v", offset, s.Recovered(), s.ID(), s.Rooms())
			}
			w.drop()
			synctest.Wait()
		}
	})
}

func TestOfTwoConnectionsWithOneSessionTheNewestWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &diskLog{epoch: "e"}
		srv := recoveryServer(t, log, nil)
		b := &browser{t: t, name: "b"}
		b.online(srv)
		srv.Of("/").Socket(b.sid).Join("room")
		srv.Of("/").Socket(b.sid).SetData(map[string]int{"n": 1})
		old := b.w
		b.online(srv)
		old.expectClosed(t)
		s := srv.Of("/").Socket(b.sid)
		if b.recovered != 1 || srv.Of("/").Count() != 1 || s == nil || srv.Of("/").RoomSize("room") != 1 || !s.Recovered() {
			t.Fatalf("%d recoveries, %d sockets, %d in the room", b.recovered, srv.Of("/").Count(), srv.Of("/").RoomSize("room"))
		}
		if d, ok := DataOf[map[string]int](s); !ok || d["n"] != 1 {
			t.Errorf("data %v", s.Data())
		}
		publish(t, srv, log, 1)
		b.read()
		if fmt.Sprint(b.got) != "[1]" {
			t.Errorf("got %v", b.got)
		}
	})
}

func TestClientsThatLeftOrWerePutOutStayOut(t *testing.T) {
	for _, store := range []SessionStore{nil, newDiskSessions()} {
		for name, end := range map[string]func(*browser, *Server){
			"left":     func(b *browser, _ *Server) { b.w.say("1") },
			"kicked":   func(b *browser, srv *Server) { srv.Of("/").Socket(b.sid).Disconnect(false) },
			"closed":   func(b *browser, srv *Server) { srv.Of("/").Socket(b.sid).Disconnect(true) },
			"nonsense": func(b *browser, _ *Server) { b.w.client.OnClose("parse error", nil) },
		} {
			synctest.Test(t, func(t *testing.T) {
				log := &diskLog{epoch: "e"}
				srv := recoveryServer(t, log, func(r *Recovery) { r.Sessions = store })
				b := &browser{t: t, name: name}
				b.online(srv)
				end(b, srv)
				synctest.Wait()
				mustBeNil(t, srv.Shutdown(context.Background()))
				if store != nil { // it is remembered beyond the process
					srv = recoveryServer(t, log, func(r *Recovery) { r.Sessions = store })
				} else {
					return
				}
				b.online(srv)
				if b.recovered != 0 || b.sessions != 2 || srv.Stats().Refused[RefusedDenied] != 1 {
					t.Errorf("%s: %d recoveries, %+v", name, b.recovered, srv.Stats())
				}
			})
		}
	}
}

func TestLeavingAgainAndAgainIsRememberedWithinBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newDiskSessions()
		srv := recoveryServer(t, &diskLog{epoch: "e"}, func(r *Recovery) { r.Sessions = store })
		b := &browser{t: t, name: "in and out"}
		b.online(srv)
		for range 3 * maxLeft {
			b.w.say("1")
			synctest.Wait()
			b.w.say("0")
			synctest.Wait()
		}
		mustBeNil(t, srv.SaveSessions())
		if n := len(store.records); n != maxLeft {
			t.Errorf("%d of %d are remembered, want %d", n, 3*maxLeft, maxLeft)
		}
		if n := len(srv.sessions.recent); n != 0 {
			t.Errorf("%d are still in memory", n)
		}
	})
}

func TestAClientThatMissedTooMuchGetsTheNewestEvents(t *testing.T) {
	tests := map[string]struct {
		change func(*Recovery)
		miss   func(t testing.TB, srv *Server, log *diskLog)
		want   string
	}{
		"too many": {func(r *Recovery) { r.MaxMissed = 3 }, func(t testing.TB, srv *Server, log *diskLog) {
			publish(t, srv, log, 2, 3, 4, 5, 6)
		}, "[1 4 5 6]"},
		"too old": {func(r *Recovery) { r.MaxAge = time.Minute }, func(t testing.TB, srv *Server, log *diskLog) {
			publish(t, srv, log, 2, 3)
			time.Sleep(2 * time.Minute)
			publish(t, srv, log, 4)
		}, "[1 4]"},
		"trimmed": {func(r *Recovery) { r.RingBytes = 1 }, func(t testing.TB, srv *Server, log *diskLog) {
			publish(t, srv, log, 2, 3, 4)
			log.trim(2)
		}, "[1 3 4]"},
		"not too many": {func(r *Recovery) { r.MaxMissed = 3 }, func(t testing.TB, srv *Server, log *diskLog) {
			publish(t, srv, log, 2, 3, 4)
		}, "[1 2 3 4]"},
		"nothing for long": {nil, func(testing.TB, *Server, *diskLog) { time.Sleep(time.Hour) }, "[1]"},
	}
	for name, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			log := &diskLog{epoch: "e"}
			srv := recoveryServer(t, log, tt.change)
			b := &browser{t: t, name: name}
			b.online(srv)
			publish(t, srv, log, 1)
			b.offline()
			tt.miss(t, srv, log)
			b.online(srv)
			wantRecovered := 0
			if strings.HasPrefix(name, "not") {
				wantRecovered = 1
			}
			if fmt.Sprint(b.got) != tt.want || b.recovered != wantRecovered {
				t.Errorf("%s: got %v, want %s; recovered %d; %+v", name, b.got, tt.want, b.recovered, srv.Stats())
			}
			b.offline()
			publish(t, srv, log, 9)
			b.online(srv) // the new session recovers too
			if b.recovered != wantRecovered+1 || b.got[len(b.got)-1] != 9 {
				t.Errorf("%s: then got %v, recovered %d", name, b.got, b.recovered)
			}
		})
	}
}

func TestAnotherEpochMeansANewSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &diskLog{epoch: "before the restore"}
		srv := recoveryServer(t, log, nil)
		b := &browser{t: t, name: "b"}
		b.online(srv)
		publish(t, srv, log, 1, 2)
		b.offline()
		restored := &diskLog{epoch: "after the restore"}
		restored.commit(numbered(1))
		srv = recoveryServer(t, restored, nil)
		b.online(srv)
		if b.recovered != 0 || b.sessions != 2 || srv.Stats().Refused[RefusedTicket] != 1 {
			t.Errorf("%d recoveries, %+v", b.recovered, srv.Stats())
		}
		publish(t, srv, restored, 7) // the stale offset must do no harm
		b.offline()
		publish(t, srv, restored, 8)
		b.online(srv)
		if b.recovered != 1 || fmt.Sprint(b.got) != "[1 2 7 8]" {
			t.Errorf("%d recoveries, got %v", b.recovered, b.got)
		}
	})
}

func TestEventsThatEndInAStringDoNotMoveTheOffset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &diskLog{epoch: "e"}
		srv := recoveryServer(t, log, nil)
		b := &browser{t: t, name: "b"}
		b.online(srv)
		publish(t, srv, log, 1)
		mustBeNil(t, srv.Emit("note", "text"))
		mustBeNil(t, srv.Of("/").Socket(b.sid).Emit("note", json.RawMessage(` "raw"`)))
		mustBeNil(t, srv.Emit("nothing"))
		b.read()
		if b.offset != formatOffset(tagOf("e"), mark{offset: 1}) {
			t.Errorf("offset %q", b.offset)
		}
		mustBeNil(t, srv.Emit("number", 5))
		b.w.expect(t, `2["number",5]`)
	})
}

func TestPublishRetriesAndForgetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fail atomic.Bool
		log := &flakyLog{&diskLog{epoch: "e"}, func() error {
			if fail.Load() {
				return errFlaky
			}
			return nil
		}}
		srv := recoveryServer(t, log, nil)
		b := &browser{t: t, name: "b"}
		b.online(srv)
		fail.Store(true)
		log.commit(numbered(1))
		if err := srv.Publish(); !errors.Is(err, errFlaky) {
			t.Errorf("got %v", err)
		}
		fail.Store(false)
		time.Sleep(time.Second) // virtual
		b.read()
		if fmt.Sprint(b.got) != "[1]" {
			t.Errorf("got %v", b.got)
		}
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				log.commit(numbered(2 + i))
				mustBeNil(t, srv.Publish())
			})
		}
		wg.Wait()
		synctest.Wait()
		b.read()
		if len(b.got) != 51 {
			t.Errorf("got %d events", len(b.got))
		}
	})
}

// flakyLog is a diskLog that may fail as it is read.
type flakyLog struct {
	*diskLog
	read func() error
}

var errFlaky = errors.New("disk is away")

func (l *flakyLog) Read(ctx context.Context, after uint64, limit int) ([]Entry, Position, error) {
	if err := l.read(); err != nil {
		return nil, Position{}, err
	}
	return l.diskLog.Read(ctx, after, limit)
}

func TestAnAppendingLogRecoversWhatWasSentToOneSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := recoveryServer(t, new(MemoryLog), nil)
		b, c := &browser{t: t, name: "b"}, &browser{t: t, name: "c"}
		b.online(srv)
		c.online(srv)
		s := srv.Of("/").Socket(b.sid)
		mustBeNil(t, s.Emit("logged", 1, []byte("x")))
		b.w.expect(t, `51-["logged",1,{"_placeholder":true,"num":0},"`+formatOffset(tagIn(srv), mark{offset: 1})+`"]`, "binary 78")
		b.offset = formatOffset(tagIn(srv), mark{offset: 1})
		b.offline()
		mustBeNil(t, srv.To(b.sid).Emit("logged", 2))
		mustBeNil(t, srv.Of("/").Volatile().Emit("logged", 3))
		mustBeNil(t, srv.Emit("logged", 4))
		b.online(srv)
		c.read()
		if fmt.Sprint(b.got, c.got) != "[2 4] [3 4]" {
			t.Errorf("got %v, %v", b.got, c.got)
		}
	})
}

// Servers that share a log learn of each other's events a little later.
func TestAClientMayBeAheadOfTheServerItComesTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := appendingLog{&diskLog{epoch: "e"}}
		one, other := recoveryServer(t, log, nil), recoveryServer(t, log, nil)
		b := &browser{t: t, name: "b"}
		b.online(one)
		mustBeNil(t, one.Emit("logged", 1))
		b.offline()
		b.online(other)
		if b.recovered != 1 || b.refused != "" {
			t.Errorf("%d recoveries, refused %q", b.recovered, b.refused)
		}
	})
}

func TestMiddlewareOfRecoveredSocketsRunsWhereThatIsAskedFor(t *testing.T) {
	for run, want := range map[bool]int32{false: 1, true: 2} {
		synctest.Test(t, func(t *testing.T) {
			log := &diskLog{epoch: "e"}
			srv := recoveryServer(t, log, func(r *Recovery) { r.RunMiddleware = run })
			var ran atomic.Int32
			srv.Of("/").Use(func(*Socket) error { ran.Add(1); return nil })
			b := &browser{t: t, name: "b"}
			b.online(srv)
			b.offline()
			b.online(srv)
			if b.recovered != 1 || ran.Load() != want {
				t.Errorf("RunMiddleware %v: %d recoveries, middleware ran %d times, want %d", run, b.recovered, ran.Load(), want)
			}
		})
	}
}

// A log that cannot be read at the moment says nothing of the client's offset.
func TestAClientAheadOfAServerThatCannotReadTheLogIsNotTakenForOneOfAnotherPast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := appendingLog{&diskLog{epoch: "e"}}
		var away atomic.Bool
		other := recoveryServer(t, &flakyLog{log.diskLog, func() error {
			if away.Load() {
				return errFlaky
			}
			return nil
		}}, nil)
		one := recoveryServer(t, log, nil)
		b := &browser{t: t, name: "b"}
		b.online(one)
		mustBeNil(t, one.Emit("logged", 1))
		b.offline()
		away.Store(true)
		b.online(other)
		if b.refused != RefusedLog {
			t.Errorf("refused %q", b.refused)
		}
	})
}
