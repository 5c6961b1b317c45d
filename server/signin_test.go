package server_test

import (
	"net/http"
	"strings"
	"testing"
)

// adminRoutes are all routes that need a session.
var adminRoutes = [][2]string{
	{"POST", "/api/categories"}, {"GET", "/api/submissions"}, {"POST", "/api/save-winners"}, {"GET", "/api/metrics"},
	{"POST", "/api/submissions/x/approve"}, {"POST", "/api/submissions/x/hide"}, {"DELETE", "/api/submissions/x"},
	{"POST", "/api/submissions/delete-by-phone"}, {"GET", "/api/settings"}, {"POST", "/api/settings"},
	{"GET", "/api/export.csv"}, {"GET", "/api/export.zip"}, {"GET", "/api/dashboard"}, {"GET", "/api/sessions"},
	{"DELETE", "/api/sessions/x"}, {"POST", "/api/logout-everywhere"}, {"POST", "/api/password"},
	{"GET", "/api/log-level"}, {"POST", "/api/log-level"}, {"GET", "/metrics"}, {"GET", "/debug/pprof/"}, {"GET", "/debug/pprof/heap"},
}

func TestAdminRoutesAnswer401WithoutASession(t *testing.T) {
	s := newSite(t)
	for _, route := range adminRoutes {
		for _, headers := range [][]string{nil, {"Cookie", "podium_session=guess"}, {"Authorization", "Bearer podium_guess"}} {
			g := s.do(route[0], route[1], "{}", headers...).is(401)
			if strings.TrimSpace(g.body) != `{"error":"Unauthorized"}` {
				t.Errorf("%v: %s", route, g.body)
			}
		}
	}
}

func TestSigningInSetsACookieThatAuthenticatesAsScriptsSendIt(t *testing.T) {
	s := newSite(t)
	g := s.do("POST", "/api/login", `{"password":"`+password+`"}`).is(200)
	if strings.TrimSpace(g.body) != `{"success":true}` {
		t.Fatal(g.body)
	}
	whole := g.header.Values("Set-Cookie")[0]
	for _, want := range []string{"HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(whole, want) {
			t.Errorf("%s lacks %s", whole, want)
		}
	}
	if strings.Contains(whole, "Secure") {
		t.Error("Secure without TLS: browsers would drop it")
	}
	s.do("GET", "/api/submissions", nil, "Cookie", whole).is(200)
	// Some scripts join all the headers with commas.
	s.do("GET", "/api/submissions", nil, "Cookie", strings.Join(g.header.Values("Set-Cookie"), ", ")).is(200)
	s.do("GET", "/api/submissions", nil, "Cookie", strings.SplitN(whole, ";", 2)[0]).is(200)
}

func TestSigningOutEndsTheSession(t *testing.T) {
	s := newSite(t).signIn()
	other := *s
	other.signIn()
	s.do("GET", "/api/submissions", nil).is(200)
	s.do("POST", "/api/logout", "{}").is(200)
	s.do("GET", "/api/submissions", nil).is(401)
	other.do("GET", "/api/submissions", nil).is(200)
	s.signIn().do("POST", "/api/logout-everywhere", "{}").is(200)
	other.do("GET", "/api/submissions", nil).is(401)
}

func TestSessionsAreListedAndEndableWithoutTheirSecrets(t *testing.T) {
	s := newSite(t).signIn()
	other := *s
	other.signIn()
	var body struct {
		Sessions []struct {
			ID      string
			Current bool
		}
	}
	g := s.do("GET", "/api/sessions", nil).is(200).into(&body)
	secret := strings.TrimPrefix(strings.SplitN(s.cookie, ";", 2)[0], "podium_session=")
	if len(body.Sessions) != 2 || strings.Contains(g.body, secret) || strings.Contains(g.body, "hash") {
		t.Fatal(g.body)
	}
	for _, one := range body.Sessions {
		if !one.Current {
			s.do("DELETE", "/api/sessions/"+one.ID, nil).is(200)
		}
	}
	other.do("GET", "/api/submissions", nil).is(401)
	s.do("GET", "/api/submissions", nil).is(200)
}

func TestAnotherSitesPageCannotActForAnAdmin(t *testing.T) {
	s := newSite(t).signIn()
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"},
	} {
		s.do("POST", "/api/categories", `{"categories":[]}`, headers...).is(403).sentence()
		s.do("POST", "/api/login", `{"password":"x"}`, headers...).is(403).sentence()
	}
	s.do("POST", "/api/settings", `{"moderation":false}`, "Sec-Fetch-Site", "same-origin").is(200)
	s.do("POST", "/api/settings", `{"moderation":false}`, "Origin", s.url).is(200)
}

func TestWrongPasswordsWaitLongerAndNobodyElseDoes(t *testing.T) {
	s := newSite(t, "--trusted-proxies", "127.0.0.1", "--limit-sign-ins", "8")
	try := func(address, password string) got {
		return s.do("POST", "/api/login", `{"password":"`+password+`"}`, "X-Forwarded-For", address)
	}
	limited := false
	for range 20 {
		g := try("203.0.113.7", "wrong")
		if g.status == http.StatusTooManyRequests {
			limited = true
			if g.header.Get("Retry-After") == "" {
				t.Fatal("429 without Retry-After")
			}
			break
		}
		if g.status != 401 || g.sentence() != "Invalid password" {
			t.Fatalf("%d %s", g.status, g.body)
		}
	}
	if !limited {
		t.Fatal("never limited")
	}
	try("203.0.113.7", password).is(429)
	for _, address := range []string{"198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4"} {
		try(address, "wrong").is(401)
	}
	try("192.0.2.99", password).is(200)
}

func TestSecurityHeadersAreOnEveryAnswer(t *testing.T) {
	s := newSite(t, "--trusted-proxies", "127.0.0.1")
	for _, path := range []string{"/", "/api/feed", "/api/nothing", "/health", "/api/submissions", "/uploads/none.jpg"} {
		g := s.do("GET", path, nil, "X-Forwarded-Proto", "https")
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "", "Permissions-Policy": "",
			"Strict-Transport-Security": "max-age=", "Content-Security-Policy": "frame-ancestors", "X-Request-Id": "",
		} {
			if v := g.header.Get(name); v == "" || !strings.Contains(v, want) {
				t.Errorf("%s: %s is %q", path, name, v)
			}
		}
	}
	if g := s.do("POST", "/api/login", `{"password":"`+password+`"}`, "X-Forwarded-Proto", "https").is(200); !strings.Contains(g.header.Values("Set-Cookie")[0], "Secure") {
		t.Error("no Secure cookie behind TLS")
	}
}

// An operator sees that somebody guesses, and from where, and no password.
func TestAWrongPasswordIsLoggedWithItsAddress(t *testing.T) {
	s := newSite(t)
	s.do("POST", "/api/login", `{"password":"swordfish"}`).is(http.StatusUnauthorized)
	logs := s.logs.String()
	if !strings.Contains(logs, `msg="a wrong password" address=127.0.0.1`) || strings.Contains(logs, "swordfish") {
		t.Errorf("the log: %s", logs)
	}
}
