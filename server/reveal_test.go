package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// cue is what GET /api/reveal/cue answers.
type cue struct {
	Cue struct {
		State       string
		Turn, Turns int
		Now, Next   *struct {
			Category string
			Place    int
		}
	}
}

// press goes on with the presentation, or back, and returns where it is then.
func (s *site) press(way string, turn int, headers ...string) (c cue) {
	s.t.Helper()
	s.do(http.MethodPost, "/api/reveal/"+way, fmt.Sprintf(`{"turn":%d}`, turn), headers...).is(200).into(&c)
	return c
}

// told are the places that everybody knows, such as "best 2 ID".
func (s *site) told() (state string, places []string) {
	s.t.Helper()
	var answer struct {
		Reveal *struct {
			State string
			Told  []struct {
				ID     string
				Places []struct {
					ID, Name string
					Place    int
				}
			}
		}
	}
	s.do("GET", "/api/reveal", nil).is(200).into(&answer)
	if answer.Reveal == nil {
		return "", nil
	}
	for _, c := range answer.Reveal.Told {
		for _, p := range c.Places {
			places = append(places, strings.TrimSpace(fmt.Sprintf("%s %d %s %s", c.ID, p.Place, p.ID, p.Name)))
		}
	}
	return answer.Reveal.State, places
}

// prepared is a site with a presentation: two places of best, one of worst.
func prepared(t *testing.T) (s *site, first, second, worst string) {
	t.Helper()
	s = newSite(t).signIn()
	var body struct{ Entry entry }
	s.submit(nil, part{"category", "", "best"}, part{"caption", "", "first"}, part{"name", "", "Ada"}, part{"credit", "", "yes"}).is(200).into(&body)
	first = body.Entry.ID
	second, worst = s.enter("best", "second").ID, s.enter("worst", "worst").ID
	s.do("POST", "/api/reveal", `{"winners":{"best":["`+first+`","`+second+`"],"worst":["`+worst+`"]},"order":["worst"],"names":true}`).is(200)
	return s, first, second, worst
}

func TestNothingTellsOfAPlaceBeforeItsTurn(t *testing.T) {
	s, first, second, worst := prepared(t)
	guest := s.visitor()
	// What each turn has told, in all, and which ids are winners then.
	turns := []struct {
		places  []string
		winners []string
		event   string
	}{
		{nil, nil, ""},
		{[]string{"worst 1 " + worst}, []string{worst}, worst},
		{[]string{"worst 1 " + worst, "best 2 " + second}, []string{worst}, second},
		{[]string{"worst 1 " + worst, "best 1 " + first + " Ada", "best 2 " + second}, []string{worst, first, second}, first},
	}
	check := func(turn int, state string) {
		t.Helper()
		want := turns[min(turn, 3)]
		gotState, places := guest.told()
		if gotState != state || !slices.Equal(places, want.places) {
			t.Fatalf("turn %d: %s %q, want %s %q", turn, gotState, places, state, want.places)
		}
		winners := guest.do("GET", "/api/winners", nil).body
		for _, id := range []string{first, second, worst} {
			if strings.Contains(winners, id) != slices.Contains(want.winners, id) {
				t.Fatalf("turn %d: winners %s", turn, winners)
			}
		}
		if available := strings.Contains(guest.do("GET", "/api/feed", nil).body, `"winnersAvailable":true`); available != (len(want.winners) > 0) {
			t.Fatalf("turn %d: winnersAvailable %v", turn, available)
		}
		events := s.payloads("revealUpdated")
		if last := events[len(events)-1]; state == "presenting" && !strings.Contains(last, want.event) {
			t.Fatalf("turn %d: %s", turn, last)
		}
	}
	check(0, "prepared")
	for turn := range 3 {
		if c := s.press("next", turn); c.Cue.Turn != turn+1 {
			t.Fatalf("%+v", c)
		}
		check(turn+1, "presenting")
	}
	s.press("next", 3)
	check(3, "done")
	for turn := 4; turn > 0; turn-- {
		s.press("back", turn)
		check(turn-1, map[bool]string{true: "prepared", false: "presenting"}[turn == 1])
	}
	for _, e := range s.payloads("revealUpdated")[:1] {
		if strings.Contains(e, first) || strings.Contains(e, second) || strings.Contains(e, worst) {
			t.Fatalf("the event of preparing tells %s", e)
		}
	}
}

func TestTwoWhoPressAtOnceGoOnOnce(t *testing.T) {
	s, _, _, _ := prepared(t)
	statuses := make([]int, 8)
	var all sync.WaitGroup
	for i := range statuses {
		all.Go(func() { statuses[i] = s.do("POST", "/api/reveal/next", `{"turn":0}`).status })
	}
	all.Wait()
	slices.Sort(statuses)
	if statuses[0] != 200 || statuses[1] != 409 {
		t.Fatal(statuses)
	}
	if _, places := s.told(); len(places) != 1 {
		t.Fatal(places)
	}
}

