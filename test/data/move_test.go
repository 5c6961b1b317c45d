package data

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"podium/protocol/services"
	"podium/test/harness"
)

// once sends a request that counts once, and returns its answer.
func once(p *harness.Program, key, caption string) (answer string, replayed bool) {
	p.T.Helper()
	body, kind := harness.Form(p.T, map[string]string{"category": "best", "caption": caption, "name": "Ann", "phone": "123"}, nil)
	req, err := http.NewRequestWithContext(p.T.Context(), "POST", p.URL+"/api/submit", body)
	if err != nil {
		p.T.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Idempotency-Key", key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.T.Fatal(err)
	}
	defer res.Body.Close()
	var whole json.RawMessage
	if err := json.NewDecoder(res.Body).Decode(&whole); err != nil || res.StatusCode != http.StatusOK {
		p.T.Fatalf("submit: %s %s (%v)", res.Status, whole, err)
	}
	return string(whole), res.Header.Get("Idempotent-Replay") == "true"
}

// A contest moves from its file into a database and back, and guests who are
// connected go on as after any restart: recovered, nothing lost, nothing twice.
func TestGuestsRecoverAcrossAMoveAndBack(t *testing.T) {
	harness.NeedClients(t, "socket.io-client")
	pg := services.StartPostgres(t, "fsync", "off")
	p := harness.Start(t)
	wire := harness.StartProxy(t, "127.0.0.1:"+p.Port)
	transports := []string{"default", "polling", "websocket"}
	clients := make([]*harness.NodeClient, len(transports))
	ids := make([]string, len(transports))
	for i, one := range transports {
		clients[i] = harness.Listen(t, "socket.io-client", wire.URL(), one)
		ids[i] = clients[i].Next("connect", "").ID
		if one == "default" {
			clients[i].Next("upgrade", "")
		}
	}
	cookie := p.SignIn()
	first := p.Submit("before")
	for _, c := range clients {
		if got := c.NextSubmission(); got != first {
			t.Fatalf("got %s, want %s", got, first)
		}
	}
	kept, _ := once(p, "a key", "once")
	for _, c := range clients {
		c.NextSubmission()
	}

	for i, move := range []struct {
		words []string // of the import
		serve []string
	}{
		{[]string{p.Data, "--database", pg.URL()}, []string{"--database", pg.URL()}},
		{[]string{pg.URL(), "--replace"}, nil},
	} {
		wire.Reset(true)
		want := []string{p.Submit(fmt.Sprint("missed before the move ", i))}
		if _, stderr, code := harness.Command(t, append([]string{"import", "--data", p.Data}, move.words...)...); code != 1 || !strings.Contains(strings.ToLower(stderr), "stop ") {
			t.Errorf("while the server runs: exit %d, %s", code, stderr)
		}
		p.Signal(syscall.SIGTERM)
		said := harness.MustRun(t, append([]string{"import", "--data", p.Data}, move.words...)...)
		if strings.Contains(said, "podium@") || !strings.Contains(said, "Moved") {
			t.Errorf("it says %s", said)
		}
		p.Args = move.serve
		p.Run()
		p.Wait()
		want = append(want, p.Submit(fmt.Sprint("missed after the move ", i)))
		wire.Back()
		for n, c := range clients {
			if back := c.Next("connect", ""); !back.Recovered || back.ID != ids[n] {
				t.Fatalf("move %d, %s: came back as %+v, was %s", i, transports[n], back, ids[n])
			}
		}
		want = append(want, p.Submit(fmt.Sprint("live ", i)))
		for n, c := range clients {
			for _, id := range want {
				if got := c.NextSubmission(); got != id {
					t.Fatalf("move %d, %s: got %s, want %s", i, transports[n], got, id)
				}
			}
		}
		var whatever json.RawMessage
		if status := p.AsAdmin(cookie, "GET", "/api/submissions", "", &whatever); status != http.StatusOK {
			t.Errorf("move %d: the admin's session is gone: %d", i, status)
		}
		if again, replayed := once(p, "a key", "once"); !replayed || again != kept {
			t.Errorf("move %d: a request was answered with %s, first with %s", i, again, kept)
		}
	}
	if n := len(p.StoredIDs()); n != 8 {
		t.Errorf("%d submissions, want 8", n)
	}
	p.Signal(syscall.SIGTERM)
	if found := harness.MustRun(t, "check", "--data", p.Data); !strings.Contains(found, "in order") {
		t.Errorf("check says %s", found)
	}
	if _, stderr, code := harness.Command(t, "import", filepath.Join(p.Data, "podium.db"), "--data", p.Data); code != 1 || !strings.Contains(stderr, "that is the contest of this data folder") {
		t.Errorf("onto itself: exit %d, %s", code, stderr)
	}
}
