package pages

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/klauspost/compress/zstd"

	"podium/server/answer"
)

// newPages serves a fresh folder that holds files.
func newPages(t *testing.T, files map[string]string) (http.Handler, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, dir, name, text)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return handler(New(root.FS(), "", Origin{}).Serve), dir
}

// handler answers with the errors of serve, as the server does.
func handler(serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := serve(w, r)
		var known *answer.Error
		switch {
		case errors.As(err, &known):
			known.Write(w)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}

// clientHandler mounts c as the server does.
func clientHandler(c *Client) http.Handler {
	return handler(func(w http.ResponseWriter, r *http.Request) error {
		return c.Serve(w, r, strings.TrimPrefix(r.URL.Path, "/socket.io/"))
	})
}

// write makes a file whose time is settled.
func write(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-time.Hour)
	if err := os.Chtimes(file, then, then); err != nil {
		t.Fatal(err)
	}
}

func get(h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "http://contest.test/", nil)
	r.URL.Path = target
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAddressesOfPagesAndFiles(t *testing.T) {
	p, dir := newPages(t, map[string]string{
		"index.html": "<p>feed", "admin.html": "<p>admin", "winners.html": "<p>winners", "wall.html": "<p>wall",
		"dashboard.html": "<p>dashboard", "styles.css": "p{}", "sub/page.html": "<p>sub", "sub/index.html": "<p>subindex",
		".env": "ADMIN_PASSWORD=x", ".git/config": "x", "sub/.hidden": "x", "photo.unknowntype": "?",
	})
	outside := filepath.Join(t.TempDir(), "secret.txt")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"link.txt": outside, "up.txt": "../secret.txt", "inside.css": "styles.css"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Skip(err)
		}
	}
	for target, want := range map[string]string{
		"/": "<p>feed", "/index.html": "<p>feed", "/admin": "<p>admin", "/admin.html": "<p>admin", "/winners.html": "<p>winners",
		"/wall": "<p>wall", "/admin/dashboard": "<p>dashboard", "/styles.css": "p{}", "/sub/page.html": "<p>sub", "/sub/": "<p>subindex",
		"/inside.css": "p{}",
	} {
		if w := get(p, target); w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s: %d %q, want %q", target, w.Code, w.Body, want)
		}
	}
	for _, target := range []string{"/.env", "/.git/config", "/sub/.hidden", "/sub", "/nothing", "/../secret.txt", "/sub/../../secret.txt",
		"/link.txt", "/up.txt", "//etc/passwd", "/..\\secret.txt", "/sub//page.html", "/a\x00b", "", "/\xff", "/admin.html/"} {
		w := get(p, target)
		if w.Code != 404 || !strings.HasPrefix(w.Body.String(), `{"error":"`) {
			t.Errorf("%q: %d %q, want 404", target, w.Code, w.Body)
		}
	}
	if w := get(p, "/photo.unknowntype"); w.Header().Get("Content-Type") != "application/octet-stream" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("unknown type: %v", w.Header())
	}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	w := httptest.NewRecorder()
	if p.ServeHTTP(w, r); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
}

func TestFilesAreCompressedAndValidated(t *testing.T) {
	text := strings.Repeat("body { color: red } ", 200)
	p, _ := newPages(t, map[string]string{"styles.css": text, "tiny.css": "p{}"})
	read := map[string]func(io.Reader) ([]byte, error){
		"gzip": func(r io.Reader) ([]byte, error) {
			z, err := gzip.NewReader(r)
			if err != nil {
				return nil, err
			}
			return io.ReadAll(z)
		},
		"zstd": func(r io.Reader) ([]byte, error) {
			z, err := zstd.NewReader(r)
			if err != nil {
				return nil, err
			}
			defer z.Close()
			return io.ReadAll(z)
		},
		"": io.ReadAll,
	}
	for accept, want := range map[string]string{"gzip, deflate, br": "gzip", "gzip, zstd": "zstd", "": "", "gzip;q=0": "", "*": "zstd",
		"*;q=0, gzip": "gzip", "identity": "", "zstd;q=0, gzip;q=0.5": "gzip"} {
		w := get(p, "/styles.css", "Accept-Encoding", accept)
		if got := w.Header().Get("Content-Encoding"); got != want {
			t.Errorf("%q: encoding %q, want %q", accept, got, want)
			continue
		}
		if data, err := read[want](bytes.NewReader(w.Body.Bytes())); err != nil || string(data) != text {
			t.Errorf("%q: another text (%v)", accept, err)
		}
		if w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: no Vary", accept)
		}
		tag := w.Header().Get("ETag")
		again := get(p, "/styles.css", "Accept-Encoding", accept, "If-None-Match", `"other", W/`+tag)
		if again.Code != http.StatusNotModified || again.Body.Len() != 0 || again.Header().Get("ETag") != tag {
			t.Errorf("%q: %d with the ETag %s", accept, again.Code, tag)
		}
	}
	if w := get(p, "/tiny.css", "Accept-Encoding", "gzip"); w.Header().Get("Content-Encoding") != "" {
		t.Error("a tiny file was compressed")
	}
	if w := get(p, "/styles.css", "Accept-Encoding", "gzip", "Range", "bytes=0-3"); w.Code != 206 || w.Body.String() != "body" {
		t.Errorf("range: %d %q", w.Code, w.Body)
	}
}