func TestThePresentersLinkCanOnlyPresent(t *testing.T) {
	s, _, _, _ := prepared(t)
	guest := s.visitor()
	guest.do("POST", "/api/reveal/next", `{"turn":0}`).is(401)
	guest.do("POST", "/api/presenter", "").is(401)
	var link struct{ Path string }
	s.do("POST", "/api/presenter", "").is(200).into(&link)
	_, key, found := strings.Cut(link.Path, "#")
	if !found || !strings.HasPrefix(link.Path, "/present#") {
		t.Fatal(link.Path)
	}
	// As a code it is drawn for whoever made it, by the address that phones open.
	guest.do("POST", "/api/join", `{"path":"`+link.Path+`"}`).is(401)
	var code struct{ URL, SVG string }
	if s.do("POST", "/api/join", `{"path":"`+link.Path+`"}`).is(200).into(&code); !strings.HasPrefix(code.URL, "http") || !strings.HasSuffix(code.URL, link.Path) || !strings.HasPrefix(code.SVG, "<svg") {
		t.Errorf("%+v", code)
	}
	s.do("POST", "/api/join", `{"path":"`+strings.Repeat("x", 600)+`"}`).is(400).sentence()
	if c := guest.press("next", 0, "Podium-Presenter", key); c.Cue.Next == nil || c.Cue.Next.Place != 2 {
		t.Fatalf("%+v", c)
	}
	for _, route := range []string{"GET /api/submissions", "GET /api/reveal/prepared", "DELETE /api/reveal", "POST /api/save-winners", "GET /api/settings"} {
		method, path, _ := strings.Cut(route, " ")
		guest.do(method, path, "{}", "Podium-Presenter", key).is(401)
	}
	s.do("POST", "/api/presenter", "").is(200)
	guest.do("GET", "/api/reveal/cue", nil, "Podium-Presenter", key).is(401)
	s.do("DELETE", "/api/presenter", nil).is(200)
}

func TestAPlaceThatIsTakenOffTheWallIsPassedOver(t *testing.T) {
	s, first, second, _ := prepared(t)
	s.press("next", 0)
	s.do("POST", "/api/submissions/"+second+"/hide", "").is(200)
	if c := s.press("next", 1); c.Cue.Turn != 3 {
		t.Fatalf("%+v", c)
	}
	if _, places := s.told(); !slices.Contains(places, "best 1 "+first+" Ada") || len(places) != 2 {
		t.Fatal(places)
	}
	s.do("DELETE", "/api/reveal", nil).is(200)
	if state, _ := s.told(); state != "" {
		t.Fatal(state)
	}
	if g := s.visitor().do("GET", "/api/winners", nil); !strings.Contains(g.body, first) || strings.Contains(g.body, second) {
		t.Fatal("what was told stays told:", g.body)
	}
}

func TestAPresentationUnderWayIsNotReplaced(t *testing.T) {
	s, first, _, _ := prepared(t)
	again := `{"winners":{"best":["` + first + `"]}}`
	s.do("POST", "/api/reveal", again).is(200)
	s.press("next", 0)
	s.do("POST", "/api/reveal", again).is(409).sentence()
	s.do("POST", "/api/reveal", `{"winners":{"best":"x"}}`).is(400).sentence()
	s.do("DELETE", "/api/reveal", nil).is(200)
	s.do("POST", "/api/reveal", `{"winners":{"best":["gone"]}}`).is(400).sentence()
	s.do("POST", "/api/reveal/next", `{"turn":0}`).is(404).sentence()
	s.do("POST", "/api/reveal/next", `{}`).is(400).sentence()
}

func TestAWinnerThatIsHiddenAndApprovedAgainKeepsItsPlace(t *testing.T) {
	s := newSite(t).signIn()
	a, b := s.enter("best", "a").ID, s.enter("best", "b").ID
	s.do("POST", "/api/save-winners", `{"winners":{"best":["`+a+`","`+b+`"]}}`).is(200)
	s.do("POST", "/api/submissions/"+a+"/hide", "").is(200)
	s.do("POST", "/api/submissions/"+a+"/approve", "").is(200)
	if got := s.payloads("winnersUpdated"); !strings.Contains(got[len(got)-1], `"best":["`+a+`","`+b+`"]`) {
		t.Fatal(got)
	}
	s.do("POST", "/api/submissions/"+a+"/hide", "").is(200)
	c := s.enter("best", "c").ID
	s.do("POST", "/api/save-winners", `{"winners":{"best":["`+b+`","`+c+`"]}}`).is(200)
	s.do("POST", "/api/submissions/"+a+"/approve", "").is(200)
	if g := s.do("GET", "/api/winners", nil); strings.Contains(g.body, a) {
		t.Fatal("a third winner where two are allowed:", g.body)
	}
}
