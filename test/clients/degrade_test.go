package clients

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"podium/test/harness"
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
func openStream(p *harness.Program, lastID string) *stream {
	p.T.Helper()
	ctx, cancel := context.WithCancel(p.T.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/api/events", nil)
	if err != nil {
		p.T.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	res, err := (&http.Transport{}).RoundTrip(req)
	if err != nil {
		p.T.Fatal(err)
	}
	if kind := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || kind != "text/event-stream" {
		p.T.Fatalf("events: %s, %s", res.Status, kind)
	}
	s := &stream{t: p.T, events: make(chan streamEvent, 1000), cancel: cancel}
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
	p.T.Cleanup(func() {
		cancel()
		for range s.events { // until the reader has ended
		}
	})
	return s
}

// next returns the next event of a name.
func (s *stream) next(name string) streamEvent {
	s.t.Helper()
	deadline := time.After(harness.Patience)
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
	p := harness.Start(t)
	s := openStream(p, "")
	id := p.Submit("live")
	last := s.next("newSubmission")
	if last.submission(t) != id {
		t.Fatalf("got %s, want %s", last.data, id)
	}
	for round, away := range []func(){
		func() { s.cancel() },
		func() { p.Signal(syscall.SIGTERM); s.next("server-shutdown"); p.Run(); p.Wait() },
		func() { p.Signal(syscall.SIGKILL); p.Run(); p.Wait() },
	} {
		away()
		var want, got []string
		for i := range 3 {
			want = append(want, p.Submit(fmt.Sprint("missed ", round, i)))
		}
		s = openStream(p, last.id)
		want = append(want, p.Submit(fmt.Sprint("live ", round)))
		for range want {
			last = s.next("newSubmission")
			got = append(got, last.submission(t))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("round %d: got %v, want %v", round, got, want)
		}
	}
	// An id of another log, or more missed than is kept: read the feed anew.
	openStream(p, "elsewhere.1").next("reset")
}

// Pages that poll pay nothing while nothing changes, and can ask for what is new.
func TestPollingTheFeedCostsNothingWhileNothingChanges(t *testing.T) {
	p := harness.Start(t)
	old := p.Submit("old")
	get := func(path, tag string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+path, nil)
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
	p.Signal(syscall.SIGKILL)
	p.Run()
	p.Wait()
	if res := get("/api/feed", tag); res.StatusCode != http.StatusNotModified {
		t.Errorf("after a restart: %s", res.Status)
	}
	var feed struct {
		Feed map[string][]struct {
			ID        string
			CreatedAt int64
		}
	}
	p.Call("GET", "/api/feed", "", nil, &feed)
	since := feed.Feed["best"][0].CreatedAt
	harness.Eventually(t, "the clock to go on", func() bool { return time.Now().UnixMilli() > since })
	id := p.Submit("new")
	if res := get("/api/feed", tag); res.StatusCode != http.StatusOK {
		t.Errorf("with something new: %s", res.Status)
	}
	clear(feed.Feed)
	p.Call("GET", fmt.Sprint("/api/feed?since=", since), "", nil, &feed)
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
	p := harness.Start(t)
	cookie := p.SignIn()
	send := func(path, key, kind, body string) (int, map[string]any) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Cookie", cookie)
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Idempotency-Key", key)
		var answer map[string]any
		return p.Do(req, &answer), answer
	}
	body, kind := harness.Form(t, map[string]string{"category": "best", "caption": "once"}, harness.Photo(t, 64, 48))
	once := body.String()
	other, otherKind := harness.Form(t, map[string]string{"category": "best", "caption": "other"}, nil)
	var winners string
	for round, path := range []string{"/api/submit", "/api/save-winners"} {
		same, sameKind, different, differentKind := once, kind, other.String(), otherKind
		if path == "/api/save-winners" {
			winners = fmt.Sprintf(`{"winners":{"best":[%q]}}`, p.StoredIDs()[0])
			same, sameKind, different, differentKind = winners, "application/json", `{"winners":{"best":[]}}`, "application/json"
		}
		key := fmt.Sprint("key-", round)
		status, first := send(path, key, sameKind, same)
		if status != http.StatusOK {
			t.Fatalf("%s: %d %v", path, status, first)
		}
		p.Signal(syscall.SIGKILL)
		p.Run()
		p.Wait()
		if status, again := send(path, key, sameKind, same); status != http.StatusOK || fmt.Sprint(again) != fmt.Sprint(first) {
			t.Errorf("%s again: %d %v, want %v", path, status, again, first)
		}
		if status, answer := send(path, key, differentKind, different); status != http.StatusUnprocessableEntity {
			t.Errorf("%s with other content: %d %v", path, status, answer)
		}
	}
	if ids := p.StoredIDs(); len(ids) != 1 {
		t.Errorf("%d submissions", len(ids))
	}
}

// The fallback endpoint names what is there, and says no while the server stops.
func TestTheFallbackEndpointIsTruthful(t *testing.T) {
	p := harness.Start(t, "--transports", "polling")
	var f struct {
		Available, Degraded, FallbackRecommended bool
		FallbackMode, Reason                     string
		Recommendations                          []string
		Alternatives                             []struct{ Method, URL string }
	}
	if status := p.Call("GET", "/api/realtime-fallback", "", nil, &f); status != http.StatusOK || !f.Available || f.Degraded || f.FallbackRecommended {
		t.Errorf("%d %+v", status, f)
	}
	if f.FallbackMode != "polling" || f.Reason == "" || len(f.Recommendations) == 0 || len(f.Alternatives) != 2 {
		t.Errorf("without WebSocket: %+v", f)
	}
	for _, a := range f.Alternatives {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+a.URL, nil)
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
