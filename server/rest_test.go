package server_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

var (
	entryID      = regexp.MustCompile(`^\d{13}-[a-z0-9]{6}$`)
	submissionID = regexp.MustCompile(`^sub-\d{13}-[a-z0-9]{6}$`)
)

func TestAnEmptyContestHasTheDefaultCategories(t *testing.T) {
	s := newSite(t)
	if g := s.do("GET", "/categories.json", nil).is(200); strings.TrimSpace(g.body) != `[{"id":"worst","name":"Worst Tattoo"},{"id":"best","name":"Best Tattoo"}]` {
		t.Fatal(g.body)
	}
	if g := s.do("GET", "/api/feed", nil).is(200); strings.TrimSpace(g.body) != `{"feed":{"worst":[],"best":[]},"winnersAvailable":false}` {
		t.Fatal(g.body)
	}
	var winners struct{ Winners map[string][]any }
	s.do("GET", "/api/winners", nil).is(200).into(&winners)
	if len(winners.Winners) != 2 || winners.Winners["best"] == nil {
		t.Fatal(winners)
	}
}

func TestASubmissionIsAnsweredStoredAnnouncedAndShown(t *testing.T) {
	s := newSite(t)
	var body struct {
		Success, PersistenceConfirmed              bool
		Entry                                      entry
		StorageMethod, SubmissionID, TransactionID string
	}
	s.submit(nil, part{"photo", "me.jpg", photo(t, 64, 48)}, part{"category", "", "best"}, part{"caption", "", "Ärger & <b>"},
		part{"name", "", "Ada"}, part{"phone", "", "123"}).is(200).into(&body)
	e := body.Entry
	if !body.Success || !body.PersistenceConfirmed || !strings.HasPrefix(body.TransactionID, "txn-") {
		t.Fatalf("%+v", body)
	}
	if !entryID.MatchString(e.ID) || !submissionID.MatchString(e.SubmissionID) || body.SubmissionID != e.SubmissionID {
		t.Fatalf("ids %q, %q, %q", e.ID, e.SubmissionID, body.SubmissionID)
	}
	if e.Category != "best" || e.Caption != "Ärger & <b>" || e.Name != "Ada" || e.Phone != "123" || e.StorageMethod != "local-primary" {
		t.Fatalf("%+v", e)
	}
	if e.ImageURL == nil || !strings.HasPrefix(*e.ImageURL, "/uploads/") {
		t.Fatalf("imageUrl %v", e.ImageURL)
	}
	picture := s.do("GET", *e.ImageURL, nil).is(200)
	if picture.header.Get("Content-Type") != "image/jpeg" || picture.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Fatal(picture.header)
	}
	var feed struct {
		Feed map[string][]map[string]any
	}
	s.do("GET", "/api/feed", nil).is(200).into(&feed)
	item := feed.Feed["best"][0]
	if item["id"] != e.ID || item["artist"] != "Anonymous Artist" || item["caption"] != "Ärger & <b>" || item["name"] != nil || item["phone"] != nil {
		t.Fatal(item)
	}
	if got := s.events(); !slices.Equal(got, []string{"newSubmission"}) {
		t.Fatal(got)
	}
}

