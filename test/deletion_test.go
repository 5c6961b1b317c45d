package test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhoeverIsDeletedByPhoneIsNowhereAnyMore(t *testing.T) {
	p := start(t)
	c := listen(t, "socket.io-client-4.7", p.url, "websocket")
	c.next("connect", "")
	send := func(caption, name, phone string) string {
		body, kind := form(t, map[string]string{"category": "best", "caption": caption, "name": name, "phone": phone}, photo(t, 64, 48))
		var answer struct{ Entry struct{ ID, ImageURL string } }
		if status := p.call("POST", "/api/submit", kind, body, &answer); status != 200 {
			t.Fatalf("submit: %d", status)
		}
		return answer.Entry.ID
	}
	secrets := []string{"Zaphod Q. Beeblebrox", "0171 5550123", "01715550123", "only Zaphod's caption"}
	gone := []string{send(secrets[3], secrets[0], secrets[1]), send(secrets[3], secrets[0], secrets[2])}
	stays := send("somebody else's", "Trillian", "0171 5550124")
	cookie := p.signIn()
	var answer struct {
		Deleted int
		Winners map[string][]record
	}
	p.asAdmin(cookie, "POST", "/api/save-winners", `{"winners":{"best":["`+gone[0]+`","`+stays+`"]}}`, &answer)
	if status := p.asAdmin(cookie, "POST", "/api/submissions/delete-by-phone", `{"phone":"0171/555-0123"}`, &answer); status != 200 || answer.Deleted != 2 {
		t.Fatalf("delete by phone: %d %+v", status, answer)
	}
	for range gone {
		if l := c.next("event", "submissionRemoved"); !strings.Contains(string(l.Payload), gone[0]) && !strings.Contains(string(l.Payload), gone[1]) {
			t.Errorf("the pages were told of %s", l.Payload)
		}
	}
	p.call("GET", "/api/winners", "", nil, &answer)
	if best := answer.Winners["best"]; len(best) != 1 || best[0]["id"] != stays {
		t.Errorf("the winners are %v", best)
	}
	if files, _ := filepath.Glob(filepath.Join(p.data, "uploads", "????????????????????????.jpg")); len(files) != 1 {
		t.Errorf("pictures that are left: %v", files)
	}
	told := mustRun(t, "export", filepath.Join(t.TempDir(), "out"), "--data", p.data) + exported(t, p.data)
	p.signal(15)
	told += mustRun(t, "tail", "--since", "0", "--json", "--data", p.data)
	for _, secret := range secrets {
		if strings.Contains(told, secret) {
			t.Errorf("export or log still tell of %q", secret)
		}
	}
	// Free pages of the file hold what was on them until they are used again or
	// the file is compacted.
	mustRun(t, "check", "--compact", "--data", p.data)
	file, err := os.ReadFile(filepath.Join(p.data, "podium.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range secrets {
		if bytes.Contains(file, []byte(secret)) {
			t.Errorf("the compacted file holds %q", secret)
		}
	}
	if !bytes.Contains(file, []byte("Trillian")) {
		t.Error("somebody else is gone, too")
	}
}
