package bolt

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"podium/contest"
)

var (
	lossFor  = flag.Duration("powerloss", 0, "how long power is lost again and again, under ever new work; 0: once, under little")
	lossSeed = flag.Uint64("powerloss-seed", 0, "seed of the work; 0 takes a new one")
)

// written is one write to the file of a recorded run.
type written struct {
	offset int64
	data   []byte
	// answered is how many changes were answered before it.
	answered int
}

// recording is a run of random work: what was written, in that order, and what
// the store held after each change. Between the last data page and the meta
// page of a commit bbolt syncs, and after the meta page again; growing the file
// writes nothing.
type recording struct {
	writes []written
	states []string // states[n]: after n changes
}

// digest says in one text what a store holds.
func digest(t *testing.T, s *Store) string {
	t.Helper()
	var b strings.Builder
	err := contest.New(s).Each(func(sub contest.Submission) bool {
		fmt.Fprintln(&b, sub.ID, sub.Status, sub.Sequence, len(sub.Caption))
		return true
	})
	picks, e := contest.New(s).AllWinners()
	err = errors.Join(err, e)
	fmt.Fprintln(&b, picks)
	e = contest.EachEvent(s, 0, func(e contest.Event) bool {
		fmt.Fprintln(&b, e.Offset, e.Name, string(e.Payload))
		return true
	})
	setting, e2 := s.Setting("x")
	if err := errors.Join(err, e, e2); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&b, string(setting))
	return b.String()
}

// work performs one random change.
func work(t *testing.T, s *Store, random *rand.Rand, step int) {
	t.Helper()
	var err error
	id := fmt.Sprintf("%d-aaaaaa", random.IntN(step+1))
	switch random.IntN(12) {
	default:
		_, _, err = contest.New(s).Submit(t.Context(), sample(step), contest.Once{Key: fmt.Sprint(step)}, []byte("answer"))
	case 5:
		_, err = contest.New(s).SetStatus(t.Context(), id, contest.Hidden, 2)
	case 6:
		_, err = contest.New(s).TrimEvents(t.Context(), s.now(), 20)
	case 7:
		records := []contest.SessionRecord{{ID: fmt.Sprint(random.IntN(20)), At: s.now(), Data: make([]byte, random.IntN(4000))}}
		err = contest.New(s).SaveSessions(t.Context(), records)
	case 8:
		_, err = contest.New(s).Delete(t.Context(), id)
	case 9:
		_, _, err = contest.New(s).SaveWinners(t.Context(), contest.Picks{"best": {id}}, nil, 2, contest.Once{}, func([]string) ([]byte, error) { return nil, nil })
	case 10:
		err = contest.New(s).SaveSetting("x", make([]byte, random.IntN(20_000)))
	case 11:
		var bulk contest.Bulk // one commit of many pages
		for i := range random.IntN(100) {
			sub := sample(1000 + i)
			sub.ID = fmt.Sprintf("%d-%d", step, i)
			bulk.Submissions = append(bulk.Submissions, sub)
		}
		_, err = contest.New(s).Import(t.Context(), bulk)
	}
	if err != nil && !errors.Is(err, contest.ErrNotFound) {
		t.Fatal(err)
	}
}

// record performs random work and returns what was written.
func record(t *testing.T, random *rand.Rand, steps int) recording {
	t.Helper()
	var run recording
	answered := 0
	path := filepath.Join(t.TempDir(), "db")
	s, err := Open(path, Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	start, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	run.writes = append(run.writes, written{0, start, 0})
	run.states = append(run.states, digest(t, s))
	hookWrites(t, s.db.DB, func(real writeAt) writeAt {
		return func(data []byte, offset int64) (int, error) {
			run.writes = append(run.writes, written{offset, bytes.Clone(data), answered})
			return real(data, offset)
		}
	})
	for step := range steps {
		work(t, s, random, step)
		answered++
		run.states = append(run.states, digest(t, s))
	}
	return run
}

// disk is what a power loss leaves: what was synced, and any of what was not.
type disk struct {
	synced  []byte
	pending []written
}

// apply puts a part of a write onto a state.
func apply(state []byte, w written, from, to int) []byte {
	if missing := int(w.offset) + len(w.data) - len(state); missing > 0 {
		state = append(state, make([]byte, missing)...)
	}
	copy(state[int(w.offset)+from:], w.data[from:to])
	return state
}

// sync makes what is pending part of what is synced.
func (d *disk) sync() {
	for _, p := range d.pending {
		d.synced = apply(d.synced, p, 0, len(p.data))
	}
	d.pending = nil
}

// lost returns a state with a random part of what was not synced, in any order,
// and a random part of the write that was going on. The file had been made
// longer before any of them.
func (d *disk) lost(random *rand.Rand, w written) []byte {
	state := bytes.Clone(d.synced)
	for _, p := range d.pending {
		from, to := 0, 0
		switch random.IntN(5) {
		case 0, 1:
			to = len(p.data)
		case 2: // torn
			from = random.IntN(len(p.data))
			to = from + random.IntN(len(p.data)-from+1)
		}
		state = apply(state, p, from, to)
	}
	from := random.IntN(len(w.data))
	return apply(state, w, from, from+random.IntN(len(w.data)-from+1))
}

// examine opens a state. It must be sound, and hold what was answered: nothing
// less, and nothing more than the change that was going on.
func (run *recording) examine(t *testing.T, path string, state []byte, answered int) {
	t.Helper()
	if err := os.WriteFile(path, state, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, Options{NoSync: true, CompactFree: -1})
	if err != nil {
		t.Fatalf("after %d changes were answered: %v", answered, err)
	}
	defer s.Close()
	mustBeSound(t, s)
	got := digest(t, s)
	for n := answered; n < len(run.states) && n <= answered+1; n++ {
		if got == run.states[n] {
			return
		}
	}
	t.Fatalf("after %d changes were answered it holds neither these nor these and the next:\n%s", answered, got)
}

// lose loses power at each write of a run, twice, and after each sync, and
// returns how many states that were.
func (run *recording) lose(t *testing.T, random *rand.Rand) (states int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lost")
	d := disk{synced: bytes.Clone(run.writes[0].data)}
	for _, w := range run.writes[1:] {
		if isMeta(w.offset) { // the data pages before it were synced
			d.sync()
		}
		for range 2 {
			run.examine(t, path, d.lost(random, w), w.answered)
			states++
		}
		d.pending = append(d.pending, w)
		if isMeta(w.offset) {
			d.sync()
			run.examine(t, path, d.synced, w.answered)
			states++
		}
	}
	return states
}

// A power loss may leave any of the writes since the last sync, in any
// combination, whole or in part. Whatever it leaves must open, be sound, and
// hold what was answered before.
func TestAPowerLossAtAnyWriteLosesNothingAcknowledged(t *testing.T) {
	seed := *lossSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	steps := 20
	if testing.Short() {
		steps = 15
	}
	if *lossFor > 0 {
		steps = 150
	}
	runs, writes, states := 0, 0, 0
	defer func() { t.Logf("%d runs, %d writes, %d states opened and checked", runs, writes, states) }()
	for began := time.Now(); runs == 0 || time.Since(began) < *lossFor; seed++ {
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		run := record(t, random, steps)
		states += run.lose(t, random)
		runs++
		writes += len(run.writes)
	}
}
