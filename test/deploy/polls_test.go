package deploy

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"net/http/httptest"

	"podium/protocol/services"
	"podium/test/harness"
)

// Behind a balancer that sends every request to another machine, polls reach the
// machine of their session; and one machine after another may stop.
func TestPollsReachTheirMachineWithoutStickySessions(t *testing.T) {
	harness.NeedClients(t, "socket.io-client")
	pg := services.StartPostgres(t, "fsync", "off")
	var machines []*harness.Program
	var targets []*url.URL
	for _, name := range []string{"one", "two", "three"} {
		port := harness.FreePort(t)
		p := &harness.Program{T: t, Data: t.TempDir(), Port: port, URL: "http://127.0.0.1:" + port,
			Args: []string{"--database", pg.URL(), "--node-id", name, "--node-address", "http://127.0.0.1:" + port}}
		p.Run()
		p.Wait()
		t.Cleanup(func() { p.Signal(syscall.SIGKILL) })
		to, err := url.Parse(p.URL)
		if err != nil {
			t.Fatal(err)
		}
		machines, targets = append(machines, p), append(targets, to)
	}
	var turn atomic.Int64
	balancer := httptest.NewServer(&httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(targets[int(turn.Add(1))%len(targets)])
	}, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }})
	t.Cleanup(balancer.Close)
	var guests []*harness.NodeClient
	for _, transport := range []string{"polling", "default", "websocket"} {
		c := harness.Listen(t, "socket.io-client", balancer.URL, transport)
		c.Next("connect", "")
		guests = append(guests, c)
	}
	for i := range 6 {
		want := machines[i%3].Submit("hello")
		for n, c := range guests {
			if got := c.NextSubmission(); got != want {
				t.Errorf("guest %d got %s, want %s", n, got, want)
			}
		}
	}
}

// A poll for a session of a machine that was killed is told that the session is gone,
// by whichever machine it comes to, as by one machine that was started anew: nobody is
// refused for it.
func TestPollsForAMachineThatWasKilledBeginAnew(t *testing.T) {
	pg := services.StartPostgres(t, "fsync", "off")
	var machines []*harness.Program
	for _, name := range []string{"one", "two"} {
		p := &harness.Program{T: t, Data: t.TempDir(), Port: harness.FreePort(t)}
		p.URL = "http://127.0.0.1:" + p.Port
		p.Args = []string{"--database", pg.URL(), "--node-id", name, "--node-address", p.URL}
		p.Run()
		p.Wait()
		t.Cleanup(func() { p.Signal(syscall.SIGKILL) })
		machines = append(machines, p)
	}
	get := func(p *harness.Program, sid string) (status int, body string) {
		t.Helper()
		res, err := http.Get(p.URL + "/socket.io/?EIO=4&transport=polling" + sid)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	_, opened := get(machines[1], "")
	var session struct{ SID string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(opened, "0")), &session); err != nil || session.SID == "" {
		t.Fatalf("the handshake is %q", opened)
	}
	machines[1].Signal(syscall.SIGKILL)
	if status, body := get(machines[0], "&sid="+session.SID); status != http.StatusBadRequest || !strings.Contains(body, `"code":1`) {
		t.Errorf("it is answered with %d %s", status, body)
	}
}
