package server_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"

	"podium/contest"
	"podium/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "correct horse"

// site is a whole server behind a real listener, with a client.
type site struct {
	t      testing.TB
	server *server.Server
	url    string
	http   *http.Client
	logs   *lockedBuffer
	cookie string // sent with every request when it is not empty
}

// lockedBuffer is a log that may be written and read at once.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// settings are the defaults with flags on top.
func settings(t testing.TB, flags ...string) server.Settings {
	t.Helper()
	var s server.Settings
	parser, err := kong.New(&s)
	if err != nil {
		t.Fatal(err)
	}
	all := append([]string{"--data", filepath.Join(t.TempDir(), "data"), "--admin-password", password}, flags...)
	if _, err := parser.Parse(all); err != nil {
		t.Fatal(err)
	}
	return s
}

// newSite starts a server with flags.
func newSite(t testing.TB, flags ...string) *site {
	t.Helper()
	logs := &lockedBuffer{}
	level := new(slog.LevelVar)
	level.Set(slog.LevelDebug)
	s, err := server.New(settings(t, flags...), slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: level})), level)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(s.Handler())
	client := front.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(func() {
		client.CloseIdleConnections()
		front.CloseClientConnections()
		if err := s.Abandon(); err != nil {
			t.Errorf("close: %v", err)
		}
		front.Close()
	})
	return &site{t: t, server: s, url: front.URL, http: client, logs: logs}
}

// got is an answer.
type got struct {
	t      testing.TB
	status int
	header http.Header
	body   string
}

// do sends a request; body is nil, a string, or an io.Reader. Headers are
// pairs.
func (s *site) do(method, path string, body any, headers ...string) got {
	s.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case string:
		reader = strings.NewReader(b)
	case io.Reader:
		reader = b
	}
	r, err := http.NewRequest(method, s.url+path, reader)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if s.cookie != "" && r.Header.Get("Cookie") == "" {
		r.Header.Set("Cookie", s.cookie)
	}
	answer, err := s.http.Do(r)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return got{s.t, answer.StatusCode, answer.Header, string(data)}
}

// is checks the status and that the body is JSON.
func (g got) is(status int) got {
	g.t.Helper()
	if g.status != status {
		g.t.Fatalf("status %d, want %d: %s", g.status, status, g.body)
	}
	return g
}

// into decodes the body.
func (g got) into(v any) got {
	g.t.Helper()
	if err := json.Unmarshal([]byte(g.body), v); err != nil {
		g.t.Fatalf("decode %s: %v", g.body, err)
	}
	return g
}

// sentence returns the error's sentence.
func (g got) sentence() string {
	g.t.Helper()
	var body map[string]string
	g.into(&body)
	if len(body) != 1 || body["error"] == "" {
		g.t.Fatalf("an error is {\"error\":\"<sentence>\"}, not %s", g.body)
	}
	if kind := g.header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
		g.t.Fatalf("an error has the type %q", kind)
	}
	return body["error"]
}

// signIn signs in as scripts do: the whole first Set-Cookie becomes the Cookie.
func (s *site) signIn() *site {
	s.t.Helper()
	g := s.do(http.MethodPost, "/api/login", `{"password":"`+password+`"}`).is(200)
	s.cookie = g.header.Values("Set-Cookie")[0]
	return s
}

// visitor is the same site without a session.
func (s *site) visitor() *site {
	v := *s
	v.cookie = ""
	return &v
}

// part is a part of a form; file parts have a name of their own.
type part struct{ name, file, value string }

// form writes a multipart body.
func form(t testing.TB, parts ...part) (body io.Reader, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		head := textproto.MIMEHeader{}
		disposition := `form-data; name="` + p.name + `"`
		if p.file != "" {
			disposition += `; filename="` + p.file + `"`
			head.Set("Content-Type", "image/jpeg")
		}
		head.Set("Content-Disposition", disposition)
		one, err := w.CreatePart(head)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(one, p.value)
	}
	w.Close()
	return &b, w.FormDataContentType()
}

// submit posts a form.
func (s *site) submit(headers []string, parts ...part) got {
	s.t.Helper()
	body, kind := form(s.t, parts...)
	return s.do(http.MethodPost, "/api/submit", body, append([]string{"Content-Type", kind}, headers...)...)
}

// entry is an entry as the contract has it.
type entry struct {
	ID, Category, Caption, Name, Phone string
	ImageURL                           *string
	StorageMethod                      string
	CreatedAt                          int64
	SubmissionID, Status               string
}

// enter submits a caption without a photo.
func (s *site) enter(category, caption string) entry {
	s.t.Helper()
	var body struct{ Entry entry }
	s.submit(nil, part{"category", "", category}, part{"caption", "", caption}, part{"name", "", "Ada Lovelace"}, part{"phone", "", "+44 20 7946 0958"}).
		is(200).into(&body)
	return body.Entry
}

// events are the names of all events in the log.
func (s *site) events() []string {
	s.t.Helper()
	var names []string
	err := contest.EachEvent(s.server.Contest(), 0, func(e contest.Event) bool {
		names = append(names, e.Name)
		return true
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return names
}

// payloads are those of all events of a name in the log.
func (s *site) payloads(name string) []string {
	s.t.Helper()
	var list []string
	err := contest.EachEvent(s.server.Contest(), 0, func(e contest.Event) bool {
		if e.Name == name {
			list = append(list, string(e.Payload))
		}
		return true
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

// photo is a JPEG.
func photo(t testing.TB, w, h int) string {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = byte(i * 7)
	}
	m.Set(0, 0, color.White)
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
