package socketio

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// diskLog is a log that outlives servers. It is appended to by the test, and
// where appending is set by the server.
type diskLog struct {
	mu      sync.Mutex
	epoch   string
	entries []Entry
	trimmed int // entries dropped from the front
}

func (l *diskLog) Read(_ context.Context, after uint64, limit int) ([]Entry, Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := Position{Epoch: l.epoch, First: uint64(l.trimmed) + 1, Last: uint64(len(l.entries))}
	rest := l.entries[min(max(int(after), l.trimmed), len(l.entries)):]
	return rest[:min(limit, len(rest))], at, nil
}

func (l *diskLog) commit(e Entry) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Offset = uint64(len(l.entries)) + 1
	l.entries = append(l.entries, e)
	return e.Offset
}

func (l *diskLog) trim(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trimmed = min(l.trimmed+n, len(l.entries))
}

// appendingLog is a diskLog as an Appender.
type appendingLog struct{ *diskLog }

func (l appendingLog) Append(_ context.Context, entries []Entry) error {
	for i := range entries {
		entries[i].Offset = l.commit(entries[i])
	}
	return nil
}

// diskSessions is a session store that outlives servers.
type diskSessions struct {
	mu      sync.Mutex
	records map[string]SessionRecord
	saves   int
}

func newDiskSessions() *diskSessions { return &diskSessions{records: make(map[string]SessionRecord)} }

func (d *diskSessions) SaveSessions(_ context.Context, records []SessionRecord) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.saves++
	for _, r := range records {
		r.live = nil
		d.records[r.ID] = r
	}
	return nil
}

func (d *diskSessions) LoadSession(_ context.Context, id string) (SessionRecord, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.records[id]
	return r, ok, nil
}

func (d *diskSessions) TrimSessions(_ context.Context, before time.Time, keep int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.records, func(_ string, r SessionRecord) bool { return r.At.Before(before) })
	return nil
}

// mortalSessions is a diskSessions as one process sees it: killed, it saves no
// more.
type mortalSessions struct {
	*diskSessions
	dead bool // set while nothing runs
}

func (m *mortalSessions) SaveSessions(ctx context.Context, r []SessionRecord) error {
	if m.dead {
		return nil
	}
	return m.diskSessions.SaveSessions(ctx, r)
}

// browser is a client that does what the official one does.
type browser struct {
	t    testing.TB
	name string
	w    *wire

	sid, pid, offset string
	connected        bool

	got       []int // numbers of logged events, in the order they came
	fresh     int   // how many of got came before the session began
	sessions  int
	recovered int
	refused   Refusal // what the last CONNECT said
}

// connect opens a connection. The old one, where there is one, stays open on
// the server's side: the client no longer looks at it.
func (b *browser) connect(srv *Server) {
	b.w = newWire(srv)
	b.connected = false
	auth := map[string]string{}
	if b.pid != "" {
		auth["pid"] = b.pid
		if b.offset != "" {
			auth["offset"] = b.offset
		}
	}
	raw, err := json.Marshal(auth)
	mustBeNil(b.t, err)
	b.w.say("0" + string(raw))
}

// read handles what has arrived.
func (b *browser) read() {
	if b.w == nil {
		return
	}
	b.w.mu.Lock()
	ms := b.w.received
	b.w.received = nil
	b.w.mu.Unlock()
	for _, m := range ms {
		text := string(m.data)
		switch text[0] {
		case '0':
			var a connectAnswer
			mustBeNil(b.t, json.Unmarshal(m.data[1:], &a))
			b.connected, b.refused = true, a.Refused
			if b.pid != "" && a.PID == b.pid {
				b.recovered++
				if a.SID != b.sid {
					b.t.Fatalf("%s recovered as %s, was %s", b.name, a.SID, b.sid)
				}
			} else {
				b.sessions++
				b.fresh = len(b.got)
			}
			b.sid, b.pid = a.SID, a.PID
		case '1': // put out
			b.connected = false
		case '2':
			if !b.connected {
				b.t.Fatalf("%s: event before CONNECT: %s", b.name, text)
			}
			var args []any
			mustBeNil(b.t, json.Unmarshal(m.data[1:], &args))
			if args[0] == "logged" {
				b.got = append(b.got, int(args[1].(float64)))
			}
			if last, ok := args[len(args)-1].(string); ok {
				b.offset = last
			}
		default:
			b.t.Fatalf("%s: %s", b.name, text)
		}
	}
}