func TestASubmissionWithoutPhotoHasNoImage(t *testing.T) {
	s := newSite(t)
	e := s.enter("worst", "words only")
	if e.ImageURL != nil || e.StorageMethod != "none" {
		t.Fatalf("%+v", e)
	}
	// A form whose file field was left alone sends a part without name and bytes.
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, value := range map[string]string{"category": "worst", "caption": "from a form"} {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="photo"; filename=""`}, "Content-Type": {"application/octet-stream"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	g := s.do("POST", "/api/submit", &b, "Content-Type", w.FormDataContentType()).is(200)
	if !strings.Contains(g.body, `"imageUrl":null`) {
		t.Fatal(g.body)
	}
}

func TestBadRequestsGetTheirStatusAndSentenceAndLeaveNothing(t *testing.T) {
	s := newSite(t, "--max-photo", "1MiB").signIn()
	best := part{"category", "", "best"}
	multi := func(parts ...part) func() got { return func() got { return s.submit(nil, parts...) } }
	send := func(method, path, body string) func() got {
		return func() got { return s.do(method, path, body, "Content-Type", "application/json") }
	}
	rows := []struct {
		name   string
		send   func() got
		status int
	}{
		{"missing category", multi(part{"caption", "", "x"}), 400},
		{"unknown category", multi(part{"category", "", "nope"}), 400},
		{"no multipart body", send("POST", "/api/submit", `{"category":"best"}`), 400},
		{"empty body", send("POST", "/api/submit", ""), 400},
		{"photo too large", multi(best, part{"photo", "a.jpg", strings.Repeat("x", 1<<20+1)}), 413},
		{"photo far too large", multi(best, part{"photo", "a.jpg", strings.Repeat("x", 11<<20)}), 413},
		{"text called .jpg", multi(best, part{"photo", "a.jpg", "just words, no picture at all"}), 415},
		{"SVG", multi(best, part{"photo", "a.jpg", `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`}), 415},
		{"truncated picture", multi(best, part{"photo", "a.jpg", photo(t, 64, 64)[:200]}), 415},
		{"caption of 1 MB", multi(best, part{"caption", "", strings.Repeat("x", 1<<20)}), 400},
		{"caption of 2,001 characters", multi(best, part{"caption", "", strings.Repeat("é", 2001)}), 400},
		{"name of 201 characters", multi(best, part{"name", "", strings.Repeat("é", 201)}), 400},
		{"phone of 201 characters", multi(best, part{"phone", "", strings.Repeat("1", 201)}), 400},
		{"malformed JSON", send("POST", "/api/save-winners", `{"winners":`), 400},
		{"array for an object", send("POST", "/api/save-winners", `[]`), 400},
		{"winners missing", send("POST", "/api/save-winners", `{}`), 400},
		{"winners null", send("POST", "/api/save-winners", `{"winners":null}`), 400},
		{"winners an array", send("POST", "/api/save-winners", `{"winners":["a"]}`), 400},
		{"winners of numbers", send("POST", "/api/save-winners", `{"winners":{"best":[1]}}`), 400},
		{"winners of a text", send("POST", "/api/save-winners", `{"winners":{"best":"a"}}`), 400},
		{"winners with null for a list", send("POST", "/api/save-winners", `{"winners":{"best":null}}`), 400},
		{"winners with null in a list", send("POST", "/api/save-winners", `{"winners":{"best":[null]}}`), 400},
		{"winners, two values", send("POST", "/api/save-winners", `{"winners":{}} {}`), 400},
		{"JSON too large", send("POST", "/api/save-winners", `{"winners":{"best":["`+strings.Repeat("x", 2<<20)+`"]}}`), 413},
		{"deep JSON", send("POST", "/api/save-winners", `{"winners":`+strings.Repeat("[", 100_000)+`}`), 400},
		{"categories no array", send("POST", "/api/categories", `{"categories":{}}`), 400},
		{"categories missing", send("POST", "/api/categories", `{}`), 400},
		{"category without id", send("POST", "/api/categories", `{"categories":[{"name":"x"}]}`), 400},
		{"category without name", send("POST", "/api/categories", `{"categories":[{"id":"x"}]}`), 400},
		{"category twice", send("POST", "/api/categories", `{"categories":[{"id":"x","name":"x"},{"id":"x","name":"y"}]}`), 400},
		{"category id with quotes", send("POST", "/api/categories", `{"categories":[{"id":"x')","name":"x"}]}`), 400},
		{"category id too long", send("POST", "/api/categories", `{"categories":[{"id":"`+strings.Repeat("x", 65)+`","name":"x"}]}`), 400},
		{"category null", send("POST", "/api/categories", `{"categories":[null]}`), 400},
		{"login without body", send("POST", "/api/login", ""), 400},
		{"login with a number", send("POST", "/api/login", `{"password":1}`), 400},
		{"wrong password", send("POST", "/api/login", `{"password":"wrong"}`), 401},
		{"id that names nothing", send("DELETE", "/api/submissions/1700000000000-abcdef", ""), 404},
		{"id with a slash", send("DELETE", "/api/submissions/a%2Fb", ""), 400},
		{"id going up", send("DELETE", "/api/submissions/..%2F..%2Fx", ""), 400},
		{"unknown route", send("GET", "/api/nothing", ""), 404},
		{"unknown route, POST", send("POST", "/api/nothing", "{}"), 404},
		{"unknown deep route", send("GET", "/api/nothing/at/all", ""), 404},
		{"bare /api", send("GET", "/api/", ""), 404},
		{"wrong method", send("GET", "/api/submit", ""), 405},
		{"wrong method on feed", send("POST", "/api/feed", "{}"), 405},
		{"wrong method on winners", send("DELETE", "/api/winners", ""), 405},
		{"wrong method on login", send("PUT", "/api/login", "{}"), 405},
		{"feed with a bad limit", send("GET", "/api/feed?limit=x", ""), 400},
		{"feed with a bad since", send("GET", "/api/feed?since=x", ""), 400},
		{"long idempotency key", func() got { return s.submit([]string{"Idempotency-Key", strings.Repeat("k", 300)}, best) }, 400},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			g := row.send()
			g.t = t
			if g.status != row.status && !(row.status == 400 && g.status == 404 && strings.Contains(row.name, "id ")) {
				t.Fatalf("status %d, want %d: %s", g.status, row.status, g.body)
			}
			g.sentence()
			if g.status == 405 && g.header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
			s.do("GET", "/api/feed", nil).is(200)
		})
	}
	if got := s.events(); len(got) != 0 {
		t.Fatalf("bad requests were announced: %v", got)
	}
}

func TestCategoriesAreReplacedAndSubmissionsComeBackWithThem(t *testing.T) {
	s := newSite(t).signIn()
	e := s.enter("best", "stays")
	s.do("POST", "/api/categories", `{"categories":[{"id":"worst","name":"W"},{"id":"new_1","name":"N <i>"}]}`).is(200)
	if g := s.do("GET", "/categories.json", nil); !strings.Contains(g.body, "new_1") || strings.Contains(g.body, "best") {
		t.Fatal(g.body)
	}
	if g := s.do("GET", "/api/feed", nil); strings.Contains(g.body, e.ID) {
		t.Fatal("a removed category is in the feed")
	}
	s.do("POST", "/api/categories", `{"categories":[{"id":"best","name":"B"}]}`).is(200)
	if g := s.do("GET", "/api/feed", nil); !strings.Contains(g.body, e.ID) {
		t.Fatal("the submissions did not come back")
	}
}

func TestWinnersKeepTheFirstTwoThatExistInOrder(t *testing.T) {
	s := newSite(t).signIn()
	a, b, c := s.enter("best", "a"), s.enter("best", "b"), s.enter("best", "c")
	w := s.enter("worst", "w")
	var saved struct {
		Success       bool
		TransactionID string
		Ignored       []string
	}
	s.do("POST", "/api/save-winners", `{"winners":{"worst":["`+w.ID+`"]}}`).is(200)
	s.do("POST", "/api/save-winners", `{"winners":{"best":["gone","`+c.ID+`","`+w.ID+`","`+a.ID+`","`+b.ID+`"]}}`).is(200).into(&saved)
	if !saved.Success || !strings.HasPrefix(saved.TransactionID, "txn-") || !slices.Contains(saved.Ignored, "gone") || !slices.Contains(saved.Ignored, w.ID) {
		t.Fatalf("%+v", saved)
	}
	var winners struct {
		Winners map[string][]struct{ ID, Caption string }
	}
	s.visitor().do("GET", "/api/winners", nil).is(200).into(&winners)
	best := winners.Winners["best"]
	if len(best) != 2 || best[0].ID != c.ID || best[1].ID != a.ID || winners.Winners["worst"][0].ID != w.ID {
		t.Fatalf("%+v", winners)
	}
	if g := s.do("GET", "/api/feed", nil); !strings.Contains(g.body, `"winnersAvailable":true`) {
		t.Fatal(g.body)
	}
}

func TestASubmissionWithOneKeyCountsOnce(t *testing.T) {
	s := newSite(t)
	key := []string{"Idempotency-Key", "once-1"}
	parts := []part{{"category", "", "best"}, {"caption", "", "same"}, {"photo", "a.jpg", photo(t, 32, 32)}}
	var all sync.WaitGroup
	bodies := make([]string, 8)
	for i := range bodies {
		all.Go(func() { bodies[i] = s.submit(key, parts...).body })
	}
	all.Wait()
	for _, b := range bodies {
		if b != bodies[0] || !strings.Contains(b, `"success":true`) {
			t.Fatalf("%s\nis not\n%s", b, bodies[0])
		}
	}
	s.submit(key, parts[0], part{"caption", "", "other"}).is(422).sentence()
	if got := s.events(); len(got) != 1 {
		t.Fatalf("%d events", len(got))
	}
}

func TestModerationHoldsSubmissionsBackUntilApproved(t *testing.T) {
	s := newSite(t).signIn()
	s.do("POST", "/api/settings", `{"moderation":true}`).is(200)
	e := s.enter("best", "patience")
	if len(s.events()) != 1 && slices.Contains(s.events(), "newSubmission") {
		t.Fatal("a waiting submission was announced")
	}
	if g := s.visitor().do("GET", "/api/feed", nil); strings.Contains(g.body, e.ID) {
		t.Fatal("a waiting submission is in the feed")
	}
	s.do("POST", "/api/submissions/"+e.ID+"/approve", "").is(200)
	if g := s.visitor().do("GET", "/api/feed", nil); !strings.Contains(g.body, e.ID) {
		t.Fatal("an approved submission is not in the feed")
	}
	s.do("POST", "/api/save-winners", `{"winners":{"best":["`+e.ID+`"]}}`).is(200)
	s.do("POST", "/api/submissions/"+e.ID+"/hide", "").is(200)
	if g := s.visitor().do("GET", "/api/winners", nil); strings.Contains(g.body, e.ID) {
		t.Fatal("a hidden submission is a winner")
	}
	got := s.events()
	for _, want := range []string{"newSubmission", "winnersUpdated", "submissionRemoved"} {
		if !slices.Contains(got, want) {
			t.Fatalf("%v lacks %s", got, want)
		}
	}
}

func TestDeletingTakesEntryPictureAndEventAway(t *testing.T) {
	s := newSite(t).signIn()
	var body struct{ Entry entry }
	s.submit(nil, part{"photo", "a.jpg", photo(t, 40, 40)}, part{"category", "", "best"}, part{"caption", "", "regretted"}, part{"phone", "", "0171 / 12"}).is(200).into(&body)
	s.enter("best", "another person")
	var answer struct{ Deleted int }
	s.do("POST", "/api/submissions/delete-by-phone", `{"phone":"017112"}`).is(200).into(&answer)
	if answer.Deleted != 1 {
		t.Fatalf("%d deleted", answer.Deleted)
	}
	s.do("GET", *body.Entry.ImageURL, nil).is(404)
	if g := s.do("GET", "/api/submissions", nil).is(200); strings.Contains(g.body, "regretted") || !strings.Contains(g.body, "another person") {
		t.Fatal(g.body)
	}
	if !slices.Contains(s.events(), "submissionRemoved") {
		t.Fatal(s.events())
	}
}

func TestTextLeavesEscapedForPagesThatPutItIntoMarkup(t *testing.T) {
	s := newSite(t, "--text", "html").signIn()
	hostile := `<img src=x onerror=alert(1)>" onmouseover='x' &amp;`
	s.enter("best", hostile)
	for _, path := range []string{"/api/feed", "/api/submissions"} {
		g := s.do("GET", path, nil).is(200)
		var any map[string]any
		g.into(&any)
		if strings.Contains(g.body, "<img") || strings.Contains(g.body, `\u003cimg`) || !strings.Contains(g.body, "lt;img") {
			t.Fatalf("%s: %s", path, g.body)
		}
	}
	s.do("POST", "/api/categories", `{"categories":[{"id":"best","name":"Rock & <Roll>"}]}`).is(200)
	first := s.do("GET", "/categories.json", nil).body
	var list []map[string]string
	s.do("GET", "/categories.json", nil).into(&list)
	if list[0]["name"] != "Rock &amp; &lt;Roll&gt;" {
		t.Fatal(list)
	}
	s.do("POST", "/api/categories", `{"categories":`+first+`}`).is(200)
	if again := s.do("GET", "/categories.json", nil).body; again != first {
		t.Fatalf("reading and saving changed %s to %s", first, again)
	}
}

func TestTooManySubmissionsAreToldWhenToTryAgain(t *testing.T) {
	s := newSite(t, "--limit-submissions-per-address", "3")
	status := 0
	for range 10 {
		g := s.submit(nil, part{"category", "", "best"})
		if status = g.status; status == 429 {
			g.sentence()
			if g.header.Get("Retry-After") == "" {
				t.Fatal("429 without Retry-After")
			}
			return
		}
	}
	t.Fatalf("never limited, last status %d", status)
}

func TestHealthReadinessAndRealtimeEndpointsHaveTheirFields(t *testing.T) {
	s := newSite(t)
	rows := map[string][]string{
		"/health":                {"status", "timestamp", "uptime", "memory", "categories", "submissions", "winners"},
		"/api/realtime-health":   {"status", "timestamp", "uptime", "activeConnections", "totalConnected", "messageQueueSize", "averageLatency", "lastHeartbeat", "metrics", "config"},
		"/api/realtime-metrics":  {"timestamp", "connections", "messages", "messaging", "performance", "reliability", "uptime"},
		"/api/realtime-fallback": {"available", "degraded", "fallbackRecommended", "fallbackMode", "reason", "recommendations", "alternatives", "degradationThreshold"},
	}
	for path, fields := range rows {
		var body map[string]any
		s.do("GET", path, nil).is(http.StatusOK).into(&body)
		for _, f := range fields {
			if _, ok := body[f]; !ok {
				t.Errorf("%s lacks %s", path, f)
			}
		}
	}
	nested := map[string]map[string][]string{
		"/api/realtime-health": {
			"metrics": {"activeConnections", "totalConnections", "healthyClients", "messagesQueued", "messagesDelivered", "heartbeatFailures", "reconnections"},
			"config":  {"heartbeatInterval", "heartbeatTimeout", "maxQueueSize", "enableQueueing", "enableHeartbeat"}},
		"/api/realtime-metrics": {
			"connections": {"active", "total", "healthy", "unhealthy"}, "messages": {"queued", "delivered", "queuedTotal"},
			"messaging":   {"queueSize", "totalQueued", "totalDelivered"},
			"performance": {"averageLatency", "minLatency", "maxLatency", "p95Latency", "jitter", "messagesPerSecond"},
			"reliability": {"heartbeatFailures", "reconnections", "reconnectAttempts", "failureCount", "successRate"}, "uptime": {"seconds", "startTime"}},
		"/api/realtime-fallback": {"degradationThreshold": {"maxQueueSize", "minHealthyConnections", "maxAverageLatency"}},
	}
	for path, groups := range nested {
		var body map[string]any
		s.do("GET", path, nil).into(&body)
		for group, fields := range groups {
			inner, _ := body[group].(map[string]any)
			for _, f := range fields {
				if _, ok := inner[f]; !ok {
					t.Errorf("%s: %s lacks %s", path, group, f)
				}
			}
		}
	}
}
