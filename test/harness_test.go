package test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait of these tests.
const patience = 30 * time.Second

// password is the admin's in these tests.
const password = "correct horse battery"

var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "podium-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "podium")
	out, err := exec.Command("go", "build", "-o", path, "podium").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build podium: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	if url := os.Getenv(watchVariable); url != "" {
		watchReady(url)
		return
	}
	code := m.Run()
	closeBrowser()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// need skips the test, or fails it where everything must be there.
func need(t *testing.T, found bool, what string) {
	t.Helper()
	if found {
		return
	}
	if os.Getenv("PODIUM_TEST_REQUIRE") != "" {
		t.Fatalf("%s is missing", what)
	}
	t.Skipf("%s is missing: run make test", what)
}

// program is a running podium.
type program struct {
	t      *testing.T
	prefix []string // of the command line, before podium
	args   []string
	data   string
	port   string
	url    string
	cmd    *exec.Cmd
	log    *lockedBuffer
	done   chan struct{}
}

// lockedBuffer is a buffer that a process writes and a test reads.
type lockedBuffer struct {
	mu sync.Mutex // guards b
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

// freePort finds a port that nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// start runs podium on a fresh data folder and waits until it is ready.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	return startIn(t, t.TempDir(), args...)
}

// startIn is start on a data folder of the caller's.
func startIn(t *testing.T, data string, args ...string) *program {
	t.Helper()
	p := &program{t: t, args: args, data: data, port: freePort(t)}
	p.url = "http://127.0.0.1:" + p.port
	p.run()
	p.wait()
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("podium's output:\n%s", p.log)
		}
	})
	return p
}

// run starts the process.
func (p *program) run() {
	p.t.Helper()
	path, err := binary()
	if err != nil {
		p.t.Fatal(err)
	}
	p.log = &lockedBuffer{}
	words := slices.Concat(p.prefix, []string{path, "serve", "--host", "127.0.0.1", "--port", p.port, "--data", p.data}, p.args)
	p.cmd = exec.Command(words[0], words[1:]...)
	p.cmd.Env = append(os.Environ(), "ADMIN_PASSWORD="+password)
	p.cmd.Dir = p.data
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(p.cmd, p.done)
}

// wait polls until the server is ready.
func (p *program) wait() {
	p.t.Helper()
	eventually(p.t, "the server is ready", func() bool {
		res, err := http.Get(p.url + "/ready")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// signal sends a signal and waits until the process has ended.
func (p *program) signal(s syscall.Signal) {
	_ = p.cmd.Process.Signal(s)
	select {
	case <-p.done:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		p.t.Error("podium did not end")
		<-p.done
	}
}

// eventually polls until ok, or fails the test.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s in vain", what)
		}
		time.Sleep(5 * time.Millisecond) // between two looks, not for luck
	}
}

// photo is a JPEG.
func photo(t testing.TB, w, h int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, color.RGBA{uint8(x), uint8(y), uint8(x * y / 99), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// form is a submission's body.
func form(t testing.TB, fields map[string]string, picture []byte) (body *bytes.Buffer, contentType string) {
	t.Helper()
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	for name, value := range fields {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if picture != nil {
		part, err := w.CreateFormFile("photo", "photo.jpg")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(picture); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return body, w.FormDataContentType()
}

// submit sends a submission and returns the id of the entry.
func (p *program) submit(caption string) string {
	p.t.Helper()
	return p.submitPicture(caption, photo(p.t, 64, 48))
}

// submitPicture is submit with a picture of the caller's.
func (p *program) submitPicture(caption string, picture []byte) string {
	p.t.Helper()
	body, kind := form(p.t, map[string]string{"category": "best", "caption": caption, "name": "Ann", "phone": "123"}, picture)
	var answer struct{ Entry struct{ ID string } }
	if status := p.call("POST", "/api/submit", kind, body, &answer); status != http.StatusOK {
		p.t.Fatalf("submit: status %d", status)
	}
	return answer.Entry.ID
}

// call sends a request and decodes its JSON answer.
func (p *program) call(method, path, contentType string, body io.Reader, into any) int {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return p.do(req, into)
}

func (p *program) do(req *http.Request, into any) int {
	p.t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		p.t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	return res.StatusCode
}

// signIn signs in as a script does and returns the whole Set-Cookie header.
func (p *program) signIn() string {
	p.t.Helper()
	res, err := http.Post(p.url+"/api/login", "application/json", strings.NewReader(`{"password":"`+password+`"}`))
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		p.t.Fatalf("sign-in: %s", res.Status)
	}
	return res.Header["Set-Cookie"][0]
}

// asAdmin sends a JSON request with a session.
func (p *program) asAdmin(cookie, method, path, body string, into any) int {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Cookie", cookie)
	req.Header.Set("Content-Type", "application/json")
	return p.do(req, into)
}

// line is what a client in Node says.
type line struct {
	Type      string
	ID        string
	Recovered bool
	Transport string
	Reason    string
	Event     string
	Payload   json.RawMessage
	PID       string // of a session, to be offered again
	Offset    string
}

// nodeClient is an official client in a process of its own.
type nodeClient struct {
	t     *testing.T
	lines chan line
	input io.Writer
}

// listen starts an official client. pkg names its folder in node_modules;
// session is a private id and an offset for it to offer, or nothing.
func listen(t *testing.T, pkg, url, transports string, session ...string) *nodeClient {
	t.Helper()
	_, err := exec.LookPath("node")
	need(t, err == nil, "node")
	_, err = os.Stat(filepath.Join("node_modules", pkg))
	need(t, err == nil, "the official client "+pkg)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "node", append([]string{"clients/listen.cjs", pkg, url, transports}, session...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &nodeClient{t: t, lines: make(chan line, 10_000), input: in}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(c.lines)
		scanner := bufio.NewScanner(out)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			var l line
			if json.Unmarshal(scanner.Bytes(), &l) == nil {
				c.lines <- l
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		_ = cmd.Wait()
	})
	return c
}

// next returns the next line of that type (and event), passing over others.
func (c *nodeClient) next(kind, event string) line {
	c.t.Helper()
	return c.nextOf(kind+" "+event, func(l line) bool { return l.Type == kind && (event == "" || l.Event == event) })
}

// nextOf returns the next line that is wanted, passing over others.
func (c *nodeClient) nextOf(what string, wanted func(line) bool) line {
	c.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case l, ok := <-c.lines:
			if !ok {
				c.t.Fatal("the client ended")
			}
			if wanted(l) {
				return l
			}
		case <-deadline:
			c.t.Fatalf("no %s came", what)
		}
	}
}

func (c *nodeClient) say(command string) {
	c.t.Helper()
	if _, err := io.WriteString(c.input, command+"\n"); err != nil {
		c.t.Fatal(err)
	}
}
