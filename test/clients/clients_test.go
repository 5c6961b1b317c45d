package clients

import (
	"encoding/json"
	"fmt"
	"podium/test/harness"
	"slices"
	"syscall"
	"testing"
)

// The folders of the official clients that speak Engine.IO 4.
var officialClients = []string{"socket.io-client-3.1", "socket.io-client-4.0", "socket.io-client-4.7", "socket.io-client"}

func TestOfficialClientsSeeSubmissionsAndWinners(t *testing.T) {
	p := harness.Start(t)
	cookie := p.SignIn()
	for _, pkg := range officialClients {
		for _, transports := range []string{"default", "polling", "websocket"} {
			t.Run(pkg+"/"+transports, func(t *testing.T) {
				c := harness.Listen(t, pkg, p.URL, transports)
				c.Next("connect", "")
				if transports == "default" {
					c.Next("upgrade", "")
				}
				id := p.Submit("seen over " + transports)
				var entry struct{ ID, Caption, Artist string }
				if err := json.Unmarshal(c.Next("event", "newSubmission").Payload, &entry); err != nil {
					t.Fatal(err)
				}
				if entry.ID != id || entry.Caption != "seen over "+transports || entry.Artist != "Anonymous Artist" {
					t.Errorf("newSubmission: %+v", entry)
				}
				var answer struct {
					Success bool
					Ignored []string
				}
				body := fmt.Sprintf(`{"winners":{"best":[%q,"nope"]}}`, id)
				if status := p.AsAdmin(cookie, "POST", "/api/save-winners", body, &answer); status != 200 || len(answer.Ignored) != 1 {
					t.Fatalf("save-winners: %d %+v", status, answer)
				}
				var picked struct{ Winners map[string][]string }
				if err := json.Unmarshal(c.Next("event", "winnersUpdated").Payload, &picked); err != nil {
					t.Fatal(err)
				}
				if got := picked.Winners["best"]; len(got) != 1 || got[0] != id {
					t.Errorf("winnersUpdated: %v", picked)
				}
			})
		}
	}
}

// What happened while a client was away reaches it once and in order: after a
// dropped connection, a planned restart, and a kill.
func TestAClientThatWasAwayGetsWhatItMissed(t *testing.T) {
	for _, pkg := range []string{"socket.io-client-4.7", "socket.io-client"} {
		for _, transports := range []string{"default", "polling", "websocket"} {
			t.Run(pkg+"/"+transports, func(t *testing.T) {
				p := harness.Start(t)
				c := harness.Listen(t, pkg, p.URL, transports)
				first := c.Next("connect", "")
				for round, away := range []func(){
					func() { c.Say("drop"); c.Next("disconnect", "") },
					func() { p.Signal(syscall.SIGTERM); p.Run(); p.Wait() },
					func() { p.Signal(syscall.SIGKILL); p.Run(); p.Wait() },
				} {
					away()
					var want []string
					for i := range 3 {
						want = append(want, p.Submit(fmt.Sprint("missed ", round, " ", i)))
					}
					back := c.Next("connect", "")
					if !back.Recovered || back.ID != first.ID {
						t.Fatalf("round %d: came back as %+v, was %s", round, back, first.ID)
					}
					if got := settled(c, transports, len(want)); !slices.Equal(got, want) {
						t.Fatalf("round %d: got %v, want %v", round, got, want)
					}
				}
			})
		}
	}
}
