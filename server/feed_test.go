package server_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestTheFeedIsNewestFirstAndAnswers304WhileNothingChanged(t *testing.T) {
	s := newSite(t)
	first, second := s.enter("best", "one"), s.enter("best", "two")
	g := s.do("GET", "/api/feed", nil).is(200)
	if strings.Index(g.body, second.ID) > strings.Index(g.body, first.ID) {
		t.Fatal("not newest first")
	}
	tag := g.header.Get("ETag")
	if tag == "" {
		t.Fatal("no ETag")
	}
	if again := s.do("GET", "/api/feed", nil, "If-None-Match", tag).is(304); again.body != "" {
		t.Fatal(again.body)
	}
	s.enter("best", "three")
	s.do("GET", "/api/feed", nil, "If-None-Match", tag).is(200)
}

// feedOf makes the feed from what an admin is told.
func feedOf(s *site) string {
	type item struct {
		ID        string          `json:"id"`
		Caption   string          `json:"caption"`
		ImageURL  *string         `json:"imageUrl"`
		Artist    string          `json:"artist"`
		CreatedAt int64           `json:"createdAt"`
		Images    json.RawMessage `json:"images,omitempty"`
		Status    string          `json:"status,omitempty"`
	}
	var categories []struct{ ID string }
	s.do("GET", "/categories.json", nil).into(&categories)
	var all struct{ Submissions map[string][]item }
	s.do("GET", "/api/submissions", nil).into(&all)
	var winners struct{ Winners map[string][]any }
	s.do("GET", "/api/winners", nil).into(&winners)
	available := false
	for _, picks := range winners.Winners {
		available = available || len(picks) > 0
	}
	var parts []string
	for _, c := range categories {
		items := []item{}
		for _, one := range all.Submissions[c.ID] {
			if one.Status == "" || one.Status == "approved" {
				one.Artist, one.Status = "Anonymous Artist", ""
				items = append(items, one)
			}
		}
		var body strings.Builder
		encoder := json.NewEncoder(&body)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(items); err != nil {
			s.t.Fatal(err)
		}
		parts = append(parts, fmt.Sprintf("%q:%s", c.ID, strings.TrimSpace(body.String())))
	}
	return fmt.Sprintf(`{"feed":{%s},"winnersAvailable":%t}`, strings.Join(parts, ","), available)
}

// Parts of the feed are cut from what is kept of all of it; they are what a
// reader of all would pick.
func TestPartsOfTheFeedAreWhatAReaderOfAllWouldPick(t *testing.T) {
	s := newSite(t).signIn()
	type one struct {
		ID        string
		CreatedAt int64
	}
	var ids []string // of best, the newest first
	for n := range 7 {
		s.enter("worst", fmt.Sprint("other ", n))
		ids = append([]string{s.enter("best", fmt.Sprint("<i>entry</i> ", n)).ID}, ids...)
	}
	s.do("POST", "/api/submissions/"+ids[3]+"/hide", nil).is(200)
	hidden := ids[3]
	ids = append(ids[:3:3], ids[4:]...)
	page := func(query string) (got []one, more *bool) {
		t.Helper()
		var body struct {
			Feed map[string][]one
			More *bool
		}
		s.visitor().do("GET", "/api/feed?"+query, nil).is(200).into(&body)
		return body.Feed["best"], body.More
	}
	check := func(query string, want []string, more any) []one {
		t.Helper()
		got, left := page(query)
		var names []string
		for _, o := range got {
			names = append(names, o.ID)
		}
		if !slices.Equal(names, want) {
			t.Errorf("%s: %v, want %v", query, names, want)
		}
		if (left == nil) != (more == nil) || left != nil && *left != more.(bool) {
			t.Errorf("%s: more is %v, want %v", query, left, more)
		}
		return got
	}
	all := check("since=1", ids, nil)
	check("limit=2", ids[:2], nil)
	check("limit=2&since=1", ids[:2], nil)
	check("category=best", ids, false)
	check("category=best&limit=6", ids, false)
	check("category=best&limit=4", ids[:4], true)
	check("category=best&limit=2&before="+ids[1], ids[2:4], true)
	check("category=best&before="+ids[4], ids[5:], false)
	check("category=best&before="+ids[5], nil, false)
	check("category=best&limit=2&before="+hidden, ids[3:5], true) // of which the feed knows nothing
	var later []string
	for _, o := range all {
		if o.CreatedAt > all[4].CreatedAt {
			later = append(later, o.ID)
		}
	}
	check(fmt.Sprint("since=", all[4].CreatedAt), later, nil)
	check("since=99999999999999", nil, nil)
	for query, status := range map[string]int{"category=none": 400, "category=best&before=1-nobody": 404, "before=" + ids[0]: 400, "category=best&before=%22%7D": 404} {
		if g := s.visitor().do("GET", "/api/feed?"+query, nil); g.status != status && g.status != 400 {
			t.Errorf("%s: %d, want %d", query, g.status, status)
		}
	}
}

// What is kept of the feed is put together with what changed to the answer that encoding all of it would give.
func TestTheFeedKeptInMemoryIsTheFeedReadAnew(t *testing.T) {
	s := newSite(t).signIn()
	same := func(after string) {
		t.Helper()
		kept := s.do("GET", "/api/feed", nil).is(200).body
		if want := feedOf(s); kept != want {
			t.Errorf("%s:\n%s\nwant\n%s", after, kept, want)
		}
		if got := s.do("GET", "/api/feed?limit=1000000", nil).is(200).body; got != kept {
			t.Errorf("%s, all of it by a limit:\n%s\nwant\n%s", after, got, kept)
		}
	}
	same("nothing")
	var ids []string
	for _, category := range []string{"best", "worst", "best", "best", "worst"} {
		ids = append(ids, s.enter(category, "<b>Ärger</b> & more "+category).ID)
		same("a submission")
	}
	for after, change := range map[string]func() got{
		"winners":  func() got { return s.do("POST", "/api/save-winners", `{"winners":{"best":["`+ids[0]+`"]}}`) },
		"hiding":   func() got { return s.do("POST", "/api/submissions/"+ids[2]+"/hide", nil) },
		"showing":  func() got { return s.do("POST", "/api/submissions/"+ids[2]+"/approve", nil) },
		"deleting": func() got { return s.do("DELETE", "/api/submissions/"+ids[1], nil) },
		"another order": func() got {
			return s.do("POST", "/api/categories", `{"categories":[{"id":"best","name":"B"},{"id":"odd","name":"O"},{"id":"worst","name":"W"}]}`)
		},
	} {
		change().is(200)
		same(after)
	}
}
