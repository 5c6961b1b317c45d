package server_test

import (
	"slices"
	"strings"
	"testing"
)

func TestAnEntryIsMovedToAnotherCategoryAndBack(t *testing.T) {
	s := newSite(t).signIn()
	e := s.enter("best", "in the wrong place")
	s.do("POST", "/api/save-winners", `{"winners":{"best":["`+e.ID+`"]}}`).is(200)
	s.do("GET", "/api/feed", nil).is(200) // is kept, and follows the events
	var moved struct {
		Entry entry
		Place int
	}
	s.do("POST", "/api/submissions/"+e.ID+"/move", `{"category":"worst"}`).is(200).into(&moved)
	if moved.Entry.Category != "worst" || moved.Place != 1 {
		t.Fatalf("%+v", moved)
	}
	lists := func(category, other string) {
		t.Helper()
		var feed struct{ Feed map[string][]entry }
		s.visitor().do("GET", "/api/feed", nil).is(200).into(&feed)
		if len(feed.Feed[category]) != 1 || len(feed.Feed[other]) != 0 {
			t.Fatalf("the feed has %+v", feed.Feed)
		}
	}
	lists("worst", "best")
	s.do("POST", "/api/submissions/"+e.ID+"/move", `{"category":"best","place":1}`).is(200)
	lists("best", "worst")
	if g := s.visitor().do("GET", "/api/winners", nil); !strings.Contains(g.body, e.ID) {
		t.Fatal("back in its category it is no winner")
	}
	got := s.events()
	if n := len(got); !slices.Contains(got, "submissionRemoved") || got[n-1] != "winnersUpdated" || got[n-2] != "submissionUpdated" {
		t.Fatal(got)
	}
	s.do("POST", "/api/submissions/"+e.ID+"/move", `{"category":"nowhere"}`).is(400).sentence()
	s.do("POST", "/api/submissions/nobody/move", `{"category":"worst"}`).is(404).sentence()
	s.visitor().do("POST", "/api/submissions/"+e.ID+"/move", `{"category":"worst"}`).is(401)
}

func TestManyAreApprovedAtOnceAndWaitAgain(t *testing.T) {
	s := newSite(t, "--moderation").signIn()
	one, other := s.enter("best", "one"), s.enter("best", "other")
	var answer struct{ Before map[string]string }
	s.do("POST", "/api/submissions/statuses", `{"statuses":{"`+one.ID+`":"approved","`+other.ID+`":"approved","nobody":"hidden"}}`).is(200).into(&answer)
	if len(answer.Before) != 2 || answer.Before[one.ID] != "waiting" {
		t.Fatalf("%+v", answer)
	}
	feed := func() string { return s.visitor().do("GET", "/api/feed", nil).is(200).body }
	if !strings.Contains(feed(), one.ID) || !strings.Contains(feed(), other.ID) {
		t.Fatal("not all are in the feed")
	}
	s.do("POST", "/api/submissions/statuses", `{"statuses":{"`+one.ID+`":"waiting"}}`).is(200)
	if strings.Contains(feed(), one.ID) || !strings.Contains(feed(), other.ID) {
		t.Fatal("one that waits again is in the feed")
	}
	for _, body := range []string{`{}`, `{"statuses":{"` + one.ID + `":"loved"}}`, `{"statuses":[]}`} {
		s.do("POST", "/api/submissions/statuses", body).is(400).sentence()
	}
	s.visitor().do("POST", "/api/submissions/statuses", `{"statuses":{}}`).is(401)
}

func TestWinnersThatAnotherAdminPublishedInBetweenAreAConflict(t *testing.T) {
	s := newSite(t).signIn()
	one, other := s.enter("best", "one"), s.enter("best", "other")
	s.do("POST", "/api/save-winners", `{"winners":{"best":["`+one.ID+`"]},"before":{"best":[],"worst":[]}}`).is(200)
	s.do("POST", "/api/save-winners", `{"winners":{"best":["`+other.ID+`"]},"before":{"best":[]}}`).is(409).sentence()
	if g := s.do("GET", "/api/winners", nil); !strings.Contains(g.body, one.ID) || strings.Contains(g.body, other.ID) {
		t.Fatal(g.body)
	}
	s.do("POST", "/api/save-winners", `{"winners":{"best":["`+other.ID+`"]},"before":{"best":["`+one.ID+`"]}}`).is(200)
	s.do("POST", "/api/save-winners", `{"winners":{"best":[]},"before":["`+one.ID+`"]}`).is(400).sentence()
}

func TestARemovedCategoryComesBackWithItsName(t *testing.T) {
	s := newSite(t).signIn()
	e := s.enter("best", "kept")
	s.do("POST", "/api/save-winners", `{"winners":{"best":["`+e.ID+`"]}}`).is(200)
	s.do("POST", "/api/categories", `{"categories":[{"id":"worst","name":"Worst Tattoo"}]}`).is(200)
	var removed struct {
		Categories []struct {
			ID, Name             string
			Submissions, Winners int
		}
	}
	s.do("GET", "/api/categories/removed", nil).is(200).into(&removed)
	if c := removed.Categories; len(c) != 1 || c[0].ID != "best" || c[0].Name != "Best Tattoo" || c[0].Submissions != 1 || c[0].Winners != 1 {
		t.Fatalf("%+v", removed)
	}
	s.visitor().do("GET", "/api/categories/removed", nil).is(401)
}
