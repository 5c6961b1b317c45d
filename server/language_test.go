package server_test

import (
	"strings"
	"testing"
)

func TestPagesAreInTheLanguageOfWhoAsks(t *testing.T) {
	s := newSite(t)
	for _, row := range []struct{ accept, cookie, lang, dir string }{
		{"", "", "en", "ltr"}, {"en-US,en;q=0.9", "", "en", "ltr"}, {"de-AT,de;q=0.9,en;q=0.8", "", "de", "ltr"}, {"es-419", "", "es", "ltr"},
		{"ja,fr;q=0.5,en;q=0.1", "", "fr", "ltr"}, {"ja,ko", "", "en", "ltr"}, {"ar-EG", "", "ar", "rtl"}, {"de", "ar", "ar", "rtl"},
		{"de", "xx", "de", "ltr"}, {";;;q=nonsense", "", "en", "ltr"}, {strings.Repeat("de-", 5000), "", "en", "ltr"},
	} {
		headers := []string{"Accept-Language", row.accept}
		if row.cookie != "" {
			headers = append(headers, "Cookie", "podium_language="+row.cookie)
		}
		for _, path := range []string{"/", "/winners.html", "/wall", "/admin", "/admin/codes", "/admin/dashboard", "/present"} {
			g := s.do("GET", path, nil, headers...)
			if want := `<html lang="` + row.lang + `" dir="` + row.dir + `">`; g.status != 200 || !strings.Contains(g.body, want) {
				t.Errorf("%s for %q, %q: status %d without %s", path, row.accept, row.cookie, g.status, want)
			}
			if vary := strings.Join(g.header.Values("Vary"), ", "); !strings.Contains(vary, "Accept-Language") || !strings.Contains(vary, "Cookie") {
				t.Errorf("%s varies by %q", path, vary)
			}
		}
	}
	tag := s.do("GET", "/", nil, "Accept-Language", "de").header.Get("ETag")
	if g := s.do("GET", "/", nil, "Accept-Language", "fr", "If-None-Match", tag); g.status != 200 {
		t.Errorf("a browser keeps the page in German for French: %d", g.status)
	}
}

func TestAnAddressWithoutPageIsAPageForPeopleAndJSONForPrograms(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"/winers.html", "/no/such/page", "/setup", "/uploads/gone.jpg", "/.env"} {
		g := s.do("GET", path, nil, "Accept", "text/html,application/xhtml+xml", "Accept-Language", "de")
		if g.status != 404 || !strings.Contains(g.body, "Hier ist nichts") || !strings.HasPrefix(g.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s is answered with %d, %s", path, g.status, g.header.Get("Content-Type"))
		}
		if !strings.Contains(g.header.Get("Content-Security-Policy"), "script-src") {
			t.Errorf("%s has no policy of a page", path)
		}
		s.do("GET", path, nil).is(404).sentence()
		s.do("GET", path, nil, "Accept", "*/*").is(404).sentence()
	}
	s.do("GET", "/api/nothing", nil, "Accept", "text/html").is(404).sentence()
}

// A refusal's sentence stays as it is; a header tells pages which it is.
func TestRefusalsOfPhotosHaveCodes(t *testing.T) {
	s := newSite(t).signIn()
	best := part{"category", "", "best"}
	for code, g := range map[string]got{
		"noCategory":   s.submit(nil, part{"category", "", "none"}),
		"photoKind":    s.submit(nil, best, part{"photo", "a.jpg", "just words"}),
		"photoDamaged": s.submit(nil, best, part{"photo", "a.jpg", photo(t, 64, 64)[:200]}),
		"photoEmpty":   s.submit(nil, best, part{"photo", "a.jpg", ""}),
	} {
		if got := g.header.Get("Podium-Error"); got != code {
			t.Errorf("status %d has the code %q, want %q: %s", g.status, got, code, g.sentence())
		}
	}
	s.do("POST", "/api/settings", `{"event":{"nameRequired":true}}`).is(200)
	if got := s.submit(nil, best).is(400).header.Get("Podium-Error"); got != "nameNeeded" {
		t.Error(got)
	}
}

// So do those of organisers: each says which it is, and the sentence stays.
func TestRefusalsOfOrganisersHaveCodes(t *testing.T) {
	s := newSite(t).signIn()
	for _, row := range []struct{ method, path, body, code string }{
		{"POST", "/api/settings", `{"event":{"opens":2000,"closes":1000}}`, "closesFirst"},
		{"POST", "/api/settings", `{"event":{"name":"` + strings.Repeat("x", 200) + `"}}`, "tooLong"},
		{"POST", "/api/settings", `{"event":{"name":"\u0007"}}`, "characters"},
		{"POST", "/api/settings", `{"event":7}`, "malformed"},
		{"POST", "/api/settings", `no JSON`, "malformed"},
		{"POST", "/api/reveal", `{"winners":{}}`, "noWinner"},
		{"POST", "/api/reveal/next", `{"turn":0}`, "noPresentation"},
		{"POST", "/api/submissions/1-abcdef/hide", `{}`, "gone"},
		{"GET", "/api/nothing", "", "malformed"},
	} {
		var body any
		if row.body != "" {
			body = row.body
		}
		g := s.do(row.method, row.path, body)
		if got := g.header.Get("Podium-Error"); g.status < 400 || got != row.code || g.sentence() == "" {
			t.Errorf("%s %s is answered with %d and the code %q, want %q: %s", row.method, row.path, g.status, got, row.code, g.body)
		}
	}
	if g := newSite(t).do("GET", "/api/submissions", nil).is(401); g.header.Get("Podium-Error") != "unauthorized" || g.sentence() != "Unauthorized" {
		t.Errorf("without a session: %s", g.body)
	}
}
