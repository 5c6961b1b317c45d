package pages

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

// Whole addresses in a page are those that it was asked for by; a page in another form is another to caches, and somebody
// who asks by any number of names costs no more than some of them.
func TestPagesHoldTheOriginThatTheyWereAskedForBy(t *testing.T) {
	const place = "https://origin.invalid"
	page := `<title>A</title><meta property="og:image" content="` + place + `/icon.png">` + strings.Repeat("words ", 200)
	p := New(fstest.MapFS{"index.html": {Data: []byte(page)}, "style.css": {Data: []byte("/* " + place + " */")}}, "",
		Origin{Place: place, Of: func(r *http.Request) string { return "https://" + r.Host }})
	ask := func(host, path string, headers ...string) *httptest.ResponseRecorder {
		t.Helper()
		r := httptest.NewRequest("GET", "http://"+host+path, nil)
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		if err := p.Serve(w, r); err != nil {
			t.Fatal(err)
		}
		return w
	}
	one, other := ask("one.example", "/"), ask("other.example", "/")
	for host, w := range map[string]*httptest.ResponseRecorder{"one.example": one, "other.example": other} {
		if !strings.Contains(w.Body.String(), `content="https://`+host+`/icon.png"`) || strings.Contains(w.Body.String(), place) {
			t.Errorf("%s gets %.120s", host, w.Body)
		}
	}
	tag := one.Header().Get("ETag")
	if w := ask("one.example", "/", "If-None-Match", tag); w.Code != http.StatusNotModified {
		t.Errorf("the same page again: %d", w.Code)
	}
	if w := ask("other.example", "/", "If-None-Match", tag); w.Code != http.StatusOK {
		t.Errorf("another host's page: %d", w.Code)
	}
	if w := ask("one.example", "/style.css"); !strings.Contains(w.Body.String(), place) {
		t.Error("a file that is no page was changed")
	}
	for i := range 3 * maxOrigins {
		w := ask(fmt.Sprintf("made-up-%d.example", i), "/")
		if strings.Contains(w.Body.String(), place) {
			t.Fatalf("%.120s", w.Body)
		}
	}
	if n := len(p.source.assets); n > maxOrigins+4 {
		t.Errorf("%d forms are kept", n)
	}
	if w := ask("one.example", "/"); !strings.Contains(w.Body.String(), "https://one.example/") {
		t.Error("who was there first has lost its page")
	}
	if w := ask("late.example", "/"); !strings.Contains(w.Body.String(), `content="/icon.png"`) {
		t.Errorf("beyond the bound: %.120s", w.Body)
	}
}
