package abuse

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// secrets are what must not be found anywhere but in admins' answers.
type secrets map[string]string

// search looks for them in text.
func (s secrets) search(t *testing.T, where, text string) {
	t.Helper()
	for what, secret := range s {
		if strings.Contains(text, secret) {
			t.Errorf("%s holds %s: %.300s", where, what, text)
		}
	}
}

// TestNothingPrivateLeavesTheRunningServer sends marked names, phone numbers,
// passwords and sessions every way in, and looks for them in everything that
// comes out: answers to anybody, events over each transport, log lines at the
// lowest level, and metrics.
func TestNothingPrivateLeavesTheRunningServer(t *testing.T) {
	s := start(t, "--log-level", "debug")
	session, _, _ := strings.Cut(strings.TrimPrefix(s.cookie, "podium_session="), ";")
	private := secrets{"a name": "Zaphod-Beeblebrox-7261", "a phone number": "0660-5550199", "a phone number without its dash": "06605550199",
		"the password": password, "a wrong password": "almost-right-4711", "a session": session}

	events := make(chan string, 100)
	stream, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if err := stream.write("GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	guest, err := s.webSocket("")
	if err != nil {
		t.Fatal(err)
	}
	defer guest.Close()
	if err := guest.say("40"); err != nil {
		t.Fatal(err)
	}
	_, hello, err := guest.read() // the handshake
	for err == nil && !strings.HasPrefix(hello, "40{") {
		_, hello, err = guest.read()
	}
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(hello, `"pid":"`)
	pid, _, _ := strings.Cut(rest, `"`)
	if pid == "" {
		t.Fatalf("no pid in %s", hello)
	}
	private["a recovery id"] = pid
	go func() {
		for {
			_, text, err := guest.read()
			if err != nil {
				close(events)
				return
			}
			events <- text
		}
	}()

	entries := enterMarked(t, s, private)
	for _, path := range []string{
		"/", "/index.html", "/admin", "/admin.html", "/winners.html", "/styles.css", "/categories.json", "/api/feed", "/api/feed?limit=50", "/api/feed?since=1",
		"/api/feed?category=best&before=" + entries[0], "/api/winners", "/api/contest", "/api/session", "/api/submissions", "/api/submissions/" + entries[0], "/api/export.csv", "/api/export.zip",
		"/api/settings", "/api/sessions", "/api/dashboard", "/api/metrics", "/metrics", "/health", "/ready", "/api/realtime-health", "/api/realtime-metrics",
		"/api/realtime-fallback", "/api/join", "/api/join.svg", "/api/nothing", "/uploads/none.jpg", "/podium.db", "/debug/pprof/cmdline", "/debug/pprof/heap",
		"/socket.io/?EIO=4&transport=polling", "/socket.io/?EIO=4&transport=polling&sid=none", "/socket.io/socket.io.js",
	} {
		for _, method := range []string{"GET", "POST", "DELETE", "PUT"} {
			private.search(t, method+" "+path, s.anybody(t, method, path))
		}
	}
	for _, path := range []string{"/metrics", "/api/metrics", "/api/dashboard", "/debug/pprof/goroutine?debug=1"} {
		private.search(t, "the admin's "+path, s.get(path))
	}
	for range 2 { // both entries, and the winners come last
		s.announce()
	}
	sawEntries := 0
	for text := range events {
		private.search(t, "an event over WebSocket", text)
		if strings.Contains(text, "newSubmission") {
			sawEntries++
		}
		if strings.Contains(text, "winnersUpdated") {
			break
		}
	}
	if sawEntries == 0 {
		t.Error("no event told of an entry: nothing was searched")
	}
	var streamed strings.Builder
	for !strings.Contains(streamed.String(), "winnersUpdated") {
		line, err := stream.in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		streamed.WriteString(line)
	}
	private.search(t, "the event stream", streamed.String())
	private.search(t, "the log", s.log.String())
	if all := s.get("/api/submissions"); !strings.Contains(all, private["a name"]) || !strings.Contains(all, private["a phone number"]) {
		t.Error("the admin does not see names and numbers: nothing was searched")
	}
}

// enterMarked sends entries and mistakes with the marks in them, and returns the
// ids of the entries.
func enterMarked(t *testing.T, s *target, private secrets) (ids []string) {
	t.Helper()
	field := func(name, value string) string {
		return fmt.Sprintf("--x\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", name, value)
	}
	name, phone := private["a name"], private["a phone number"]
	person := field("name", name) + field("phone", phone)
	for _, body := range []string{
		field("category", "best") + field("caption", "one") + person, person + field("caption", "two") + field("category", "best"),
		field("category", "none") + person, field("category", name) + person, person, field("category", "best") + field("caption", strings.Repeat("x", 3000)) + person,
		field("category", "best") + field("phone", phone+strings.Repeat("x", 300)), field("category", "best") + field("name", name+strings.Repeat("x", 300)),
		field("category", "best") + person + "--x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"" + name + ".jpg\"\r\n\r\n\xff\xd8\xff" + phone + "\r\n",
	} {
		res, err := s.client.Post(s.url+"/api/submit", "multipart/form-data; boundary=x", strings.NewReader(body+"--x--\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode == http.StatusOK {
			// Whoever sends an entry gets it back whole.
			_, rest, _ := strings.Cut(string(answer), `"id":"`)
			id, _, _ := strings.Cut(rest, `"`)
			ids = append(ids, id)
			continue
		}
		private.search(t, "the answer to a mistake", string(answer))
	}
	if len(ids) != 2 {
		t.Fatalf("%d entries were taken", len(ids))
	}
	for range 3 {
		private.search(t, "a failed sign-in", s.anybodySends(t, "/api/login", `{"password":"`+private["a wrong password"]+`"}`))
	}
	s.send("POST", "/api/submissions/delete-by-phone", `{"phone":"`+phone+`0"}`)
	s.send("POST", "/api/save-winners", `{"winners":{"best":["`+ids[0]+`"]}}`)
	return ids
}

// anybody sends a request without a session and returns the answer with its headers.
func (s *target) anybody(t *testing.T, method, path string) string {
	t.Helper()
	req, err := http.NewRequest(method, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s.answerTo(t, req)
}

func (s *target) anybodySends(t *testing.T, path, body string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return s.answerTo(t, req)
}

func (s *target) answerTo(t *testing.T, req *http.Request) string {
	t.Helper()
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(res.Header) + string(body)
}
