package storetest

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"podium/contest"
)

func categoriesKeep(t *testing.T, open Opener) {
	c := start(t, open)
	submit(t, c, Entry(1, "best"))
	worst, best := contest.Category{ID: "worst", Name: "Worst"}, contest.Category{ID: "best", Name: "Best"}
	must(t, c.ReplaceCategories(t.Context(), []contest.Category{worst}))
	if feed, _, err := c.Feed(contest.Query{}); err != nil || len(feed) != 1 || feed[0].Category != worst {
		t.Errorf("feed %v (%v)", feed, err)
	}
	if _, _, err := c.Submit(t.Context(), Entry(2, "best"), contest.Once{}, nil); !errors.Is(err, contest.ErrUnknownCategory) {
		t.Errorf("a removed category still takes submissions: %v", err)
	}
	must(t, c.ReplaceCategories(t.Context(), []contest.Category{best, worst}))
	feed, version, err := c.Feed(contest.Query{})
	if err != nil || len(feed) != 2 || len(feed[0].Submissions) != 1 || version == 0 {
		t.Errorf("the category came back with %v at version %d (%v)", feed, version, err)
	}
	submit(t, c, Entry(2, "best"))
	for _, list := range [][]contest.Category{{best, best}, {{ID: "a b", Name: "x"}}, {{ID: "", Name: "x"}}, {{ID: "x"}}, {{ID: "x", Name: strings.Repeat("x", 201)}}} {
		if err := c.ReplaceCategories(t.Context(), list); !errors.Is(err, contest.ErrInvalid) {
			t.Errorf("%v: %v", list, err)
		}
	}
	must(t, c.ReplaceCategories(t.Context(), nil))
	if list, err := c.Categories(); err != nil || len(list) != 0 {
		t.Errorf("no categories are %v (%v)", list, err)
	}
	if _, payloads := log(t, c); payloads[len(payloads)-1] != `{"categories":[]}` {
		t.Errorf("announced as %s", payloads[len(payloads)-1])
	}
}

func winnersKeep(t *testing.T, open Opener) {
	c := start(t, open)
	for n := 1; n <= 4; n++ {
		submit(t, c, Entry(n, "best"))
	}
	submit(t, c, Entry(5, "worst"))
	var ignored []string
	save := func(picks contest.Picks) {
		t.Helper()
		_, _, err := c.SaveWinners(t.Context(), picks, nil, 2, contest.Once{}, func(i []string) ([]byte, error) { ignored = i; return nil, nil })
		must(t, err)
	}
	save(contest.Picks{"best": {id(3), "nobody", id(3), id(5), id(1), id(2)}})
	if want := []string{"nobody", id(5)}; !slices.Equal(ignored, want) {
		t.Errorf("ignored %v, want %v", ignored, want)
	}
	save(contest.Picks{"worst": {id(5)}})
	winners, err := c.Winners()
	if want := (contest.Picks{"best": {id(3), id(1)}, "worst": {id(5)}}); err != nil || !reflect.DeepEqual(winners, want) {
		t.Errorf("winners %v (%v), want %v", winners, err, want)
	}
	_, err = c.SetStatus(t.Context(), id(3), contest.Hidden, 2)
	must(t, err)
	_, payloads := log(t, c)
	if want := `{"winners":{"best":["1-aaaaaa"],"worst":["5-aaaaaa"]}}`; payloads[len(payloads)-2] != want {
		t.Errorf("announced %s, want %s", payloads[len(payloads)-2], want)
	}
	save(contest.Picks{"best": {}})
	if all, err := c.AllWinners(); err != nil || len(all["best"]) != 0 || len(all["worst"]) != 1 {
		t.Errorf("all winners %v (%v)", all, err)
	}
	must(t, c.ReplaceCategories(t.Context(), []contest.Category{{ID: "best", Name: "Best"}}))
	if w, err := c.Winners(); err != nil || len(w) != 1 {
		t.Errorf("winners with a removed category: %v (%v)", w, err)
	}
	if all, err := c.AllWinners(); err != nil || len(all["worst"]) != 1 {
		t.Errorf("all winners with a removed category: %v (%v)", all, err)
	}
}

func moderation(t *testing.T, open Opener) {
	c := start(t, open)
	sub := Entry(1, "best")
	sub.Status = contest.Waiting
	submit(t, c, sub)
	set := func(status contest.Status) contest.Submission {
		t.Helper()
		sub, err := c.SetStatus(t.Context(), id(1), status, 2)
		must(t, err)
		return sub
	}
	visible := func(want int, event string) {
		t.Helper()
		list, _, err := c.Submissions("best", contest.Query{})
		must(t, err)
		names, _ := log(t, c)
		if last := append([]string{""}, names...)[len(names)]; len(list) != want || last != event {
			t.Errorf("%d in the feed and the last event is %q, want %d and %q", len(list), last, want, event)
		}
	}
	visible(0, "")
	set(contest.Approved)
	visible(1, "newSubmission")
	set(contest.Hidden)
	visible(0, "submissionRemoved")
	if sub := set(contest.Approved); sub.Status != contest.Approved || !sub.Announced {
		t.Errorf("returned %+v", sub)
	}
	visible(1, "submissionUpdated")
	before, _ := log(t, c)
	set(contest.Approved)
	if after, _ := log(t, c); len(after) != len(before) {
		t.Error("a status that it had already was announced")
	}
	if _, err := c.SetStatus(t.Context(), "nobody", contest.Hidden, 2); !errors.Is(err, contest.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	counts, err := c.Counts()
	if err != nil || counts["best"][contest.Approved] != 1 || counts.Total() != 1 {
		t.Errorf("counts %v (%v)", counts, err)
	}
	if all, _, _ := c.Submissions("best", contest.Query{All: true}); len(all) != 1 {
		t.Errorf("admins see %d", len(all))
	}
}
