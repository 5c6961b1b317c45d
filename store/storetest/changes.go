package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"podium/contest"
)

func newContest(t *testing.T, open Opener) {
	c := start(t, open)
	categories, err := c.Categories()
	must(t, err)
	if !slices.Equal(categories, contest.DefaultCategories()) {
		t.Errorf("categories %v", categories)
	}
	first, last, err := c.EventRange()
	if first != 1 || last != 0 || err != nil || c.Epoch() == "" {
		t.Errorf("the log of epoch %q is %d to %d (%v)", c.Epoch(), first, last, err)
	}
	if winners, err := c.Winners(); err != nil || len(winners) != 2 || winners["best"] == nil {
		t.Errorf("winners %v (%v)", winners, err)
	}
	if _, err := c.Submission("x"); !errors.Is(err, contest.ErrNotFound) {
		t.Errorf("a submission that is not there: %v", err)
	}
	submit(t, c, Entry(1, "best"))
	submit(t, c, Entry(2, "worst"))
	if found, err := c.Named(id(1), "x", id(2)); err != nil || len(found) != 2 || found[id(2)].Category != "worst" {
		t.Errorf("named %v (%v)", found, err)
	}
	if found, err := c.Named(); err != nil || len(found) != 0 {
		t.Errorf("named none: %v (%v)", found, err)
	}
	if stats, err := c.Stats(); err != nil || stats.Failures != 0 {
		t.Errorf("stats %+v (%v)", stats, err)
	}
}

func oneChange(t *testing.T, open Opener) {
	c := contest.New(open())
	submit(t, c, Entry(1, "best"))
	if _, _, err := c.Submit(t.Context(), Entry(2, "nope"), contest.Once{}, nil); !errors.Is(err, contest.ErrUnknownCategory) {
		t.Errorf("unknown category: %v", err)
	}
	if _, _, err := c.Submit(t.Context(), Entry(1, "best"), contest.Once{}, nil); !errors.Is(err, contest.ErrDuplicate) {
		t.Errorf("duplicate: %v", err)
	}
	epoch := c.Epoch()
	must(t, c.Close())
	c = start(t, open)
	names, payloads := log(t, c)
	want := `{"id":"1-aaaaaa","category":"best","caption":"caption <&> 1","imageUrl":null,"createdAt":1,"artist":"Anonymous Artist"}`
	if !slices.Equal(names, []string{contest.EventNewSubmission}) || payloads[0] != want {
		t.Errorf("log after reopening: %v %v", names, payloads)
	}
	if c.Epoch() != epoch {
		t.Errorf("epoch changed from %q to %q", epoch, c.Epoch())
	}
	sub, err := c.Submission("1-aaaaaa")
	must(t, err)
	wanted := Entry(1, "best")
	wanted.Announced, wanted.Sequence = true, sub.Sequence
	if !reflect.DeepEqual(sub, wanted) {
		t.Errorf("stored %+v, want %+v", sub, wanted)
	}
}

