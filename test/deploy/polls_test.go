package deploy

import (
	"net/http"
	"net/http/httputil"
	"net/url"
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
