package server_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// handshake opens a long-polling session and returns its id, or the answer
// where there is none.
func (s *site) handshake(headers ...string) (sid string, g got) {
	s.t.Helper()
	g = s.do("GET", "/socket.io/?EIO=4&transport=polling", nil, headers...)
	_, rest, _ := strings.Cut(g.body, `"sid":"`)
	sid, _, _ = strings.Cut(rest, `"`)
	return sid, g
}

// refusals reads a limit's counters from the metrics.
func (s *site) refusals(limit, scope string) string {
	s.t.Helper()
	_, rest, _ := strings.Cut(s.do("GET", "/metrics", nil).is(200).body, fmt.Sprintf("podium_limit_refusals_total{limit=%q,scope=%q} ", limit, scope))
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// TestEveryLimitRefusesAndCounts exceeds each limit once. Those of network
// connections and of uploads are tried where there are such.
func TestEveryLimitRefusesAndCounts(t *testing.T) {
	poll := func(s *site, method, body string) got {
		sid, g := s.handshake()
		g.is(200)
		return s.do(method, "/socket.io/?EIO=4&transport=polling&sid="+sid, body)
	}
	requests := func(s *site) got { // signing in was one, and three may come at once
		s.do("GET", "/api/feed", nil)
		s.do("GET", "/api/feed", nil)
		return s.do("GET", "/api/feed", nil)
	}
	handshakes := func(s *site, n int) (last got) {
		for range n {
			_, last = s.handshake()
		}
		return last
	}
	for _, row := range []struct {
		limit, scope string
		flags        []string
		exceed       func(s *site) got
		status       int
	}{
		{"connections", "address", []string{"--limit-connections-per-address", "2"}, func(s *site) got { return handshakes(s, 3) }, 403},
		{"connections", "total", []string{"--limit-connections", "2"}, func(s *site) got { return handshakes(s, 3) }, 403},
		{"handshakes", "address", []string{"--limit-handshakes-per-address", "0.5"}, func(s *site) got { return handshakes(s, 3) }, 403},
		{"handshakes", "total", []string{"--limit-handshakes", "0.2"}, func(s *site) got { return handshakes(s, 2) }, 403},
		{"unjoined", "address", []string{"--limit-unjoined-per-address", "2"}, func(s *site) got { return handshakes(s, 3) }, 403},
		{"unjoined", "total", []string{"--limit-unjoined", "2"}, func(s *site) got { return handshakes(s, 3) }, 403},
		{"payloads", "address", []string{"--limit-payloads-per-address", "0.2"}, func(s *site) got { poll(s, "POST", "40"); return poll(s, "POST", "40") }, 429},
		{"payloads", "total", []string{"--limit-payloads", "0.2"}, func(s *site) got { poll(s, "POST", "40"); return poll(s, "POST", "40") }, 429},
		{"requests", "address", []string{"--limit-requests-per-address", "0.6"}, requests, 429},
		{"requests", "total", []string{"--limit-requests", "0.6"}, requests, 429},
		{"submissions", "total", []string{"--limit-submissions", "1"}, func(s *site) got {
			s.submit(nil, part{"category", "", "best"})
			return s.submit(nil, part{"category", "", "best"})
		}, 429},
		{"submissions", "address", []string{"--limit-submissions-per-address", "1"}, func(s *site) got {
			s.submit(nil, part{"category", "", "best"})
			return s.submit(nil, part{"category", "", "best"})
		}, 429},
		{"waiting", "address", []string{"--limit-waiting-bytes-per-address", "500B"}, func(s *site) got {
			return s.submit(nil, part{"category", "", "best"}, part{"photo", "a.jpg", photo(t, 40, 30)})
		}, 503},
		{"waiting", "total", []string{"--limit-waiting-bytes", "500B"}, func(s *site) got {
			return s.submit(nil, part{"category", "", "best"}, part{"photo", "a.jpg", photo(t, 40, 30)})
		}, 503},
		{"events", "total", []string{"--limit-events", "0.2"}, func(s *site) got {
			sid, _ := s.handshake()
			at := "/socket.io/?EIO=4&transport=polling&sid=" + sid
			s.do("POST", at, "40").is(200)
			s.do("POST", at, strings.Repeat("42[\"x\"]\x1e", 5)+"42[\"x\"]")
			g := s.do("GET", at, nil)
			for range 5 { // what was queued, and the end, in one poll or in several
				if g.status != 200 {
					break
				}
				g = s.do("GET", at, nil)
			}
			return g
		}, 400},
		{"auth", "total", nil, func(s *site) got {
			sid, _ := s.handshake()
			at := "/socket.io/?EIO=4&transport=polling&sid=" + sid
			s.do("POST", at, `40{"pid":"`+strings.Repeat("x", 10_000)+`"}`).is(200)
			g := s.do("GET", at, nil)
			if !strings.Contains(g.body, `44{"message":"Payload too large"}`) {
				t.Errorf("a large auth payload is answered with %.200s", g.body)
			}
			return g
		}, 200},
	} {
		t.Run(row.limit+" "+row.scope, func(t *testing.T) {
			s := newSite(t, row.flags...)
			s.t = t
			s.signIn()
			g := row.exceed(s)
			if g.status != row.status {
				t.Errorf("status %d, want %d: %.200s", g.status, row.status, g.body)
			}
			if g.status == http.StatusTooManyRequests && g.header.Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
			if got := s.refusals(row.limit, row.scope); got == "" || got == "0" {
				t.Errorf("the metric says %q", got)
			}
		})
	}
}

func TestPollsHeldAreLimited(t *testing.T) {
	s := newSite(t, "--limit-polls-per-address", "1").signIn()
	first, _ := s.handshake()
	second, _ := s.handshake()
	waiting := make(chan got, 1)
	go func() { waiting <- s.do("GET", "/socket.io/?EIO=4&transport=polling&sid="+first, nil) }()
	held := func() string {
		_, rest, _ := strings.Cut(s.do("GET", "/metrics", nil).body, `podium_limit_held{limit="polls"} `)
		value, _, _ := strings.Cut(rest, "\n")
		return value
	}
	for deadline := time.Now().Add(10 * time.Second); held() != "1"; {
		if time.Now().After(deadline) {
			t.Fatal("no poll is held")
		}
	}
	s.do("GET", "/socket.io/?EIO=4&transport=polling&sid="+second, nil).is(503)
	s.do("POST", "/socket.io/?EIO=4&transport=polling&sid="+first, "40").is(200)
	if g := <-waiting; g.status != 200 || !strings.HasPrefix(g.body, "40{") {
		t.Errorf("the first poll: %d %s", g.status, g.body)
	}
	if got := held(); got != "0" {
		t.Errorf("%s polls are still held", got)
	}
	if got := s.refusals("polls", "address"); got != "1" {
		t.Errorf("%s refused", got)
	}
}

func TestEventStreamsAreLimited(t *testing.T) {
	s := newSite(t, "--limit-connections-per-address", "1").signIn()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if g := s.do("GET", "/api/events", nil).is(429); g.header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	if got := s.refusals("streams", "address"); got != "1" {
		t.Errorf("%s refused", got)
	}
}

// TestLimitsOfOneAddressLeaveOthersAlone also shows that nobody but a trusted
// proxy says whom a request is for, and that an IPv6 network is one address.
func TestLimitsOfOneAddressLeaveOthersAlone(t *testing.T) {
	s := newSite(t, "--trusted-proxies", "127.0.0.1", "--limit-connections-per-address", "1")
	from := func(address string) int {
		_, g := s.handshake("X-Forwarded-For", address)
		return g.status
	}
	for _, row := range []struct {
		address string
		status  int
	}{
		{"203.0.113.1", 200}, {"203.0.113.1", 403}, {"203.0.113.2", 200},
		{"2001:db8:1:1::1", 200}, {"2001:db8:1:1:ffff::2", 403}, {"2001:db8:1:2::1", 200},
		{"6.6.6.6, 203.0.113.1", 403}, // what a client adds on the left counts for nothing
	} {
		if got := from(row.address); got != row.status {
			t.Errorf("%s: %d, want %d", row.address, got, row.status)
		}
	}
	stranger := newSite(t, "--limit-connections-per-address", "1")
	_, g := stranger.handshake("X-Forwarded-For", "203.0.113.1", "Fly-Client-IP", "203.0.113.1")
	g.is(200)
	_, g = stranger.handshake("X-Forwarded-For", "203.0.113.2", "Fly-Client-IP", "203.0.113.2")
	g.is(403)
}

// A request of 16 KB names thousands of parts of a file, and each is sent with a head of
// its own: it took 28 ms of a processor.
func TestManyPartsOfAFileAreNotSentOneByOne(t *testing.T) {
	s := newSite(t)
	whole := s.do("GET", "/styles.css", nil, "Accept-Encoding", "identity")
	for n, status := range map[int]int{1: 206, 8: 206, 9: 200, 3000: 200} {
		g := s.do("GET", "/styles.css", nil, "Accept-Encoding", "identity", "Range", "bytes="+strings.TrimSuffix(strings.Repeat("0-0,", n), ","))
		if g.status != status || status == 200 && g.body != whole.body {
			t.Errorf("%d parts: %d, and %d bytes", n, g.status, len(g.body))
		}
	}
}
