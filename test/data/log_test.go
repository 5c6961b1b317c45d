package data

import (
	"encoding/json"
	"podium/test/harness"
	"strings"
	"syscall"
	"testing"
)

// With LOG_FORMAT=json each line of the log is one JSON object, from the start
// to the stop, at every level, and none of them tells of a person.
func TestTheLogIsJSONAndTellsOfNobody(t *testing.T) {
	p := harness.Start(t, "--log-format", "json", "--log-level", "debug")
	body, kind := harness.Form(t, map[string]string{"category": "best", "caption": "c", "name": "Zaphod", "phone": "0451-998877"}, harness.Photo(t, 64, 48))
	var answer any
	if status := p.Call("POST", "/api/submit", kind, body, &answer); status != 200 {
		t.Fatalf("submit: %d", status)
	}
	cookie := p.SignIn()
	secret, _, _ := strings.Cut(cookie, ";")
	p.AsAdmin(cookie, "POST", "/api/login", `{"password":"Zaphod's guess"}`, &answer)
	p.Call("GET", "/api/feed?category=Zaphod", "", nil, &answer)
	p.Signal(syscall.SIGTERM)
	lines := 0
	for line := range strings.Lines(p.Log.String()) {
		for _, private := range []string{"Zaphod", "998877", harness.Password, secret} {
			if strings.Contains(line, private) {
				t.Errorf("%q is in the log: %s", private, line)
			}
		}
		if !strings.HasPrefix(line, "{") { // the greeting on the terminal
			if !strings.Contains(line, "http://") && !strings.HasPrefix(line, "Phones") {
				t.Errorf("not JSON: %s", line)
			}
			continue
		}
		var entry struct{ Time, Level, Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Time == "" || entry.Level == "" || entry.Msg == "" {
			t.Errorf("%v: %s", err, line)
		}
		lines++
	}
	if lines < 1 || !strings.Contains(p.Log.String(), `"msg":"stopped"`) {
		t.Errorf("%d lines:\n%s", lines, p.Log)
	}
}
