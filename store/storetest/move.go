package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"testing"
	"time"

	"podium/contest"
)

// Loader fills a new store with all of another one.
type Loader func(t *testing.T, all iter.Seq2[contest.Part, error]) Opener

// RunMove holds a pair of stores to what a move promises: a contest that moves
// from one to the other is the same there, to the last answer and session.
func RunMove(t *testing.T, fresh func(t *testing.T) Opener, load Loader) {
	t.Run("AContestThatMovesIsTheSame", func(t *testing.T) { movesWhole(t, fresh(t), load) })
	t.Run("ANewContestMoves", func(t *testing.T) {
		from := start(t, fresh(t))
		same(t, from, start(t, load(t, from.Store.(contest.Whole).All(t.Context()))))
	})
	t.Run("WhoeverWantsOnlyAPartGetsNoMore", func(t *testing.T) { movesPartly(t, fresh(t)) })
}

// lived makes a contest with something of everything.
func lived(t *testing.T, open Opener) *contest.Contest {
	t.Helper()
	c := start(t, open)
	var bulk contest.Bulk
	for n := 1; n <= 2*contest.PartSize+7; n++ { // more than fit in two parts
		bulk.Submissions = append(bulk.Submissions, Entry(n, []string{"worst", "best", "removed"}[n%3]))
	}
	bulk.Categories = []contest.Category{{ID: "worst", Name: "W <&>"}, {ID: "best", Name: "Ü"}, {ID: "removed", Name: "R"}}
	_, err := c.Import(t.Context(), bulk)
	must(t, err)
	for n := 3001; n <= 3020; n++ {
		sub := Entry(n, "best")
		sub.Awaits, sub.CloudID, sub.Guest = n%2 == 0, fmt.Sprint("cloud", n), fmt.Sprint("guest", n%3)
		if n%5 == 0 {
			sub.Status = contest.Waiting
		}
		body := fmt.Appendf(nil, `{"success":true,"entry":{"id":%q,"phone":"555"}}`, sub.ID)
		_, _, err := c.Submit(t.Context(), sub, contest.Once{Key: fmt.Sprint("key ", n), Content: []byte{0, byte(n)}}, body)
		must(t, err)
	}
	_, _, err = c.SaveWinners(t.Context(), contest.Picks{"best": {id(3004), id(3003)}, "removed": {id(2)}}, nil, 2,
		contest.Once{Key: "winners"}, func([]string) ([]byte, error) { return []byte(`{"success":true}`), nil })
	must(t, err)
	_, err = c.SetStatus(t.Context(), id(3003), contest.Hidden, 2)
	must(t, err)
	_, err = c.Delete(t.Context(), id(3001), id(3002), id(4))
	must(t, err)
	must(t, c.ReplaceCategories(t.Context(), []contest.Category{{ID: "best", Name: "B"}, {ID: "worst", Name: "W"}}))
	must(t, c.SaveSetting("binary\x00name", []byte{0, 255}))
	must(t, c.SaveSetting("empty", []byte{}))
	must(t, c.SaveSessions(t.Context(), []contest.SessionRecord{
		{ID: "b", At: time.UnixMilli(1_700_000_000_123), Data: []byte{0, 1, 255}}, {ID: "a", At: time.UnixMilli(5), Data: []byte("x")},
	}))
	_, err = c.TrimEvents(t.Context(), time.Time{}, 12)
	must(t, err)
	return c
}

func movesWhole(t *testing.T, open Opener, load Loader) {
	from := lived(t, open)
	all := from.Store.(contest.Whole)
	reopen := load(t, all.All(t.Context()))
	to := contest.New(reopen())
	same(t, from, to)

	// What there is no copy of follows from the rest, and everything goes on.
	counts, err := to.Counts()
	must(t, err)
	if want, _ := from.Counts(); !reflect.DeepEqual(nonzero(counts), nonzero(want)) {
		t.Errorf("counts %v, want %v", counts, want)
	}
	_, last, _ := from.EventRange()
	submit(t, to, Entry(9001, "best"))
	if _, now, err := to.EventRange(); now != last+1 || err != nil {
		t.Errorf("the next offset is %d (%v), want %d", now, err, last+1)
	}
	if list, _, err := to.Submissions("best", contest.Query{Limit: 2}); err != nil || list[0].ID != id(9001) {
		t.Errorf("the newest are %v (%v)", idsOf(list), err)
	}
	body, replayed, err := to.Submit(t.Context(), Entry(9002, "best"), contest.Once{Key: "key 3006", Content: []byte{0, 0xbe}}, nil)
	if err != nil || !replayed || len(body) == 0 {
		t.Errorf("a request that was answered before the move: %q %v %v", body, replayed, err)
	}
	// Deleting reaches what moved along, in the log and in the answers.
	_, err = to.Delete(t.Context(), id(3019))
	must(t, err)
	if _, found, err := to.Answer("key 3019"); found || err != nil {
		t.Errorf("the answer that tells of a deleted submission: %v %v", found, err)
	}
	must(t, contest.EachEvent(to, 0, func(e contest.Event) bool {
		if e.Name == contest.EventNewSubmission && len(e.Payload) > 0 && string(e.Payload[:len(id(3019))+8]) == `{"id":"`+id(3019)+`"` {
			t.Errorf("the log tells of it: %s", e.Payload)
		}
		return true
	}))
	must(t, to.Close())
	start(t, reopen) // a store that checks itself as it closes does so again
}

