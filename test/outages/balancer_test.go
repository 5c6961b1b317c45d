package outages

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"podium/protocol/engineio"
)

// What ops/proxy/Caddyfile.cluster says.
const (
	healthEvery   = time.Second
	healthTimeout = 3 * time.Second
	failFor       = 5 * time.Second
	tryFor        = 5 * time.Second
)

// servedBy is a header in which the balancer names the machine that answered.
const servedBy = "X-Served-By"

// balancer sends each request to another of the machines that are ready. One that
// cannot be connected to is left out for a while and the request goes to the next. A
// request that reached a machine is not sent again.
type balancer struct {
	url    string
	direct *http.Transport
	polls  *http.Transport // whose requests are not sent again: what was in a lost answer does not come again
	health *http.Client
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu       sync.Mutex // guards the fields below
	machines []*upstream
	turn     int
	failures []failure
	answered int               // requests
	through  map[string]string // sessions, and the machine through which an upgrade went, or a poll that broke off
}

// upstream is a machine as the balancer sees it.
type upstream struct {
	name   string
	url    *url.URL
	ready  bool
	failed time.Time // when it last refused a connection
}

// failure is a request that failed: what a machine answered with a status of 500 or
// more, or what broke off.
type failure struct {
	from, to time.Time
	machine  string // "" where there was none to ask
	path     string
	status   int // 0: it broke off
	why      string
}

func startBalancer(t *testing.T) *balancer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b := &balancer{
		direct: &http.Transport{
			DialContext: (&net.Dialer{Timeout: 3 * time.Second}).DialContext, MaxIdleConnsPerHost: 64, DisableCompression: true,
		},
		polls:  &http.Transport{DialContext: (&net.Dialer{Timeout: 3 * time.Second}).DialContext, DisableKeepAlives: true, DisableCompression: true},
		health: &http.Client{Timeout: healthTimeout, Transport: &http.Transport{DisableKeepAlives: true}},
		cancel: cancel, through: map[string]string{},
	}
	server := httptest.NewServer(&httputil.ReverseProxy{
		FlushInterval: -1,
		Transport:     b,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.Header["X-Forwarded-For"] = p.In.Header["X-Forwarded-For"] // each guest has an address of its own
			p.Out.Host = p.In.Host
		},
		ErrorLog:     log.New(io.Discard, "", 0), // what breaks off is kept in failures
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	b.url = server.URL
	b.work.Go(func() { b.look(ctx) })
	t.Cleanup(func() {
		cancel()
		server.CloseClientConnections()
		_ = server.Listener.Close()
		b.work.Wait()
	})
	return b
}

// add lets a machine be sent requests as soon as it is ready.
func (b *balancer) add(name, address string) {
	to, err := url.Parse(address)
	if err != nil {
		panic(err) // it is the test's own
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.machines = append(b.machines, &upstream{name: name, url: to})
}

func (b *balancer) remove(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, m := range b.machines {
		if m.name == name {
			b.machines = append(b.machines[:i:i], b.machines[i+1:]...)
			return
		}
	}
}

// look asks all machines whether they are ready, until ctx ends.
func (b *balancer) look(ctx context.Context) {
	ticker := time.NewTicker(healthEvery)
	defer ticker.Stop()
	for {
		b.mu.Lock()
		machines := b.machines
		b.mu.Unlock()
		for _, m := range machines {
			b.work.Go(func() { b.ask(ctx, m) })
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// ask asks one machine whether it is ready.
func (b *balancer) ask(ctx context.Context, m *upstream) {
	ready := false
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url.String()+"/ready", nil)
	if err == nil {
		if res, failed := b.health.Do(req); failed == nil {
			res.Body.Close()
			ready = res.StatusCode == http.StatusOK
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if m.ready = ready; ready {
		m.failed = time.Time{}
	}
}

// serving reports whether so many machines are sent requests, and no more.
func (b *balancer) serving(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.machines {
		if m.ready && m.failed.IsZero() {
			n--
		}
	}
	return n == 0
}

// next is the machine that is asked next, nil where none is ready.
func (b *balancer) next() *upstream {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range b.machines {
		b.turn++
		m := b.machines[b.turn%len(b.machines)]
		if m.ready && time.Since(m.failed) > failFor {
			return m
		}
	}
	return nil
}

// RoundTrip implements [http.RoundTripper] for the proxy.
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	if r.Body != nil && r.Header.Get("Upgrade") == "" {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err // the client is gone
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	for {
		m := b.next()
		if m == nil {
			if time.Since(began) < tryFor && r.Context().Err() == nil {
				time.Sleep(50 * time.Millisecond) // between two looks
				continue
			}
			b.note(r, failure{from: began, why: "no machine is ready"})
			return nil, errors.New("no machine is ready")
		}
		out := r.Clone(r.Context())
		out.URL.Scheme, out.URL.Host = m.url.Scheme, m.url.Host
		if r.GetBody != nil {
			out.Body, _ = r.GetBody() // it is in memory
		}
		res, err := b.send(m, out)
		var network *net.OpError
		switch {
		case err == nil && res.StatusCode < 500:
			res.Header.Set(servedBy, m.name)
			b.note(r, failure{})
			return res, nil
		case err == nil:
			b.note(r, failure{from: began, machine: m.name, status: res.StatusCode})
			return res, nil
		case errors.As(err, &network) && network.Op == "dial" && r.Context().Err() == nil:
			b.mu.Lock()
			m.failed = time.Now()
			b.mu.Unlock()
			continue
		}
		b.note(r, failure{from: began, machine: m.name, why: err.Error()})
		return nil, err
	}
}

// send sends a request to a machine.
func (b *balancer) send(m *upstream, r *http.Request) (*http.Response, error) {
	sid := engineio.SessionID(r)
	if sid != "" && r.Header.Get("Upgrade") != "" { // for as long as it lasts
		b.mu.Lock()
		b.through[sid] = m.name
		b.mu.Unlock()
	}
	if sid == "" || r.Header.Get("Upgrade") != "" {
		return b.direct.RoundTrip(r)
	}
	res, err := b.polls.RoundTrip(r)
	if err == nil {
		res.Body = &poll{ReadCloser: res.Body, broke: func(err error) { b.note(r, failure{from: time.Now(), machine: m.name, why: err.Error()}) }}
	}
	return res, err
}

// poll is the body of an answer to a poll, which may break off in the middle.
type poll struct {
	io.ReadCloser
	broke func(error)
}

func (p *poll) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	if err != nil && err != io.EOF {
		p.broke(err)
	}
	return n, err
}

// passed reports whether the WebSocket of a session goes through a machine, whichever has
// the session, or a poll broke off on its way through it.
func (b *balancer) passed(sid, machine string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.through[sid] == machine
}

// note counts a request, and keeps how it failed. A client that went away has not
// been refused anything, and one whose poll breaks off is cut off and comes back.
func (b *balancer) note(r *http.Request, f failure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answered++
	sid := engineio.SessionID(r)
	poll := sid != "" && f.machine != "" && f.status == 0
	if poll {
		b.through[sid] = f.machine
	}
	if !f.from.IsZero() && r.Context().Err() == nil && !poll {
		f.to, f.path = time.Now(), r.Method+" "+strings.TrimSuffix(r.URL.Path, "/")
		b.failures = append(b.failures, f)
	}
}

// soFar returns what failed until now, and of how many requests.
func (b *balancer) soFar() (failures []failure, answered int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures[:len(b.failures):len(b.failures)], b.answered
}
