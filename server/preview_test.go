package server_test

import (
	"strings"
	"testing"
)

// A link has a preview wherever it is pasted: with whole addresses, by what a trusted proxy says of how the page was asked
// for, or by the setting.
func TestALinkHasAPreviewWithTheAddressesThatTheProxyNames(t *testing.T) {
	asked := []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "contest.example:8443"}
	preview := func(s *site, path, origin string) {
		t.Helper()
		g := s.do("GET", path, nil, asked...).is(200)
		address := path
		if path == "/admin" || path == "/wall" {
			address += ".html"
		}
		for _, want := range []string{
			`<meta property="og:title" content="Anna &amp; Ben`, `<meta property="og:description" content="31 December 2026. Say cheese">`,
			`<meta property="og:url" content="` + origin + address + `">`, `<meta property="og:image" content="` + origin + `/icon.png">`,
		} {
			if path != "/" {
				want = strings.Replace(want, `content="Anna`, `content="`+map[string]string{"/winners.html": "Winners", "/wall": "Wall", "/admin": "Admin"}[path]+` · Anna`, 1)
			}
			if !strings.Contains(g.body, want) {
				t.Errorf("%s lacks %s", path, want)
			}
		}
		if strings.Contains(g.body, "origin.invalid") {
			t.Errorf("%s holds the place of an origin", path)
		}
	}
	named := func(flags ...string) *site {
		s := newSite(t, flags...).signIn()
		s.do("POST", "/api/settings", `{"event":{"name":"Anna & Ben","date":"2026-12-31","welcome":"Say cheese"}}`).is(200)
		return s
	}
	proxied := named("--trusted-proxies", "127.0.0.1")
	for _, path := range []string{"/", "/winners.html", "/wall", "/admin"} {
		preview(proxied, path, "https://contest.example:8443")
	}
	preview(named("--trusted-proxies", "127.0.0.1", "--public-url", "https://party.example/"), "/", "https://party.example")
	preview(named(), "/", "") // who is no proxy is not believed
	if g := proxied.do("GET", "/icon.png", nil).is(200); g.header.Get("Content-Type") != "image/png" {
		t.Error(g.header)
	}
	// Nothing was set up yet: the page that is missing has none of it to say, and says no wrong address.
	if g := newSite(t).do("GET", "/nothing", nil, "Accept", "text/html").is(404); strings.Contains(g.body, "origin.invalid") {
		t.Error(g.body)
	}
}