func nonzero(counts contest.Counts) map[string]int {
	n := map[string]int{}
	for category, statuses := range counts {
		for status, k := range statuses {
			if k != 0 {
				n[category+" "+string(status)] = k
			}
		}
	}
	return n
}

// same fails where two stores do not hold the same.
func same(t *testing.T, from, to *contest.Contest) {
	t.Helper()
	want, got := collect(t, from), collect(t, to)
	for name, pair := range map[string][2]any{
		"head": {want.Head, got.Head}, "submissions": {want.Submissions, got.Submissions}, "events": {want.Events, got.Events},
		"answers": {want.Answers, got.Answers}, "settings": {want.Settings, got.Settings}, "sessions": {want.Sessions, got.Sessions},
		"transfers": {want.Transfers, got.Transfers},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("the %s differ:\n%.1000v\nwant\n%.1000v", name, pair[1], pair[0])
		}
	}
	if to.Epoch() != from.Epoch() {
		t.Errorf("epoch %q, want %q", to.Epoch(), from.Epoch())
	}
	first, last, err := from.EventRange()
	must(t, err)
	if f, l, err := to.EventRange(); f != first || l != last || err != nil {
		t.Errorf("the log is %d to %d (%v), want %d to %d", f, l, err, first, last)
	}
	for _, category := range []string{"best", "worst", "removed"} {
		want, _, err := from.Submissions(category, contest.Query{All: true})
		must(t, err)
		got, _, err := to.Submissions(category, contest.Query{All: true})
		must(t, err)
		if !slices.Equal(idsOf(got), idsOf(want)) {
			t.Errorf("the order of %s is another", category)
		}
	}
}

// collect puts all parts of a store into one, its tables in the order of their
// keys.
func collect(t *testing.T, c *contest.Contest) (all contest.Part) {
	t.Helper()
	for part, err := range c.Store.(contest.Whole).All(t.Context()) {
		must(t, err)
		if part.Head != nil {
			if all.Head != nil {
				t.Error("two parts have a head")
			}
			all.Head = part.Head
		}
		if n := len(part.Submissions) + len(part.Events) + len(part.Answers) + len(part.Settings) + len(part.Sessions) + len(part.Transfers); n > contest.PartSize {
			t.Errorf("a part has %d rows", n)
		}
		all.Submissions = append(all.Submissions, part.Submissions...)
		all.Events = append(all.Events, part.Events...)
		all.Answers = append(all.Answers, part.Answers...)
		all.Settings = append(all.Settings, part.Settings...)
		all.Sessions = append(all.Sessions, part.Sessions...)
		all.Transfers = append(all.Transfers, part.Transfers...)
	}
	return all
}

func movesPartly(t *testing.T, open Opener) {
	c := lived(t, open)
	all := c.Store.(contest.Whole)
	for _, enough := range []func(contest.Part) bool{
		func(part contest.Part) bool { return part.Head != nil },
		func(part contest.Part) bool { return len(part.Submissions) > 0 },
		func(part contest.Part) bool { return len(part.Settings) > 0 },
	} {
		for part, err := range all.All(t.Context()) {
			if must(t, err); enough(part) {
				break
			}
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	defer cancel()
	var failed error
	for _, err := range all.All(ended) {
		failed = err
		cancel()
	}
	if !errors.Is(failed, context.Canceled) {
		t.Errorf("it ended with %v", failed)
	}
	submit(t, c, Entry(9001, "best")) // nothing is held any more
}