// world is the model: what every client must have seen.
type world struct {
	t        testing.TB
	rng      *rand.Rand
	appends  bool
	log      *diskLog
	disk     *diskSessions
	mortal   *mortalSessions
	srv      *Server
	servers  []*Server
	browsers []*browser
	member   map[string]map[string]bool // room → names, as of now
	sent     int
	want     map[string][]int // name → numbers of the events addressed to it
	offline  map[string]bool
}

func (w *world) boot() {
	w.mortal = &mortalSessions{diskSessions: w.disk}
	r := &Recovery{ReplayRefused: true, Log: w.log, Key: []byte("0123456789abcdef"), Sessions: w.mortal, MaxMissed: 10_000, MaxAge: time.Hour, RingBytes: 20_000}
	if w.appends {
		r.Log = appendingLog{w.log}
	}
	w.srv = NewServer(Options{Recovery: r})
	w.servers = append(w.servers, w.srv)
	On(w.srv, "join", func(s *Socket, room string) { s.Join(room) }, Inline)
	On(w.srv, "leave", func(s *Socket, room string) { s.Leave(room) }, Inline)
}

// emit sends a logged event to everybody or a room.
func (w *world) emit() {
	w.sent++
	n := w.sent
	room := ""
	if w.rng.IntN(3) == 0 {
		room = []string{"a", "b"}[w.rng.IntN(2)]
	}
	for _, b := range w.browsers {
		if b.sessions > 0 && (room == "" || w.member[room][b.name]) {
			w.want[b.name] = append(w.want[b.name], n)
		}
	}
	var rooms []string
	if room != "" {
		rooms = []string{room}
	}
	if w.appends {
		mustBeNil(w.t, w.srv.To(rooms...).Emit("logged", n))
		return
	}
	if room != "" {
		mustBeNil(w.t, w.srv.SaveSessions()) // the committer's part, see Recovery
	}
	w.log.commit(Entry{At: time.Now(), Rooms: rooms, Event: "logged", Args: []json.RawMessage{json.RawMessage(strconv.Itoa(n))}})
	if w.rng.IntN(4) > 0 {
		mustBeNil(w.t, w.srv.Publish())
	}
}

// restart ends the server, orderly or not, and starts another.
func (w *world) restart(kill bool) {
	if kill {
		w.mortal.dead = true
		w.forget()
		for _, b := range w.browsers {
			if b.w != nil {
				b.w.mu.Lock()
				b.w.limit = 0
				b.w.mu.Unlock()
			}
		}
	} else {
		mustBeNil(w.t, w.srv.SaveSessions())
	}
	mustBeNil(w.t, w.srv.Shutdown(context.Background()))
	for _, b := range w.browsers {
		b.read()
		w.offline[b.name] = true
	}
	w.boot()
}

// forget undoes the changes of rooms that a crash undoes: those not saved yet,
// for which no event was emitted since.
func (w *world) forget() {
	for room, members := range w.member {
		for _, b := range w.browsers {
			rec := w.disk.records[b.sid]
			if slices.ContainsFunc(rec.Rooms, func(r RoomRecord) bool { return r.Name == room }) {
				members[b.name] = true
			} else {
				delete(members, b.name)
			}
		}
	}
}

