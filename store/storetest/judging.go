package storetest

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"podium/contest"
)

// moved holds a move to its place in the order of arrival, to what is told, and to
// the way back.
func moved(t *testing.T, open Opener) {
	c := start(t, open)
	for n := 1; n <= 3; n++ {
		submit(t, c, Entry(n, []string{"worst", "best", "worst"}[n-1]))
	}
	hidden := Entry(4, "best")
	hidden.Status = contest.Waiting
	submit(t, c, hidden)
	crown(t, c, contest.Picks{"best": {id(2)}, "worst": {id(3), id(1)}}, nil)
	lists := func(category string, want ...string) {
		t.Helper()
		for _, all := range []bool{false, true} {
			list, _, err := c.Submissions(category, contest.Query{All: all})
			if got := idsOf(list); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s lists %v (%v), want %v", category, got, err, want)
			}
		}
	}
	sub, had, err := c.Move(t.Context(), id(2), "worst", 0, 2)
	if err != nil || had != 1 || sub.Category != "worst" {
		t.Fatalf("moved %+v from place %d (%v)", sub, had, err)
	}
	lists("worst", id(3), id(2), id(1))
	if list, _, _ := c.Submissions("best", contest.Query{}); len(list) != 0 {
		t.Errorf("best still lists %v", idsOf(list))
	}
	names, payloads := log(t, c)
	want := []string{"winnersUpdated", "submissionRemoved", "submissionUpdated"}
	if got := names[len(names)-3:]; !slices.Equal(got, want) || payloads[len(names)-2] != `{"id":"`+id(2)+`","category":"best"}` {
		t.Errorf("told %v %s", got, payloads[len(names)-2])
	}
	if _, _, err := c.Move(t.Context(), id(2), "best", had, 2); err != nil {
		t.Fatal(err)
	}
	winners, err := c.Winners()
	if want := (contest.Picks{"best": {id(2)}, "worst": {id(3), id(1)}}); err != nil || !reflect.DeepEqual(winners, want) {
		t.Errorf("moved back, the winners are %v (%v), want %v", winners, err, want)
	}
	before, _ := log(t, c)
	if _, _, err := c.Move(t.Context(), id(4), "worst", 0, 2); err != nil {
		t.Fatal(err)
	}
	if after, _ := log(t, c); len(after) != len(before) {
		t.Errorf("the move of one that waits was told: %v", after[len(before):])
	}
	counts, err := c.Counts()
	if err != nil || counts["worst"][contest.Waiting] != 1 || counts["best"][contest.Waiting] != 0 || counts["best"][contest.Approved] != 1 {
		t.Errorf("counts %v (%v)", counts, err)
	}
	if _, _, err := c.Move(t.Context(), id(1), "nowhere", 0, 2); !errors.Is(err, contest.ErrUnknownCategory) {
		t.Errorf("to a category that is not there: %v", err)
	}
	if _, _, err := c.Move(t.Context(), "nobody", "best", 0, 2); !errors.Is(err, contest.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
}

// statusesAtOnce holds the change of many statuses to all or nothing, to the order of what
// it tells, and to its own undoing.
func statusesAtOnce(t *testing.T, open Opener) {
	c := start(t, open)
	wanted := map[string]contest.Status{"nobody": contest.Approved}
	for n := 1; n <= 5; n++ {
		sub := Entry(n, "best")
		if n > 2 {
			sub.Status = contest.Waiting
			wanted[id(n)] = contest.Approved
		}
		submit(t, c, sub)
	}
	before, err := c.SetStatuses(t.Context(), wanted, 2)
	if err != nil || len(before) != 3 || before[id(4)] != contest.Waiting {
		t.Fatalf("they were %v (%v)", before, err)
	}
	names, payloads := log(t, c)
	told := []string{}
	for i, payload := range payloads[2:] {
		told = append(told, names[i+2]+" "+payload[len(`{"id":"`):len(`{"id":"`)+len(id(1))])
	}
	if want := []string{"newSubmission " + id(3), "newSubmission " + id(4), "newSubmission " + id(5)}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	crown(t, c, contest.Picks{"best": {id(2), id(1)}}, nil)
	before, err = c.SetStatuses(t.Context(), map[string]contest.Status{id(1): contest.Hidden, id(2): contest.Hidden}, 2)
	must(t, err)
	if _, err := c.SetStatuses(t.Context(), before, 2); err != nil {
		t.Fatal(err)
	}
	if winners, _ := c.Winners(); !slices.Equal(winners["best"], []string{id(2), id(1)}) {
		t.Errorf("hidden and shown again, the winners are %v", winners["best"])
	}
	if _, err := c.SetStatuses(t.Context(), map[string]contest.Status{id(1): contest.Hidden, id(2): "gone"}, 2); !errors.Is(err, contest.ErrInvalid) {
		t.Errorf("an unknown status: %v", err)
	}
	if sub, _ := c.Submission(id(1)); sub.Status != contest.Approved {
		t.Error("one of a refused change was hidden")
	}
}

// publishedBetween holds who publishes to what they took the winners to be.
func publishedBetween(t *testing.T, open Opener) {
	c := start(t, open)
	for n := 1; n <= 3; n++ {
		submit(t, c, Entry(n, "best"))
	}
	crown(t, c, contest.Picks{"best": {id(1)}}, contest.Picks{"best": {}, "worst": {}})
	_, _, err := c.SaveWinners(t.Context(), contest.Picks{"best": {id(2)}}, contest.Picks{"best": {}}, 2, contest.Once{}, noAnswer)
	if winners, _ := c.Winners(); !errors.Is(err, contest.ErrConflict) || !slices.Equal(winners["best"], []string{id(1)}) {
		t.Errorf("published over another's winners: %v, %v", winners, err)
	}
	crown(t, c, contest.Picks{"best": {id(2)}}, contest.Picks{"best": {id(1)}})
}

func crown(t *testing.T, c *contest.Contest, picks, before contest.Picks) {
	t.Helper()
	_, _, err := c.SaveWinners(t.Context(), picks, before, 2, contest.Once{}, noAnswer)
	must(t, err)
}

func noAnswer([]string) ([]byte, error) { return nil, nil }

// categoriesComeBack holds removed categories to their names and what they had.
func categoriesComeBack(t *testing.T, open Opener) {
	c := start(t, open)
	submit(t, c, Entry(1, "best"))
	submit(t, c, Entry(2, "best"))
	crown(t, c, contest.Picks{"best": {id(2)}}, nil)
	worst, best := contest.Category{ID: "worst", Name: "Worst"}, contest.Category{ID: "best", Name: "The Best"}
	must(t, c.ReplaceCategories(t.Context(), []contest.Category{worst, best}))
	must(t, c.ReplaceCategories(t.Context(), []contest.Category{worst}))
	must(t, c.ReplaceCategories(t.Context(), []contest.Category{}))
	removed, err := c.RemovedCategories()
	if want := []contest.RemovedCategory{{Category: best, Submissions: 2, Winners: 1}}; err != nil || !slices.Equal(removed, want) {
		t.Fatalf("removed are %v (%v), want %v", removed, err, want)
	}
	must(t, c.ReplaceCategories(t.Context(), []contest.Category{worst, removed[0].Category}))
	if winners, _ := c.Winners(); !slices.Equal(winners["best"], []string{id(2)}) {
		t.Errorf("it came back with the winners %v", winners["best"])
	}
	if removed, err := c.RemovedCategories(); err != nil || len(removed) != 0 {
		t.Errorf("still removed are %v (%v)", removed, err)
	}
}
