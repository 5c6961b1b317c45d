package backup

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"podium/contest"
	"podium/store/bolt"
)

// Five hundred submissions a second go on while backups are made one after the
// other. Rounds with and without take turns, so that whatever else the machine
// does falls on both; and because it may fall on one more than on the other,
// the limit has to be missed three times.
func TestWritesStayWithinTwiceTheirP99DuringBackups(t *testing.T) {
	const stocked = 20_000
	s, err := bolt.Open(filepath.Join(t.TempDir(), "podium.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	var bulk contest.Bulk
	for i := range stocked {
		bulk.Submissions = append(bulk.Submissions, paced(i))
	}
	if _, err := contest.New(s).Import(t.Context(), bulk); err != nil {
		t.Fatal(err)
	}
	w := &writer{t: t, store: s, next: stocked}
	k := keeper(t, Options{Store: s, Dest: t.TempDir(), Keep: 2})
	for try := 1; ; try++ {
		ratio := w.compare(k)
		if ratio <= 2 {
			break
		}
		if try == 3 {
			t.Errorf("backups make the p99 of writes %.2f times as long", ratio)
			break
		}
	}
	// The last copy, made while writes went on, holds what was there.
	if err := Verify(filepath.Join(k.o.Dest, w.last)); err != nil {
		t.Error(err)
	}
}

// writer writes at a steady pace.
type writer struct {
	t     *testing.T
	store *bolt.Store
	next  int
	last  string // name of the last backup
}

// compare writes with and without backups by turns, and returns how many times
// as long the p99 is with them.
func (w *writer) compare(k *Keeper) float64 {
	var without, with []time.Duration
	backups := 0
	for range 3 {
		without = append(without, w.round()...)
		stop, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			for ; ; backups++ {
				select {
				case <-stop:
					return
				default:
				}
				name, err := k.Take(context.Background())
				if err != nil {
					w.t.Error(err)
					return
				}
				w.last = name
			}
		}()
		with = append(with, w.round()...)
		close(stop)
		<-ended
	}
	p := func(took []time.Duration, percent int) time.Duration {
		slices.Sort(took)
		return took[len(took)*percent/100].Round(10 * time.Microsecond)
	}
	ratio := float64(p(with, 99)) / float64(p(without, 99))
	w.t.Logf("%d writes a second: p50 %v and p99 %v alone; p50 %v and p99 %v during %d backups; ratio of p99 %.2f",
		time.Second/between, p(without, 50), p(without, 99), p(with, 50), p(with, 99), backups, ratio)
	return ratio
}

// between is the time between two writes.
const between = 2 * time.Millisecond

// round writes for a second, whatever each write takes, and returns how long
// that was, from the moment at which it was due.
func (w *writer) round() (took []time.Duration) {
	var mu sync.Mutex // guards took
	var writers sync.WaitGroup
	tick := time.NewTicker(between)
	defer tick.Stop()
	for range time.Second / between {
		due := <-tick.C
		sub := paced(w.next)
		w.next++
		writers.Go(func() {
			if _, _, err := contest.New(w.store).Submit(context.Background(), sub, contest.Once{}, nil); err != nil {
				w.t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(due))
		})
	}
	writers.Wait()
	return took
}

func paced(i int) contest.Submission {
	return contest.Submission{ID: fmt.Sprintf("%d-aaaaaa", 1700000000000+i), SubmissionID: fmt.Sprintf("sub-%d", i), Category: "best",
		Caption: "A caption of the usual length, with a few words", Name: "A guest", Phone: "+49 170 1234567",
		StorageMethod: "none", CreatedAt: int64(1700000000000 + i), Status: contest.Approved}
}