func (w *world) step() {
	b := w.browsers[w.rng.IntN(len(w.browsers))]
	switch w.rng.IntN(13) {
	case 0, 1, 2, 3:
		w.emit()
	case 4: // an event that is not logged, and looks like an offset
		mustBeNil(w.t, w.srv.Of("/").Volatile().Emit("note", "not an offset"))
		if w.rng.IntN(2) == 0 {
			mustBeNil(w.t, w.srv.Of("/").Volatile().Emit("bare"))
		}
	case 5: // what is sent from now on gets lost in part
		if b.w != nil {
			b.w.mu.Lock()
			if n := w.rng.IntN(4); b.w.limit < 0 || n < b.w.limit {
				b.w.limit = n
			}
			b.w.mu.Unlock()
		}
		w.offline[b.name] = true
	case 6:
		if b.w != nil {
			b.read()
			b.w.drop()
		}
		w.offline[b.name] = true
	case 7, 8:
		if w.offline[b.name] {
			b.read()
			b.connect(w.srv)
			w.offline[b.name] = false
			if w.rng.IntN(3) == 0 { // the replay is cut short
				b.w.mu.Lock()
				b.w.limit = len(b.w.received) + w.rng.IntN(5)
				b.w.mu.Unlock()
				w.offline[b.name] = true
			}
		}
	case 9:
		if w.rng.IntN(4) == 0 {
			w.restart(w.rng.IntN(2) == 0)
		}
	case 10:
		time.Sleep(time.Duration(w.rng.IntN(1500)) * time.Millisecond) // virtual
	case 11, 12:
		w.changeRoom(b)
	}
	synctest.Wait()
	for _, b := range w.browsers {
		if w.rng.IntN(2) == 0 {
			b.read()
		}
	}
}

// changeRoom has a connected client join or leave a room.
func (w *world) changeRoom(b *browser) {
	if b.w == nil || w.offline[b.name] || b.sessions == 0 {
		return
	}
	b.read()
	if !b.connected || b.sid == "" || w.srv.Of("/").Socket(b.sid) == nil {
		return
	}
	mustBeNil(w.t, w.srv.Publish()) // memberships count when an event is published
	room := []string{"a", "b"}[w.rng.IntN(2)]
	if w.rng.IntN(3) > 0 {
		b.w.say(`2["join","` + room + `"]`)
		w.member[room][b.name] = true
	} else {
		b.w.say(`2["leave","` + room + `"]`)
		delete(w.member[room], b.name)
	}
	if w.rng.IntN(2) == 0 {
		mustBeNil(w.t, w.srv.SaveSessions())
	} else if !w.appends {
		mustBeNil(w.t, w.srv.SaveSessions())
	}
}

// check brings everybody back and compares.
func (w *world) check() {
	mustBeNil(w.t, w.srv.Publish())
	for _, b := range w.browsers {
		b.read()
		b.connect(w.srv)
		synctest.Wait()
		b.read()
		if !slices.Equal(b.got, w.want[b.name]) {
			w.t.Errorf("%s, after %d sessions and %d recoveries, got\n%v\nwant\n%v", b.name, b.sessions, b.recovered, b.got, w.want[b.name])
		}
		if b.sessions != 1 {
			w.t.Errorf("%s had %d sessions", b.name, b.sessions)
		}
	}
}

// runModel plays random steps. Clients join at once, so that each must be told
// everything.
func runModel(t *testing.T, seed uint64, appends bool, steps int) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, rng: rand.New(rand.NewPCG(seed, 0)), appends: appends,
			log: &diskLog{epoch: "e" + strconv.FormatUint(seed, 10)}, disk: newDiskSessions(),
			member: map[string]map[string]bool{"a": {}, "b": {}},
			want:   make(map[string][]int), offline: make(map[string]bool),
		}
		w.boot()
		for i := range 4 {
			b := &browser{t: t, name: fmt.Sprint("client", i)}
			w.browsers = append(w.browsers, b)
			b.connect(w.srv)
			synctest.Wait()
			b.read()
		}
		for range steps {
			w.step()
			if t.Failed() {
				break
			}
		}
		w.check()
		mustBeNil(t, w.srv.Shutdown(context.Background()))
	})
}

// TestNothingIsLostAndNothingComesTwice plays random drops, cut replays,
// restarts and kills against a model. Set SOCKETIO_SEED to replay one run.
func TestNothingIsLostAndNothingComesTwice(t *testing.T) {
	first, runs, steps := rand.Uint64N(1<<40), 60, 300
	if s := os.Getenv("SOCKETIO_SEED"); s != "" {
		n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 64)
		mustBeNil(t, err)
		first, runs = n, 1
	}
	if testing.Short() {
		runs = min(runs, 10)
	}
	for i := range runs {
		seed := first + uint64(i)
		for _, appends := range []bool{false, true} {
			t.Run(fmt.Sprintf("seed=%d/appends=%v", seed, appends), func(t *testing.T) {
				runModel(t, seed, appends, steps)
			})
			if t.Failed() {
				return
			}
		}
	}
}
