package storetest

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"podium/contest"
)

func feedPages(t *testing.T, open Opener) {
	c := start(t, open)
	for n := 1; n <= 5; n++ {
		submit(t, c, Entry(n, "best"))
		submit(t, c, Entry(n+10, "worst"))
	}
	for _, one := range []struct {
		q    contest.Query
		want []int
		more bool
	}{
		{contest.Query{Limit: 2}, []int{5, 4}, true},
		{contest.Query{Limit: 5}, []int{5, 4, 3, 2, 1}, false},
		{contest.Query{Before: id(4)}, []int{3, 2, 1}, false},
		{contest.Query{Before: id(4), Limit: 1}, []int{3}, true},
		{contest.Query{Before: id(14), Limit: 1}, []int{4}, true}, // of another category: what came before it
		{contest.Query{Since: 4}, []int{5}, false},
	} {
		list, more, err := c.Submissions("best", one.q)
		want := []string{}
		for _, n := range one.want {
			want = append(want, id(n))
		}
		if err != nil || more != one.more || !slices.Equal(idsOf(list), want) {
			t.Errorf("%+v gives %v, more %v (%v), want %v", one.q, idsOf(list), more, err, want)
		}
	}
	if _, _, err := c.Submissions("best", contest.Query{Before: "x"}); !errors.Is(err, contest.ErrNotFound) {
		t.Errorf("before nothing: %v", err)
	}
	if list, more, err := c.Submissions("nope", contest.Query{}); len(list) != 0 || more || err != nil {
		t.Errorf("of no category: %v %v %v", list, more, err)
	}
	spans, err := c.Spans()
	if want := (map[string]contest.Span{"best": {Oldest: 1, Newest: 5}, "worst": {Oldest: 11, Newest: 15}}); err != nil || !reflect.DeepEqual(spans, want) {
		t.Errorf("spans %v (%v)", spans, err)
	}
}

func pages(t *testing.T, open Opener) {
	c := start(t, open)
	var bulk contest.Bulk
	var want []string
	for n := 1; n <= 600; n++ {
		bulk.Submissions = append(bulk.Submissions, Entry(n, "best"))
		want = append(want, id(n))
	}
	_, err := c.Import(t.Context(), bulk)
	must(t, err)
	slices.Sort(want)
	var seen []string
	must(t, c.Each(func(sub contest.Submission) bool { seen = append(seen, sub.ID); return true }))
	if !slices.Equal(seen, want) {
		t.Errorf("%d seen in another order or number than %d", len(seen), len(want))
	}
	// f may use the store, and what it deletes is not in its way.
	seen = nil
	must(t, c.Each(func(sub contest.Submission) bool {
		if len(seen) == 0 {
			_, err := c.Delete(t.Context(), want[1], want[400])
			must(t, err)
		}
		seen = append(seen, sub.ID)
		return len(seen) < 500
	}))
	if len(seen) != 500 || slices.Contains(seen, want[400]) {
		t.Errorf("%d seen, among them one that was deleted: %v", len(seen), slices.Contains(seen, want[400]))
	}
}

func imported(t *testing.T, open Opener) {
	c := start(t, open)
	submit(t, c, Entry(1, "best"))
	waiting := Entry(3, "other")
	waiting.Status = contest.Waiting
	bulk := contest.Bulk{
		Categories:  []contest.Category{{ID: "other", Name: "Other"}, {ID: "best", Name: "Best"}},
		Submissions: []contest.Submission{Entry(1, "best"), Entry(2, "other"), waiting, Entry(4, "other")},
		Picks:       contest.Picks{"other": {id(4), id(3), id(1)}}, Source: "s",
	}
	before, _ := c.Version()
	added, err := c.Import(t.Context(), bulk)
	if err != nil || added.Submissions != 3 || added.Present != 1 || added.Known || !slices.Equal(added.Ignored, []string{id(3), id(1)}) {
		t.Errorf("added %+v (%v)", added, err)
	}
	if after, _ := c.Version(); after == before {
		t.Error("what was read before the import still counts as fresh")
	}
	if names, _ := log(t, c); len(names) != 1 {
		t.Errorf("an import announced something: %v", names)
	}
	if list, _, _ := c.Submissions("other", contest.Query{}); !slices.Equal(idsOf(list), []string{id(4), id(2)}) {
		t.Errorf("the feed is %v", idsOf(list))
	}
	counts, _ := c.Counts()
	if counts["other"][contest.Approved] != 2 || counts["other"][contest.Waiting] != 1 {
		t.Errorf("counts %v", counts)
	}
	_, err = c.Delete(t.Context(), id(2))
	must(t, err)
	added, err = c.Import(t.Context(), bulk)
	if err != nil || !added.Known || added.Submissions != 0 || added.Present != 3 {
		t.Errorf("imported again: %+v (%v)", added, err)
	}
	for _, bad := range [][]contest.Submission{{Entry(9, "best"), Entry(9, "best")}, {{Category: "best"}}} {
		if _, err := c.Import(t.Context(), contest.Bulk{Submissions: bad}); !errors.Is(err, contest.ErrInvalid) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
