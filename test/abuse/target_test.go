package abuse

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"podium/test/harness"
)

// patience bounds every wait of these tests.
const patience = 30 * time.Second

// password is the admin's in these tests.
const password = "correct horse battery"

var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "podium-abuse-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "podium")
	args := []string{"build", "-C", "../..", "-o", path}
	if *fuzzRace {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, ".")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build podium: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := program(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
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

// target is a running podium.
type target struct {
	t      testing.TB
	data   string
	addr   string // host:port
	url    string
	log    *lockedBuffer
	done   chan struct{}
	cmd    *exec.Cmd
	client *http.Client // the test's own, apart from what attacks
	cookie string       // the first that a sign-in set, as a whole, as scripts send it
	jar    string       // all of them, as a browser sends them
	source net.IP       // that connections come from; nil is the usual one
	lines  *lines       // that are hung up when an attack is over; may be nil
	stop   func()       // ends the server, which must still be there; may be called again
	kill   func()       // is stop without waiting for what a server does at its end
}

// start runs podium on a fresh data folder, waits until it is ready, and signs in.
func start(t testing.TB, args ...string) *target {
	t.Helper()
	return startIn(t, t.TempDir(), nil, args...)
}

// startIn is start on a data folder, in a control group where there is one.
func startIn(t testing.TB, data string, group *harness.MemoryGroup, args ...string) *target {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	s := &target{t: t, data: data, addr: addr, url: "http://" + addr, log: &lockedBuffer{}, done: make(chan struct{})}
	s.client = &http.Client{Timeout: patience, Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	command := append([]string{path, "serve", "--host", "127.0.0.1", "--port", port, "--data", s.data, "--backup-interval", "0"}, args...)
	if group != nil {
		command = group.Command(command...)
	}
	s.cmd = exec.Command(command[0], command[1:]...)
	s.cmd.Env = append(os.Environ(), "ADMIN_PASSWORD="+password)
	s.cmd.Dir = s.data
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	var ended sync.Once
	s.stop = func() { ended.Do(s.end) }
	s.kill = func() { ended.Do(s.endAtOnce) }
	t.Cleanup(s.stop)
	eventually(t, "the server is ready", func() bool {
		res, err := s.client.Get(s.url + "/ready")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	res, err := s.client.Post(s.url+"/api/login", "application/json", strings.NewReader(`{"password":"`+password+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("sign-in: %s", res.Status)
	}
	s.cookie = res.Header["Set-Cookie"][0]
	var pairs []string
	for _, c := range res.Cookies() {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	s.jar = strings.Join(pairs, "; ")
	return s
}

// end ends the server, which must still be there and end in order.
func (s *target) end() {
	s.client.CloseIdleConnections()
	select {
	case <-s.done:
		s.t.Errorf("podium ended by itself: %v", s.cmd.ProcessState)
	default:
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-s.done:
		if code := s.cmd.ProcessState.ExitCode(); code != 0 {
			s.t.Errorf("podium ended with status %d", code)
		}
	case <-time.After(patience):
		_ = s.cmd.Process.Signal(syscall.SIGQUIT) // its goroutines are in the output then
		s.t.Error("podium did not stop")
		<-s.done
	}
	if s.t.Failed() {
		s.t.Logf("podium's output:\n%.20000s", s.log)
	}
}

// endAtOnce kills the server, which must still be there.
func (s *target) endAtOnce() {
	s.client.CloseIdleConnections()
	select {
	case <-s.done:
		s.t.Errorf("podium ended by itself: %v\n%.20000s", s.cmd.ProcessState, s.log)
	default:
		_ = s.cmd.Process.Kill()
		<-s.done
	}
}

// get is an admin's request.
func (s *target) get(path string) string {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Cookie", s.cookie)
	res, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("GET %s: %s %v", path, res.Status, err)
	}
	return string(body)
}

// state is what must be as before after an attack.
type state struct {
	heap, resident        float64 // bytes; heap after a garbage collection
	goroutines, files     float64
	sessions, held, lines int
}

// state looks at the server.
func (s *target) state() state {
	s.t.Helper()
	s.get("/debug/pprof/heap?gc=1")
	var st state
	for line := range strings.Lines(s.get("/metrics")) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			continue
		}
		switch {
		case name == "go_memstats_heap_alloc_bytes":
			st.heap = value
		case name == "process_resident_memory_bytes":
			st.resident = value
		case name == "go_goroutines":
			st.goroutines = value
		case name == "process_open_fds":
			st.files = value
		case strings.HasPrefix(name, "podium_connections{"):
			st.sessions += int(value)
		case strings.HasPrefix(name, "podium_limit_held{") && !strings.Contains(name, "sockets") && !strings.Contains(name, "memory-total"):
			st.held += int(value)
		}
	}
	st.lines = strings.Count(s.log.String(), "\n")
	return st
}

// metric is the value of one metric, by its name with labels.
func (s *target) metric(name string) float64 {
	s.t.Helper()
	for line := range strings.Lines(s.get("/metrics")) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return value
		}
	}
	s.t.Fatalf("there is no metric %s", name)
	return 0
}

// eventually polls until ok, or fails the test.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s in vain", what)
		}
		time.Sleep(10 * time.Millisecond) // between two looks, not for luck
	}
}

