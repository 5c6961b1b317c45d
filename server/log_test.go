package server_test

import (
	"net/http"
	"strings"
	"testing"
)

// The level of the log changes while the server runs, to one of four and for
// admins only.
func TestTheLogLevelChangesWhileTheServerRuns(t *testing.T) {
	s := newSite(t).signIn()
	var body struct{ Level string }
	level := func(method, text string, status int) string {
		t.Helper()
		s.do(method, "/api/log-level", text, "Content-Type", "application/json").is(status).into(&body)
		return strings.ToLower(body.Level)
	}
	if now := level("GET", "", 200); now != "debug" {
		t.Errorf("it begins as %q", now)
	}
	for _, next := range []string{"error", "info", "warn", "debug"} {
		if now := level("POST", `{"level":"`+next+`"}`, 200); now != next {
			t.Errorf("it is %q, not %q", now, next)
		}
	}
	for _, bad := range []string{`{"level":"loud"}`, `{"level":""}`, `{}`, `[]`} {
		level("POST", bad, 400)
	}
	s.visitor().do("POST", "/api/log-level", `{"level":"error"}`).is(401)
	if now := level("GET", "", 200); now != "debug" {
		t.Errorf("it is %q after requests that were refused", now)
	}
}

// A request that fails is logged with the id that its answer has, so that who
// was told the id finds the line; the line holds nothing that the visitor sent.
func TestARequestThatFailsIsFoundInTheLogByItsID(t *testing.T) {
	s := newSite(t).signIn()
	if err := s.server.Contest().Close(); err != nil { // every route that reads fails now
		t.Fatal(err)
	}
	g := s.do("GET", "/api/feed?category=Zaphod", nil, "X-Request-Id", "forged")
	if g.status != http.StatusServiceUnavailable || strings.Contains(g.body, "closed") {
		t.Fatalf("%d %s", g.status, g.body)
	}
	id := g.header.Get("X-Request-Id")
	if len(id) < 16 || id == "forged" {
		t.Fatalf("the id is %q", id)
	}
	found := ""
	for line := range strings.Lines(s.logs.String()) {
		if strings.Contains(line, "request="+id) {
			found = line
		}
	}
	if !strings.Contains(found, "route=/api/feed") || !strings.Contains(found, "status=503") || strings.Contains(found, "Zaphod") {
		t.Errorf("the line of %s: %q", id, found)
	}
	if other := s.do("GET", "/health", nil).header.Get("X-Request-Id"); other == id {
		t.Error("two requests have one id")
	}
}
