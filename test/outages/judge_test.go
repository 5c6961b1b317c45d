package outages

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"podium/test/harness"
)

// logFollower reads the event log in the database, so that it is known also when
// machines have taken its beginning off.
type logFollower struct {
	url string

	mu      sync.Mutex // guards the fields below
	offsets []uint64   // of events that everybody is told of
	// hidden are those of them that an admin hid while they were new: who was cut off
	// meanwhile is not told of them any more.
	hidden map[uint64]bool
	last   uint64
	holes  int
}

// newEvents is how many events are looked at again: guests are back long before so many
// others came.
const newEvents = 300

// followLog reads until the test ends.
func followLog(t *testing.T, url string) *logFollower {
	t.Helper()
	l := &logFollower{url: url, hidden: map[uint64]bool{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			_ = l.read(ctx) // the database may be away: from where it was
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return l
}

// read reads until something fails.
func (l *logFollower) read(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, l.url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for {
		_, last := l.soFar()
		rows, err := conn.Query(ctx, `select off, payload is not null from podium.events where off > $1 order by off`, int64(last)-newEvents)
		if err != nil {
			return err
		}
		var offset int64
		var visible bool
		if _, err = pgx.ForEachRow(rows, []any{&offset, &visible}, func() error { l.add(uint64(offset), visible); return nil }); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (l *logFollower) add(offset uint64, visible bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if offset <= l.last {
		if _, told := slices.BinarySearch(l.offsets, offset); told && !visible {
			l.hidden[offset] = true
		}
		return
	}
	if offset != l.last+1 {
		l.holes++
	}
	if l.last = offset; visible {
		l.offsets = append(l.offsets, offset)
	}
}

func (l *logFollower) soFar() (offsets []uint64, last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.offsets[:len(l.offsets):len(l.offsets)], l.last
}

// hiddenSoFar are the events that were hidden while they were new.
func (l *logFollower) hiddenSoFar() map[uint64]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.hidden)
}

// verdict is what is wrong in the end. The zero value is what is wanted.
type verdict struct {
	Lost, Twice                          int // submissions that were acknowledged
	NoPicture                            int // of those, whose picture is not served
	Missing, Doubled, OutOfOrder, Unlike int // events, of all guests
	Anew                                 int // sessions that began anew
	Holes                                int // in the log
	Refused                              int // requests, without a cause
	Away                                 int // guests who were not back in time
	Strangers                            int // guests who noticed the death of a machine that was not theirs
}

// judgeGuests compares what guests were told with the log after an offset. What is hidden
// may be missing.
func (v *verdict) judgeGuests(t *testing.T, guests []*guest, log []uint64, hidden map[uint64]bool, after uint64) (deliveries int) {
	t.Helper()
	place := make(map[uint64]int, len(log))
	for i, offset := range log {
		place[offset] = i
	}
	first, _ := slices.BinarySearch(log, after+1)
	for _, g := range guests {
		g.mu.Lock()
		v.Anew += len(g.anew)
		deliveries += len(g.offsets)
		seen, last := make([]bool, len(log)), -1
		missing := len(log) - first
		for _, offset := range g.offsets {
			i, ok := place[offset]
			switch {
			case !ok || i < first:
				v.Unlike++
				continue
			case seen[i]:
				v.Doubled++
				continue
			case i < last:
				v.OutOfOrder++
			}
			seen[i], last = true, max(i, last)
			missing--
		}
		for i := first; i < len(log); i++ {
			if !seen[i] && hidden[log[i]] {
				seen[i] = true
				missing--
			}
		}
		if v.Missing += missing; missing > 0 {
			t.Logf("a guest (%s) misses %d of %d events, the first of them %d; it was cut off %d times", g.kind, missing, len(log)-first,
				log[first+slices.Index(seen[first:], false)], len(g.cuts))
		}
		g.mu.Unlock()
	}
	return deliveries
}

// judgeSubmissions compares what was acknowledged with what is stored.
func (v *verdict) judgeSubmissions(t *testing.T, url string, list []accepted) (stored int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	rows, err := conn.Query(t.Context(), `select id, data from podium.submissions`)
	if err != nil {
		t.Fatal(err)
	}
	times, ids := map[string]int{}, map[string]bool{}
	var id, data string
	if _, err := pgx.ForEachRow(rows, []any{&id, &data}, func() error {
		var kept struct{ Caption string }
		if err := json.Unmarshal([]byte(data), &kept); err != nil || kept.Caption == "" {
			return fmt.Errorf("what is stored of %s is %s", id, data)
		}
		ids[id] = true
		times[kept.Caption]++
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, one := range list {
		if !ids[one.id] {
			v.Lost++
		}
	}
	for _, n := range times {
		v.Twice += n - 1
	}
	return len(ids)
}

// judgePictures asks for pictures that were acknowledged, at most some.
func (v *verdict) judgePictures(url string, list []accepted, some int) (asked int) {
	for _, one := range list {
		if one.picture == "" || asked == some {
			continue
		}
		asked++
		res, err := http.Get(url + one.picture)
		if err != nil {
			v.NoPicture++
			continue
		}
		if res.Body.Close(); res.StatusCode != http.StatusOK {
			v.NoPicture++
		}
	}
	return asked
}

// spell is a time in which one fault came and went.
type spell struct {
	name       string
	began, end time.Time
	own        func(cut) bool // who may notice; nil for all
}

// within reports whether a moment belongs to a spell.
func (p *spell) within(at time.Time) bool { return !at.Before(p.began) && at.Before(p.end) }

// row is what spells of one name had in common.
type row struct {
	name           string
	times          int
	excused        int
	refused        []failure
	cuts           int             // guests that were cut off
	strangers      int             // of these, who should not have noticed
	back, accepted []time.Duration // until a guest was connected again, a submission acknowledged
	lastNoticed    time.Duration   // from the begin of the fault
}

// table sorts what happened by the names of the spells.
func table(spells []*spell, causes windows, b *balancer, a *audience, list []accepted) (rows []*row) {
	failures, _ := b.soFar()
	byName := map[string]*row{}
	for _, p := range spells {
		r := byName[p.name]
		if r == nil {
			r = &row{name: p.name}
			byName[p.name], rows = r, append(rows, r)
		}
		r.times++
		for _, f := range failures {
			if !p.within(f.to) {
				continue
			}
			if causes.explain(f) {
				r.excused++
			} else {
				r.refused = append(r.refused, f)
			}
		}
		for _, one := range list {
			if p.within(one.began) {
				r.accepted = append(r.accepted, one.took)
			}
		}
		for _, g := range a.guests {
			r.count(p, g)
		}
	}
	return rows
}

// count adds the times in which a guest was cut off.
func (r *row) count(p *spell, g *guest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.cuts {
		if !p.within(c.from) {
			continue
		}
		r.cuts++
		r.lastNoticed = max(r.lastNoticed, c.from.Sub(p.began))
		if p.own != nil && !p.own(c) {
			r.strangers++
		}
		if !c.to.IsZero() {
			r.back = append(r.back, c.to.Sub(c.from))
		}
	}
}

// tellAnew prints which sessions began anew, and during which fault.
func tellAnew(t *testing.T, spells []*spell, guests []*guest) {
	t.Helper()
	for _, g := range guests {
		g.mu.Lock()
		for _, b := range g.anew {
			during := "no fault"
			for _, p := range spells {
				if p.within(b.at) {
					during = fmt.Sprintf("%q, %.2f s after it began", p.name, b.at.Sub(p.began).Seconds())
				}
			}
			t.Logf("a session began anew (%s) at %s, during %s: its guest left %s, told of %d last, and came to %s",
				g.kind, b.at.Format("15:04:05.000"), during, b.left, b.last, b.to)
		}
		g.mu.Unlock()
	}
}

// percentiles are the median, the 99th percentile and the longest, in seconds.
func percentiles(list []time.Duration) string {
	if len(list) == 0 {
		return "–"
	}
	list = slices.Clone(list)
	slices.Sort(list)
	at := func(percent int) float64 { return list[(len(list)*percent+99)/100-1].Seconds() }
	return fmt.Sprintf("%.2f / %.2f / %.2f", at(50), at(99), at(100))
}

// tell prints the table, and what was refused without a cause.
func tell(t *testing.T, rows []*row) {
	t.Helper()
	t.Log("| what failed | times | requests refused | while it was away | guests cut off | not theirs | connected again, s: p50 / p99 / max | submission acknowledged, s: p50 / p99 / max |")
	t.Log("|---|---|---|---|---|---|---|---|")
	for _, r := range rows {
		t.Logf("| %s | %d | %d | %d | %d | %d | %s | %s |", r.name, r.times, len(r.refused), r.excused, r.cuts, r.strangers, percentiles(r.back), percentiles(r.accepted))
	}
	for _, r := range rows {
		for _, f := range r.refused[:min(len(r.refused), 20)] {
			t.Logf("refused (%s): %s at %s: %d %s, %s long", r.name, f.path, f.machine, f.status, f.why, f.to.Sub(f.from).Round(time.Millisecond))
		}
	}
}

// settle waits until all guests were told of the end of the log, or get no further.
func settle(t *testing.T, a *audience, l *logFollower, head func() uint64) {
	t.Helper()
	harness.Eventually(t, "the log to be read", func() bool { _, last := l.soFar(); return last >= head() })
	log, _ := l.soFar()
	if len(log) == 0 {
		return
	}
	for deadline := time.Now().Add(harness.Patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if !slices.ContainsFunc(a.guests, func(g *guest) bool {
			g.mu.Lock()
			defer g.mu.Unlock()
			return len(g.offsets) == 0 || g.offsets[len(g.offsets)-1] != log[len(log)-1]
		}) {
			return
		}
	}
}