// lines are the connections of an attack. A nil one notes nothing.
type lines struct {
	mu   sync.Mutex // guards the two below
	open map[net.Conn]struct{}
	over bool
}

// add notes a connection, or closes it where the attack is over.
func (l *lines) add(c net.Conn) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return errors.Join(net.ErrClosed, c.Close())
	}
	if l.open == nil {
		l.open = map[net.Conn]struct{}{}
	}
	l.open[c] = struct{}{}
	return nil
}

// hangUp closes all connections, and those that come later.
func (l *lines) hangUp() {
	l.mu.Lock()
	l.over = true
	all := maps.Clone(l.open)
	l.open = nil
	l.mu.Unlock()
	for c := range all {
		_ = c.Close()
	}
}

// raw is a connection without manners.
type raw struct {
	net.Conn
	in *bufio.Reader
}

func newRaw(c net.Conn) *raw { return &raw{c, bufio.NewReader(c)} }

// write sends and does not care.
func (c *raw) write(text string) error {
	_ = c.SetWriteDeadline(time.Now().Add(patience))
	_, err := io.WriteString(c.Conn, text)
	return err
}

// ended waits until the server closes the connection.
func (c *raw) ended() error {
	_, err := io.Copy(io.Discard, c.in)
	if err, ok := err.(net.Error); ok && err.Timeout() {
		return fmt.Errorf("the server left the connection open")
	}
	return nil // reset counts as closed
}

// dismissed waits until the server closes the WebSocket, and leaves then as RFC
// 6455 has it.
func (c *raw) dismissed() error {
	for {
		op, _, err := c.read()
		if err, ok := err.(net.Error); ok && err.Timeout() {
			return fmt.Errorf("the server left the WebSocket open")
		}
		if err != nil || op == opClose {
			return nil
		}
	}
}

// dribble sends text a byte at a time until the server has had enough.
func (c *raw) dribble(text string) error {
	gone := make(chan error, 1)
	go func() { gone <- c.ended() }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case err := <-gone:
			return err
		case <-tick.C:
			if i < len(text) {
				_ = c.write(text[i : i+1]) // fails when the server closed: gone tells
			}
		}
	}
}

// answer reads the answer to a request and returns its body.
func (c *raw) answer() (string, error) {
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, body)
	}
	return string(body), err
}

// handshake opens a long-polling session.
func (s *target) handshake() (sid string, c *raw, err error) {
	if c, err = s.open(); err != nil {
		return "", nil, err
	}
	if err := c.write("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return "", c, err
	}
	body, err := c.answer()
	if err != nil {
		return "", c, err
	}
	_, rest, _ := strings.Cut(body, `"sid":"`)
	sid, _, found := strings.Cut(rest, `"`)
	if !found {
		return "", c, fmt.Errorf("handshake %q", body)
	}
	return sid, c, nil
}

