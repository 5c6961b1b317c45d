package server_test

import (
	"strings"
	"testing"

	"podium/contest"
)

// TestNamesAndPhonesStayWithAdmins looks for a name and a phone number in
// everything that others can get at: answers, events, logs and metrics.
func TestNamesAndPhonesStayWithAdmins(t *testing.T) {
	const name, phone = "Zaphod Beeblebrox", "0451-998877"
	s := newSite(t).signIn()
	var body struct{ Entry entry }
	s.submit(nil, part{"photo", "Zaphod Beeblebrox.jpg", photo(t, 40, 40)}, part{"category", "", "best"}, part{"caption", "", "c"},
		part{"name", "", name}, part{"phone", "", phone}).is(200).into(&body)
	id := body.Entry.ID
	s.submit(nil, part{"category", "", "nope"}, part{"name", "", name}, part{"phone", "", phone}).is(400)
	s.do("POST", "/api/save-winners", `{"winners":{"best":["`+id+`"]}}`).is(200)
	s.do("POST", "/api/login", `{"password":"wrong-`+name+`"}`).is(401)
	s.do("POST", "/api/submissions/delete-by-phone", `{"phone":"`+phone+`9"}`)

	search := func(where, text string) {
		t.Helper()
		for _, secret := range []string{"Zaphod", "Beeblebrox", phone, "0451998877", password, strings.SplitN(s.cookie, ";", 2)[0]} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %q:\n%s", where, secret, text)
			}
		}
	}
	for _, path := range []string{
		"/", "/admin", "/winners.html", "/categories.json", "/api/feed", "/api/feed?category=best&limit=5", "/api/feed?since=1", "/api/winners",
		"/api/contest", "/api/session", "/api/submissions", "/api/submissions/" + id, "/api/export.csv", "/health", "/ready",
		"/api/metrics", "/api/realtime-health", "/api/realtime-metrics", "/api/realtime-fallback", "/api/join", "/metrics", *body.Entry.ImageURL,
	} {
		g := s.visitor().do("GET", path, nil)
		search("GET "+path, g.body)
		for k, v := range g.header {
			search("header "+k+" of "+path, strings.Join(v, " "))
		}
	}
	for _, path := range []string{"/metrics", "/api/metrics", "/api/dashboard"} {
		search("admin's "+path, s.do("GET", path, nil).is(200).body)
	}
	err := contest.EachEvent(s.server.Contest(), 0, func(e contest.Event) bool {
		search("event "+e.Name, string(e.Payload))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	search("the log", s.logs.String())
	for _, path := range []string{"/api/submissions", "/api/export.csv"} {
		if g := s.do("GET", path, nil).is(200); !strings.Contains(g.body, name) {
			t.Errorf("the admin's %s lacks the name", path)
		}
	}
}