func TestChangedFilesAreReadAgain(t *testing.T) {
	p, dir := newPages(t, map[string]string{"index.html": "<script>one()</script><script src=app.js></script>", "app.js": "x.onclick = f"})
	first := get(p, "/")
	if strings.Contains(first.Header().Get("Content-Security-Policy"), "script-src-attr 'unsafe-inline'") {
		t.Error("a property counts as an attribute")
	}
	if err := os.WriteFile(filepath.Join(dir, "app.js"), []byte("e.innerHTML = `<b onclick=\"go('${id}')\">`"), 0o600); err != nil {
		t.Fatal(err)
	}
	second := get(p, "/")
	if !strings.Contains(second.Header().Get("Content-Security-Policy"), "script-src-attr 'unsafe-inline'") {
		t.Errorf("the changed script is not seen: %s", second.Header().Get("Content-Security-Policy"))
	}
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("<script>two()</script>"), 0o600); err != nil {
		t.Fatal(err)
	}
	third := get(p, "/")
	if !strings.Contains(third.Header().Get("Content-Security-Policy"), hashSource("two()")) || third.Body.String() != "<script>two()</script>" {
		t.Errorf("the changed page is not seen: %s", third.Header().Get("Content-Security-Policy"))
	}
	if first.Header().Get("ETag") == third.Header().Get("ETag") {
		t.Error("the changed page has the old ETag")
	}
}

func TestLargeFilesAreStreamed(t *testing.T) {
	p, dir := newPages(t, nil)
	big := strings.Repeat("0123456789", wholeFile/10+1)
	write(t, dir, "film.mp4", big)
	if w := get(p, "/film.mp4", "Range", "bytes=10-14"); w.Code != 206 || w.Body.String() != "01234" || w.Header().Get("Content-Type") != "video/mp4" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
}

func TestClientIsServedAsTheOfficialServerDoes(t *testing.T) {
	js := "/*!\n * Socket.IO v4.8.3\n */" + strings.Repeat("var a = 1;", 200)
	c := NewClient(fstest.MapFS{"socket.io.js": {Data: []byte(js)}, "socket.io.js.map": {Data: []byte(`{"version":3}`)}}, "4.8.3", slog.New(slog.DiscardHandler))
	h0 := clientHandler(c)
	w := get(h0, "/socket.io/socket.io.js", "Accept-Encoding", "gzip")
	h := w.Header()
	if w.Code != 200 || h.Get("Content-Type") != "application/javascript; charset=utf-8" || h.Get("ETag") != `"4.8.3"` ||
		h.Get("Cache-Control") != "public, max-age=0" || h.Get("Content-Encoding") != "gzip" {
		t.Errorf("%d %v", w.Code, h)
	}
	if w := get(h0, "/socket.io/socket.io.js.map"); w.Code != 200 || w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("map: %d %v", w.Code, w.Header())
	}
	for _, tag := range []string{`"4.8.3"`, `W/"4.8.3"`} {
		if w := get(h0, "/socket.io/socket.io.js", "If-None-Match", tag); w.Code != 304 {
			t.Errorf("If-None-Match %s: %d", tag, w.Code)
		}
	}
	for _, target := range []string{"/socket.io/", "/socket.io/README.md", "/socket.io/../x.js", "/other.js"} {
		if get(h0, target).Code != 404 {
			t.Errorf("%s is served", target)
		}
	}
}

func TestClientThatIsNotEmbeddedComesFromTheCDN(t *testing.T) {
	var log bytes.Buffer
	c := NewClient(fstest.MapFS{"README.md": {}}, "4.8.4", slog.New(slog.NewTextHandler(&log, nil)))
	for range 3 {
		w := get(clientHandler(c), "/socket.io/socket.io.min.js")
		if w.Code != 302 || w.Header().Get("Location") != "https://cdn.socket.io/4.8.4/socket.io.min.js" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d log lines, want one: %s", n, &log)
	}
	p := New(fstest.MapFS{"index.html": {Data: []byte(`<script src="/socket.io/socket.io.js"></script>`)}}, c.Origin(), Origin{})
	if policy := get(handler(p.Serve), "/").Header().Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'self' https://cdn.socket.io;") {
		t.Errorf("the page may not load the client: %s", policy)
	}
}

func ExampleNew() {
	p := New(fstest.MapFS{"index.html": {Data: []byte("<h1>Feed</h1>")}}, "", Origin{})
	w := httptest.NewRecorder()
	if err := p.Serve(w, httptest.NewRequest(http.MethodGet, "/", nil)); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(w.Code, w.Body)
	// Output: 200 <h1>Feed</h1>
}