// post sends a payload of a long-polling session.
func (c *raw) post(sid, payload string) error {
	err := c.write(fmt.Sprintf("POST /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", sid, len(payload), payload))
	if err != nil {
		return err
	}
	_, err = c.answer()
	return err
}

// webSocket opens a WebSocket by hand and returns it after the handshake.
func (s *target) webSocket(query string) (*raw, error) { return s.webSocketWith(query, "") }

// webSocketWith is webSocket with further header lines.
func (s *target) webSocketWith(query, headers string) (*raw, error) {
	c, err := s.open()
	if err != nil {
		return nil, err
	}
	if err := c.write("GET /socket.io/?EIO=4&transport=websocket" + query + " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + headers + "\r\n"); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return nil, fmt.Errorf("WebSocket handshake: %s", res.Status)
	}
	return c, nil
}

// joined opens a WebSocket and joins the main namespace.
func (s *target) joined() (*raw, error) {
	c, err := s.webSocket("")
	if err != nil {
		return nil, err
	}
	if err := c.say("40"); err != nil {
		return nil, err
	}
	return c, c.await("40{")
}

// await reads frames until a text comes that begins with prefix.
func (c *raw) await(prefix string) error {
	for {
		_, text, err := c.read()
		if err != nil {
			return err
		}
		if strings.HasPrefix(text, prefix) {
			return nil
		}
	}
}

// read reads one frame of the server's, which are not masked.
func (c *raw) read() (op byte, payload string, err error) {
	var head [2]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return 0, "", err
	}
	n := int(head[1])
	if n >= 126 {
		long := make([]byte, 2)
		if n == 127 {
			long = make([]byte, 8)
		}
		if _, err := io.ReadFull(c.in, long); err != nil {
			return 0, "", err
		}
		n = 0
		for _, b := range long {
			n = n<<8 | int(b)
		}
	}
	data := make([]byte, n)
	_, err = io.ReadFull(c.in, data)
	return head[0] & 0xf, string(data), err
}

// alive reports whether the connection still works.
func (c *raw) alive() error {
	if err := c.say("40/are-you-there,"); err != nil {
		return err
	}
	if err := c.await("44/are-you-there,"); err != nil {
		return fmt.Errorf("the connection was closed: %w", err)
	}
	return nil
}

// submit sends a submission without a photo.
func (s *target) submit(caption string) error {
	return s.submitForm("category", "best", "caption", caption)
}

// submitForm sends a submission of fields, given as names and values.
func (s *target) submitForm(fields ...string) error {
	var body strings.Builder
	for i := 0; i < len(fields); i += 2 {
		fmt.Fprintf(&body, "--x\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", fields[i], fields[i+1])
	}
	body.WriteString("--x--\r\n")
	res, err := s.client.Post(s.url+"/api/submit", "multipart/form-data; boundary=x", strings.NewReader(body.String()))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("submit: %s", res.Status)
	}
	return nil
}

// token makes a token for scripts.
func (s *target) token(t testing.TB) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "token", "abuse", "--data", s.data).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// The opcodes of frames. (RFC 6455, section 5.2)
const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
)

// frame makes a masked frame, with the mask zero; rsv1 says that it is compressed.
func frame(op byte, rsv1 bool, payload string) string {
	first := 0x80 | op
	if rsv1 {
		first |= 0x40
	}
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = append(b, 0x80|126, byte(n>>8), byte(n))
	default:
		b = append(b, 0x80|127, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return string(append(b, 0, 0, 0, 0)) + payload
}

// say sends text frames.
func (c *raw) say(texts ...string) error {
	var all strings.Builder
	for _, text := range texts {
		all.WriteString(frame(opText, false, text))
	}
	return c.write(all.String())
}