func failedChange(t *testing.T, open Opener) {
	c := start(t, open)
	submit(t, c, Entry(1, "best"))
	version, err := c.Version()
	must(t, err)
	for name, fail := range map[string]func(){"an error": func() {}, "a panic": func() { panic("on purpose") }} {
		err := c.Update(t.Context(), "fail", func(tx contest.Tx) error {
			sub := Entry(2, "best")
			err := errors.Join(tx.Insert(&sub), tx.Count("best", contest.Approved, 1), tx.Append("x", "", []byte("{}")),
				tx.SetSetting("s", []byte("v")), tx.SetPicks("best", []string{"1-aaaaaa"}))
			if _, e := tx.Submissions("2-aaaaaa"); e != nil { // what it wrote is sent to a store that keeps it back
				err = errors.Join(err, e)
			}
			fail()
			return errors.Join(err, errors.New("on purpose"))
		})
		if err == nil || !strings.Contains(err.Error(), "on purpose") {
			t.Errorf("%s: %v", name, err)
		}
	}
	setting, err := c.Setting("s")
	must(t, err)
	counts, err := c.Counts()
	must(t, err)
	winners, err := c.Winners()
	must(t, err)
	names, _ := log(t, c)
	if after, _ := c.Version(); setting != nil || counts.Total() != 1 || len(winners["best"]) != 0 || len(names) != 1 || after != version {
		t.Errorf("left behind: setting %q, %v, %v, events %v, version %d after %d", setting, counts, winners, names, after, version)
	}
	submit(t, c, Entry(3, "best"))
	if first, last, err := c.EventRange(); first != 1 || last != 2 || err != nil {
		t.Errorf("the log is %d to %d (%v): a failed change left a gap", first, last, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := c.Submit(ended, Entry(4, "best"), contest.Once{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

func concurrent(t *testing.T, open Opener) {
	c := start(t, open)
	const writers, each = 16, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				if _, _, err := c.Submit(context.Background(), Entry(w*each+n+1, "best"), contest.Once{Key: fmt.Sprint(w, " ", n)}, []byte("a")); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	var last uint64
	must(t, contest.EachEvent(c, 0, func(e contest.Event) bool {
		if e.Offset != last+1 {
			t.Errorf("offset %d after %d", e.Offset, last)
		}
		last = e.Offset
		seen[string(e.Payload)] = true
		return true
	}))
	if last != writers*each || len(seen) != writers*each {
		t.Errorf("%d events, %d different", last, len(seen))
	}
	stats, err := c.Stats()
	if err != nil || stats.Changes != writers*each || stats.Commits > stats.Changes || stats.Failures != 0 {
		t.Errorf("stats %+v (%v)", stats, err)
	}
	feed, version, err := c.Feed(contest.Query{})
	if err != nil || version != last {
		t.Errorf("version %d (%v)", version, err)
	}
	walked := 0
	walkedVersion, err := c.WalkFeed(func(contest.Category) error { return nil }, func(r contest.Record) error {
		sub, err := r.Decode()
		if want := feed[1].Submissions[walked]; err == nil && !reflect.DeepEqual(sub, want) {
			t.Errorf("walked over %+v, the feed has %+v", sub, want)
		}
		walked++
		return err
	})
	if err != nil || walked != writers*each || walkedVersion != version {
		t.Errorf("walked over %d at version %d (%v)", walked, walkedVersion, err)
	}
}

// Counting up by reading and writing back is what goes wrong where changes run
// into each other.
func alone(t *testing.T, open Opener) {
	c := start(t, open)
	submit(t, c, Entry(0, "best"))
	const writers, each = 8, 5
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for range each {
				err := c.Update(context.Background(), "count", func(tx contest.Tx) error {
					v, err := tx.Setting("n")
					if err != nil {
						return err
					}
					if err := tx.SetSetting("n", append(v, '.')); err != nil {
						return err
					}
					if v, err = tx.Setting("n"); err != nil {
						return err
					}
					sub := Entry(w+1, "best")
					taken, err := tx.Taken(sub.ID)
					if err != nil {
						return err
					}
					if !taken[sub.ID] {
						if err := tx.Insert(&sub); err != nil {
							return err
						}
						if err := tx.Count("best", contest.Approved, 1); err != nil {
							return err
						}
					}
					return tx.Append("counted", "", fmt.Append(nil, len(v)))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	v, err := c.Setting("n")
	if err != nil || len(v) != writers*each {
		t.Errorf("counted to %d (%v), want %d", len(v), err, writers*each)
	}
	_, payloads := log(t, c)
	for n, p := range payloads[1:] {
		if p != fmt.Sprint(n+1) {
			t.Errorf("event %d says %s: another order than that of the changes", n, p)
		}
	}
	if counts, _ := c.Counts(); counts.Total() != writers+1 {
		t.Errorf("counts %v", counts)
	}
}

func closed(t *testing.T, open Opener) {
	c := contest.New(open())
	must(t, c.Close())
	if err := c.SaveSetting("x", []byte("y")); !errors.Is(err, contest.ErrClosed) {
		t.Errorf("a change: %v", err)
	}
	if _, err := c.Setting("x"); !errors.Is(err, contest.ErrClosed) {
		t.Errorf("a read: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}
