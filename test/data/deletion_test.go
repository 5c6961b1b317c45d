package data

import (
	"bytes"
	"os"
	"path/filepath"
	"podium/test/harness"
	"strings"
	"testing"
)

func TestWhoeverIsDeletedByPhoneIsNowhereAnyMore(t *testing.T) {
	p := harness.Start(t)
	c := harness.Listen(t, "socket.io-client-4.7", p.URL, "websocket")
	c.Next("connect", "")
	send := func(caption, name, phone string) string {
		body, kind := harness.Form(t, map[string]string{"category": "best", "caption": caption, "name": name, "phone": phone}, harness.Photo(t, 64, 48))
		var answer struct{ Entry struct{ ID, ImageURL string } }
		if status := p.Call("POST", "/api/submit", kind, body, &answer); status != 200 {
			t.Fatalf("submit: %d", status)
		}
		return answer.Entry.ID
	}
	secrets := []string{"Zaphod Q. Beeblebrox", "0171 5550123", "01715550123", "only Zaphod's caption"}
	gone := []string{send(secrets[3], secrets[0], secrets[1]), send(secrets[3], secrets[0], secrets[2])}
	stays := send("somebody else's", "Trillian", "0171 5550124")
	cookie := p.SignIn()
	var answer struct {
		Deleted int
		Winners map[string][]record
	}
	p.AsAdmin(cookie, "POST", "/api/save-winners", `{"winners":{"best":["`+gone[0]+`","`+stays+`"]}}`, &answer)
	if status := p.AsAdmin(cookie, "POST", "/api/submissions/delete-by-phone", `{"phone":"0171/555-0123"}`, &answer); status != 200 || answer.Deleted != 2 {
		t.Fatalf("delete by phone: %d %+v", status, answer)
	}
	for range gone {
		if l := c.Next("event", "submissionRemoved"); !strings.Contains(string(l.Payload), gone[0]) && !strings.Contains(string(l.Payload), gone[1]) {
			t.Errorf("the pages were told of %s", l.Payload)
		}
	}
	p.Call("GET", "/api/winners", "", nil, &answer)
	if best := answer.Winners["best"]; len(best) != 1 || best[0]["id"] != stays {
		t.Errorf("the winners are %v", best)
	}
	if files, _ := filepath.Glob(filepath.Join(p.Data, "uploads", "????????????????????????.jpg")); len(files) != 1 {
		t.Errorf("pictures that are left: %v", files)
	}
	told := harness.MustRun(t, "export", filepath.Join(t.TempDir(), "out"), "--data", p.Data) + exported(t, p.Data)
	p.Signal(15)
	told += harness.MustRun(t, "tail", "--since", "0", "--json", "--data", p.Data)
	for _, secret := range secrets {
		if strings.Contains(told, secret) {
			t.Errorf("export or log still tell of %q", secret)
		}
	}
	// Free pages of the file hold what was on them until they are used again or
	// the file is compacted.
	harness.MustRun(t, "check", "--compact", "--data", p.Data)
	file, err := os.ReadFile(filepath.Join(p.Data, "podium.db"))
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
