package deploy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"podium/protocol/services"
	"podium/test/harness"
)

// withToken sends a request with a token, and returns the status of its answer.
func withToken(p *harness.Program, token, method, path string) int {
	p.T.Helper()
	req, err := http.NewRequestWithContext(p.T.Context(), method, p.URL+path, nil)
	if err != nil {
		p.T.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	var whatever json.RawMessage
	return p.Do(req, &whatever)
}

// Three machines act as one: for admins at different machines, for guests at each of
// them, and while one of them is killed and another is stopped.
func TestThreeMachinesActAsOne(t *testing.T) {
	harness.NeedClients(t, "socket.io-client")
	pg := services.StartPostgres(t, "fsync", "off")
	uploads := t.TempDir()
	const places = 6
	var machines [3]*harness.Program
	var guests [3]*harness.NodeClient
	for i := range machines {
		machines[i] = harness.Start(t, "--database", pg.URL(), "--uploads", uploads, "--node-id", fmt.Sprint("m", i), "--winners-limit", fmt.Sprint(places))
		guests[i] = harness.Listen(t, "socket.io-client", machines[i].URL, "websocket")
		guests[i].Next("connect", "")
	}

	// A token that one machine made is good at all of them, until it is ended at any.
	token := strings.TrimSpace(harness.MustRun(t, "token", "stage", "--data", machines[0].Data))
	for _, m := range machines {
		if status := withToken(m, token, "GET", "/api/submissions"); status != http.StatusOK {
			t.Errorf("a token at %s: %d", m.URL, status)
		}
	}
	cookie := machines[1].SignIn()
	var sessions struct {
		Sessions []struct{ ID, Kind string }
	}
	machines[2].AsAdmin(cookie, "GET", "/api/sessions", "", &sessions)
	at := slices.IndexFunc(sessions.Sessions, func(s struct{ ID, Kind string }) bool { return s.Kind == "token" })
	if at < 0 {
		t.Fatalf("the sessions are %+v", sessions)
	}
	var whatever json.RawMessage
	if status := machines[2].AsAdmin(cookie, "DELETE", "/api/sessions/"+sessions.Sessions[at].ID, "", &whatever); status != http.StatusOK {
		t.Fatalf("ending it: %d %s", status, whatever)
	}
	for _, m := range machines {
		if status := withToken(m, token, "GET", "/api/submissions"); status != http.StatusUnauthorized {
			t.Errorf("a token that was ended elsewhere a moment ago: %d", status)
		}
	}

	// Winners are told place by place, in one order, although two presenters press at
	// the same time at two machines and the third is killed in the middle.

	var ids []string
	for n := range places {
		ids = append(ids, machines[n%3].Submit(fmt.Sprint("photo ", n)))
	}
	for _, g := range guests {
		for range places {
			g.NextSubmission()
		}
	}
	plan, err := json.Marshal(map[string]any{"winners": map[string][]string{"best": ids}, "order": []string{"best"}})
	if err != nil {
		t.Fatal(err)
	}
	if status := machines[0].AsAdmin(cookie, "POST", "/api/reveal", string(plan), &whatever); status != http.StatusOK {
		t.Fatalf("preparing: %d %s", status, whatever)
	}
	turns := 0
	for ; turns < 2; turns++ {
		press(t, machines[:2], cookie, turns)
	}
	told := make([][]string, 3)
	hear := func(i int) (done bool) {
		l := guests[i].NextOf("event of the presentation", func(l harness.Line) bool { return l.Event == "revealUpdated" || l.Event == "winnersUpdated" })
		told[i] = append(told[i], l.Event+string(l.Payload))
		return strings.Contains(string(l.Payload), `"done"`)
	}
	for range 1 + turns { // that it is prepared, and each turn
		hear(2)
	}
	machines[2].Signal(syscall.SIGKILL)
	for ; turns < 4; turns++ {
		press(t, machines[:2], cookie, turns)
	}
	machines[2].Run()
	machines[2].Wait()
	if back := guests[2].Next("connect", ""); !back.Recovered {
		t.Error("the guest of the machine that was killed lost what happened meanwhile")
	}
	for last := "presenting"; last == "presenting"; turns++ {
		last = press(t, machines[:2], cookie, turns)
	}
	for i := range guests {
		for !hear(i) {
		}
	}
	if len(told[0]) < places || !slices.Equal(told[0], told[1]) || !slices.Equal(told[0], told[2]) {
		t.Errorf("guests were told\n%q\n%q\n%q", told[0], told[1], told[2])
	}
	for i := range told[0] {
		if i > 0 && told[0][i] == told[0][i-1] {
			t.Errorf("told twice: %s", told[0][i])
		}
	}

	// Who stops tells its own guests, and nobody else.
	machines[1].Signal(syscall.SIGTERM)
	guests[1].Next("event", "server-shutdown")
	id := machines[0].Submit("after one stopped")
	for _, i := range []int{0, 2} {
		l := guests[i].NextOf("anything", func(l harness.Line) bool {
			return l.Event == "newSubmission" || l.Event == "server-shutdown" || l.Type == "disconnect"
		})
		if l.Event != "newSubmission" || guests[i].SubmissionIn(l) != id {
			t.Errorf("the guest of machine %d got %+v", i, l)
		}
	}
}

// press goes on with the presentation at all of these machines at the same time. One
// of them does, the others are told that it was done.
func press(t *testing.T, machines []*harness.Program, cookie string, turn int) (state string) {
	t.Helper()
	statuses, bodies := make([]int, len(machines)), make([]json.RawMessage, len(machines))
	var wg sync.WaitGroup
	for i, m := range machines {
		wg.Go(func() {
			statuses[i] = m.AsAdmin(cookie, "POST", "/api/reveal/next", fmt.Sprintf(`{"turn":%d}`, turn), &bodies[i])
		})
	}
	wg.Wait()
	slices.Sort(statuses)
	if !slices.Equal(statuses, []int{http.StatusOK, http.StatusConflict}) {
		t.Fatalf("turn %d: two presenters got %v %s", turn, statuses, bodies)
	}
	for _, body := range bodies {
		var c struct{ Cue struct{ State string } }
		if json.Unmarshal(body, &c) == nil && c.Cue.State != "" {
			state = c.Cue.State
		}
	}
	return state
}
