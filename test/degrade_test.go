package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stream is a reader of GET /api/events.
type stream struct {
	t      *testing.T
	events chan streamEvent
	cancel context.CancelFunc
}

type streamEvent struct{ id, name, data string }

// openStream begins to read where lastID says, or at the end of the log.
func (p *program) openStream(lastID string) *stream {
	p.t.Helper()
	ctx, cancel := context.WithCancel(p.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/api/events", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	res, err := (&http.Transport{}).RoundTrip(req)
	if err != nil {
		p.t.Fatal(err)
	}
	if kind := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || kind != "text/event-stream" {
		p.t.Fatalf("events: %s, %s", res.Status, kind)
	}
	s := &stream{t: p.t, events: make(chan streamEvent, 1000), cancel: cancel}
	go func() {
		defer close(s.events)
		defer res.Body.Close()
		var e streamEvent
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch field {
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "data":
				e.data = value
			case "":
				if e.name != "" {
					s.events <- e
				}
				e = streamEvent{}
			}
		}
	}()
	p.t.Cleanup(func() {
		cancel()
		for range s.events { // until the reader has ended
		}
	})
	return s
}

// next returns the next event of a name.
func (s *stream) next(name string) streamEvent {
	s.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case e, ok := <-s.events:
			if !ok {
				s.t.Fatalf("the stream ended before %s", name)
			}
			if e.name == name {
				return e
			}
		case <-deadline:
			s.t.Fatalf("no %s came", name)
		}
	}
}

func (e streamEvent) submission(t *testing.T) string {
	t.Helper()
	var entry struct{ ID string }
	if err := json.Unmarshal([]byte(e.data), &entry); err != nil {
		t.Fatal(err)
	}
	return entry.ID
}

// Server-Sent Events resume where they ended: after a cut, a planned restart,
// of which they are told, and a kill.
func TestEventStreamsResumeAcrossRestarts(t *testing.T) {
	p := start(t)
	s := p.openStream("")
	id := p.submit("live")
	last := s.next("newSubmission")
	if last.submission(t) != id {
		t.Fatalf("got %s, want %s", last.data, id)
	}
	for round, away := range []func(){
		func() { s.cancel() },
		func() { p.signal(syscall.SIGTERM); s.next("server-shutdown"); p.run(); p.wait() },
		func() { p.signal(syscall.SIGKILL); p.run(); p.wait() },
	} {
		away()
		var want, got []string
		for i := range 3 {
			want = append(want, p.submit(fmt.Sprint("missed ", round, i)))
		}
		s = p.openStream(last.id)
		want = append(want, p.submit(fmt.Sprint("live ", round)))
		for range want {
			last = s.next("newSubmission")
			got = append(got, last.submission(t))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("round %d: got %v, want %v", round, got, want)
		}
	}
	// An id of another log, or more missed than is kept: read the feed anew.
	p.openStream("elsewhere.1").next("reset")
}

// Pages that poll pay nothing while nothing changes, and can ask for what is new.
func TestPollingTheFeedCostsNothingWhileNothingChanges(t *testing.T) {
	p := start(t)
	old := p.submit("old")
	get := func(path, tag string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("If-None-Match", tag)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res
	}
	tag := get("/api/feed", "").Header.Get("ETag")
	if res := get("/api/feed", tag); tag == "" || res.StatusCode != http.StatusNotModified || res.ContentLength > 0 {
		t.Fatalf("tag %q: %s", tag, res.Status)
	}
	p.signal(syscall.SIGKILL)
	p.run()
	p.wait()
	if res := get("/api/feed", tag); res.StatusCode != http.StatusNotModified {
		t.Errorf("after a restart: %s", res.Status)
	}
	var feed struct {
		Feed map[string][]struct {
			ID        string
			CreatedAt int64
		}
	}
	p.call("GET", "/api/feed", "", nil, &feed)
	since := feed.Feed["best"][0].CreatedAt
	eventually(t, "the clock to go on", func() bool { return time.Now().UnixMilli() > since })
	id := p.submit("new")
	if res := get("/api/feed", tag); res.StatusCode != http.StatusOK {
		t.Errorf("with something new: %s", res.Status)
	}
	clear(feed.Feed)
	p.call("GET", fmt.Sprint("/api/feed?since=", since), "", nil, &feed)
	var ids []string
	for _, e := range feed.Feed["best"] {
		ids = append(ids, e.ID)
	}
	if !slices.Equal(ids, []string{id}) {
		t.Errorf("since the old one: %v, want %s without %s", ids, id, old)
	}
}

// The same key is the same request, for submissions and winners, also across a
// kill; with other content it is refused.
func TestSendingTwiceIsSendingOnceAcrossAKill(t *testing.T) {
	p := start(t)
	cookie := p.signIn()
	send := func(path, key, kind, body string) (int, map[string]any) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Cookie", cookie)
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Idempotency-Key", key)
		var answer map[string]any
		return p.do(req, &answer), answer
	}
	body, kind := form(t, map[string]string{"category": "best", "caption": "once"}, photo(t, 64, 48))
	once := body.String()
	other, otherKind := form(t, map[string]string{"category": "best", "caption": "other"}, nil)
	var winners string
	for round, path := range []string{"/api/submit", "/api/save-winners"} {
		same, sameKind, different, differentKind := once, kind, other.String(), otherKind
		if path == "/api/save-winners" {
			winners = fmt.Sprintf(`{"winners":{"best":[%q]}}`, p.storedIDs()[0])
			same, sameKind, different, differentKind = winners, "application/json", `{"winners":{"best":[]}}`, "application/json"
		}
		key := fmt.Sprint("key-", round)
		status, first := send(path, key, sameKind, same)
		if status != http.StatusOK {
			t.Fatalf("%s: %d %v", path, status, first)
		}
		p.signal(syscall.SIGKILL)
		p.run()
		p.wait()
		if status, again := send(path, key, sameKind, same); status != http.StatusOK || fmt.Sprint(again) != fmt.Sprint(first) {
			t.Errorf("%s again: %d %v, want %v", path, status, again, first)
		}
		if status, answer := send(path, key, differentKind, different); status != http.StatusUnprocessableEntity {
			t.Errorf("%s with other content: %d %v", path, status, answer)
		}
	}
	if ids := p.storedIDs(); len(ids) != 1 {
		t.Errorf("%d submissions", len(ids))
	}
}

// The fallback endpoint names what is there, and says no while the server stops.
func TestTheFallbackEndpointIsTruthful(t *testing.T) {
	p := start(t, "--transports", "polling")
	var f struct {
		Available, Degraded, FallbackRecommended bool
		FallbackMode, Reason                     string
		Recommendations                          []string
		Alternatives                             []struct{ Method, URL string }
	}
	if status := p.call("GET", "/api/realtime-fallback", "", nil, &f); status != http.StatusOK || !f.Available || f.Degraded || f.FallbackRecommended {
		t.Errorf("%d %+v", status, f)
	}
	if f.FallbackMode != "polling" || f.Reason == "" || len(f.Recommendations) == 0 || len(f.Alternatives) != 2 {
		t.Errorf("without WebSocket: %+v", f)
	}
	for _, a := range f.Alternatives {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+a.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s at %s: %s", a.Method, a.URL, res.Status)
		}
	}
}
