package server_test

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"
)

// TestThereIsNoPasswordButTheOneThatWasMade: without ADMIN_PASSWORD no guess of
// the kinds that programs come with lets anybody in.
func TestThereIsNoPasswordButTheOneThatWasMade(t *testing.T) {
	s := newSite(t, "--admin-password=")
	for _, guess := range []string{"", "admin", "podium"} {
		if g := s.do("POST", "/api/login", `{"password":"`+guess+`"}`); g.status == 200 {
			t.Fatalf("%q is the password", guess)
		}
	}
	if len(s.server.Password) < 12 {
		t.Fatalf("the password that was made has %d letters", len(s.server.Password))
	}
	if strings.Contains(s.logs.String(), s.server.Password) {
		t.Error("the log holds the password")
	}
	s.do("POST", "/api/login", `{"password":"`+s.server.Password+`"}`, "Sec-Fetch-Site", "same-origin").is(200)
}

func TestAChangedPasswordEndsAllOtherSessions(t *testing.T) {
	s := newSite(t, "--admin-password=")
	open := func() string {
		return s.do("POST", "/api/login", `{"password":"`+s.server.Password+`"}`).is(200).header.Values("Set-Cookie")[0]
	}
	lost := open()
	s.cookie = open()
	s.do("POST", "/api/password", `{"current":"wrong","password":"another one entirely"}`).is(403)
	s.do("POST", "/api/password", `{"current":"`+s.server.Password+`","password":"short"}`).is(400)
	s.do("POST", "/api/password", `{"current":"`+s.server.Password+`","password":"another one entirely"}`).is(200)
	s.do("GET", "/api/submissions", nil).is(200)
	s.do("GET", "/api/submissions", nil, "Cookie", lost).is(401)
	s.visitor().do("POST", "/api/login", `{"password":"`+s.server.Password+`"}`).is(401)
	s.visitor().do("POST", "/api/login", `{"password":"another one entirely"}`).is(200)
}

func TestATokenLetsScriptsInWhereverTheyRun(t *testing.T) {
	s := newSite(t)
	token, err := s.server.MakeToken("test", 0)
	if err != nil {
		t.Fatal(err)
	}
	header := []string{"Authorization", "Bearer " + token}
	s.do("GET", "/api/submissions", nil, header...).is(200)
	s.do("POST", "/api/settings", `{"moderation":false}`, append(header, "Sec-Fetch-Site", "cross-site", "Origin", "https://ci.example")...).is(200)
	s.do("GET", "/api/submissions", nil, "Authorization", "Bearer "+token+"x").is(401)
	s.do("GET", "/api/submissions", nil, "Cookie", "podium_session="+token, "Sec-Fetch-Site", "same-origin").is(200)
	s.signIn()
	if g := s.do("GET", "/api/sessions", nil).is(200); strings.Contains(g.body, token) {
		t.Error("the list of sessions holds the token")
	}
	if strings.Contains(s.logs.String(), token) {
		t.Error("the log holds the token")
	}
}

// TestTheOwnerIsNotLockedOutByOthers: wrong passwords from the owner's own
// address (a whole room has one) don't hold up a browser that signed in before.
func TestTheOwnerIsNotLockedOutByOthers(t *testing.T) {
	s := newSite(t)
	var device string
	for _, c := range s.do("POST", "/api/login", `{"password":"`+password+`"}`).is(200).header.Values("Set-Cookie") {
		if strings.HasPrefix(c, "podium_device=") {
			device = strings.SplitN(c, ";", 2)[0]
		}
	}
	for range 12 {
		s.do("POST", "/api/login", `{"password":"guess"}`)
	}
	s.do("POST", "/api/login", `{"password":"`+password+`"}`).is(http.StatusTooManyRequests)
	s.do("POST", "/api/login", `{"password":"`+password+`"}`, "Cookie", "podium_device=made.up").is(http.StatusTooManyRequests)
	s.do("POST", "/api/login", `{"password":"`+password+`"}`, "Cookie", device).is(200)
}

// TestCellsOfTheExportAreText: a spreadsheet must not take what a guest wrote
// for a formula.
func TestCellsOfTheExportAreText(t *testing.T) {
	s := newSite(t).signIn()
	for _, text := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"} {
		s.submit(nil, part{"category", "", "best"}, part{"caption", "", text}, part{"name", "", text}, part{"phone", "", text}).is(200)
	}
	g := s.do("GET", "/api/export.csv", nil).is(200)
	rows, err := csv.NewReader(strings.NewReader(g.body)).ReadAll()
	if err != nil || len(rows) != 9 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows[1:] {
		for i, cell := range row {
			if i > 0 && strings.ContainsAny(strings.TrimLeft(cell, " ")[:min(1, len(strings.TrimLeft(cell, " ")))], "=+-@\t\r") {
				t.Errorf("the cell %q of %s", cell, rows[0][i])
			}
		}
	}
	if disposition := g.header.Get("Content-Disposition"); !strings.HasPrefix(disposition, "attachment") {
		t.Errorf("shown as %q", disposition)
	}
}
