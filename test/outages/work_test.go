package outages

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"podium/test/harness"
)

// work is what goes on at the contest: people who submit, who read, and an admin.
type work struct {
	t    *testing.T
	url  string // of the balancer
	stop chan struct{}
	all  sync.WaitGroup

	mu       sync.Mutex // guards the fields below
	accepted []accepted
	acts     int // of the admin
	reads    int
}

// accepted is a submission that was acknowledged.
type accepted struct {
	caption, id, picture string
	began                time.Time
	took                 time.Duration // with all that was tried before
}

// begin starts the work: so many submitters, each with a pause between two.
func begin(t *testing.T, url string, submitters int, pause time.Duration) *work {
	t.Helper()
	w := &work{t: t, url: url, stop: make(chan struct{})}
	photo := harness.Photo(t, 64, 48)
	cookie := (&harness.Program{T: t, URL: url}).SignIn()
	for n := range submitters {
		w.all.Go(func() { w.submit(n, pause, photo) })
	}
	w.all.Go(func() { w.read() })
	w.all.Go(func() { w.administer(cookie) })
	t.Cleanup(func() { w.end() })
	return w
}

// end ends it. It may be called again.
func (w *work) end() {
	select {
	case <-w.stop:
	default:
		close(w.stop)
	}
	w.all.Wait()
}

// request sends a request, and returns the answer of one that was answered.
func (w *work) request(client *http.Client, method, path, address string, header map[string]string, body []byte) (status int, answer []byte) {
	req, err := http.NewRequest(method, w.url+path, bytes.NewReader(body))
	if err != nil {
		w.t.Error(err)
		return 0, nil
	}
	req.Header.Set("X-Forwarded-For", address)
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer res.Body.Close()
	if answer, err = io.ReadAll(res.Body); err != nil {
		return 0, nil
	}
	if res.StatusCode >= 400 && res.StatusCode < 500 {
		w.t.Errorf("%s %s is answered with %d %s", method, path, res.StatusCode, answer)
	}
	return res.StatusCode, answer
}

// patientClient waits for what is slow, as a browser does.
func patientClient() *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}
}

// submit submits one after the other, every other one with a picture. What has no
// answer is sent again with its key until it has, as the page does.
func (w *work) submit(who int, pause time.Duration, photo []byte) {
	client := patientClient()
	defer client.CloseIdleConnections()
	for n := 0; harness.WaitFor(pause/2+rand.N(pause), w.stop); n++ {
		one := accepted{caption: fmt.Sprintf("%d of %d", n, who), began: time.Now()}
		picture := photo
		if n%2 == 1 {
			picture = nil
		}
		form, kind := harness.Form(w.t, map[string]string{"category": "best", "caption": one.caption}, picture)
		header := map[string]string{"Content-Type": kind, "Idempotency-Key": one.caption}
		for {
			status, body := w.request(client, "POST", "/api/submit", fmt.Sprintf("10.2.0.%d", who), header, form.Bytes())
			if status == http.StatusOK {
				var answer struct{ Entry struct{ ID, ImageURL string } }
				if err := json.Unmarshal(body, &answer); err != nil || answer.Entry.ID == "" {
					w.t.Errorf("an acknowledgement says %s", body)
				}
				one.id, one.picture, one.took = answer.Entry.ID, answer.Entry.ImageURL, time.Since(one.began)
				w.mu.Lock()
				w.accepted = append(w.accepted, one)
				w.mu.Unlock()
				break
			}
			if !harness.WaitFor(200*time.Millisecond, w.stop) {
				return // never acknowledged: it may be stored or not
			}
		}
	}
}

// read reads the feed again and again.
func (w *work) read() {
	client := patientClient()
	defer client.CloseIdleConnections()
	for harness.WaitFor(300*time.Millisecond, w.stop) {
		if status, body := w.request(client, "GET", "/api/feed", "10.3.0.1", nil, nil); status == http.StatusOK && !bytes.Contains(body, []byte(`"feed"`)) {
			w.t.Errorf("the feed is %.100s", body)
		}
		w.mu.Lock()
		w.reads++
		w.mu.Unlock()
	}
}

// administer hides and approves what was submitted, and picks winners.
func (w *work) administer(cookie string) {
	client := patientClient()
	defer client.CloseIdleConnections()
	cookie, _, _ = strings.Cut(cookie, ";")
	header := map[string]string{"Cookie": cookie, "Content-Type": "application/json"}
	for n := 0; harness.WaitFor(time.Second, w.stop); n++ {
		w.mu.Lock()
		var id string
		if len(w.accepted) > 0 {
			id = w.accepted[rand.IntN(len(w.accepted))].id
		}
		w.acts++
		w.mu.Unlock()
		if id == "" {
			continue
		}
		path, body := "/api/submissions/"+id+"/hide", "{}"
		switch n % 3 {
		case 1:
			path = "/api/submissions/" + id + "/approve"
		case 2:
			path, body = "/api/save-winners", `{"winners":{"best":["`+id+`"]}}`
		}
		w.request(client, "POST", path, "10.3.0.2", header, []byte(body))
	}
}
