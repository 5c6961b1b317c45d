package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"podium/protocol/client"
	"podium/protocol/services"
	"podium/protocol/socketio/parser"
)

// asProgram has the test's own binary be the program.
const asProgram = "PODIUM_CONFORMANCE_ARGS"

// beProgram runs the program where a test wants that, and does not return then.
func beProgram() {
	args := os.Getenv(asProgram)
	if args == "" {
		return
	}
	if err := run(strings.Split(args, "\n")); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// process is one node.
type process struct {
	t               *testing.T
	cmd             *exec.Cmd
	listen, control string
}

func startNode(t *testing.T, name, cluster string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	args := []string{"--control", "127.0.0.1:0", "--cluster", cluster, "--listen", "127.0.0.1:0", "--node", name, "--mode", "cluster"}
	cmd.Env = append(os.Environ(), asProgram+"="+strings.Join(args, "\n"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: cmd}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch text := lines.Text(); {
		case strings.HasPrefix(text, "listening on "):
			p.listen = "http://" + strings.TrimPrefix(text, "listening on ")
		case strings.HasPrefix(text, "control on "):
			p.control = "http://" + strings.TrimPrefix(text, "control on ")
		case text == "ready":
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return p
		}
	}
	t.Fatalf("%s does not get ready", name)
	return nil
}

// get drives the node.
func (p *process) get(path string, into any) {
	p.t.Helper()
	res, err := http.Get(p.control + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %s %s, %v", path, res.Status, body, err)
	}
	if into != nil {
		if err := json.Unmarshal(body, into); err != nil {
			p.t.Fatalf("%s: %s: %v", path, body, err)
		}
	}
}

// member is a client of a node.
type member struct {
	*client.Socket
	t   *testing.T
	id  string
	got chan string
}

func connect(t *testing.T, p *process, name string) *member {
	t.Helper()
	m := &member{t: t, got: make(chan string, 100)}
	s, err := client.New(p.listen, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	client.OnAck(s, "q", func(parser.Args) (string, error) { return name, nil })
	client.On(s, "m", func(v struct {
		Node    string
		N       int
		Pad     string
		Payload json.RawMessage
	}) {
		m.got <- fmt.Sprint(v.Node, " ", v.N, " ", len(v.Pad), " ", string(v.Payload))
	})
	s.OnDisconnect(func(client.Reason, error) { m.got <- "gone" })
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.Socket, m.id = s, s.ID()
	return m
}

func (m *member) call(event string, args ...any) json.RawMessage {
	m.t.Helper()
	answer, err := client.Call[json.RawMessage](m.t.Context(), m.Socket, event, args...)
	if err != nil {
		m.t.Fatalf("%s: %v", event, err)
	}
	return answer
}

func (m *member) expect(want string) {
	m.t.Helper()
	select {
	case got := <-m.got:
		if got != want {
			m.t.Fatalf("got %q, want %q", got, want)
		}
	case <-time.After(wait):
		m.t.Fatalf("nothing came, want %q", want)
	}
}

// TestTwoNodesAreOneOnEveryEngine drives two nodes as anybody would: every request of the
// control address, and every event of the sockets.
func TestTwoNodesAreOneOnEveryEngine(t *testing.T) {
	for scheme, start := range map[string]func(*testing.T) string{
		"redis":             func(t *testing.T) string { return services.StartRedis(t).URL() },
		"redis-classic":     func(t *testing.T) string { return services.StartRedis(t).URL() },
		"redis-sharded":     func(t *testing.T) string { return services.StartRedis(t).URL() },
		"redis-streams":     func(t *testing.T) string { return services.StartRedis(t).URL() },
		"postgres":          func(t *testing.T) string { return services.StartPostgres(t).URL() },
		"socketio-postgres": func(t *testing.T) string { return services.StartPostgres(t).URL() },
	} {
		t.Run(scheme, func(t *testing.T) {
			_, rest, _ := strings.Cut(start(t), "://")
			drive(t, scheme+"://"+rest)
		})
	}
}

func drive(t *testing.T, cluster string) {
	one, two := startNode(t, "one", cluster), startNode(t, "two", cluster)
	a, b := connect(t, one, "a"), connect(t, two, "b")
	var who struct {
		Node, ID string
		Rooms    []string
	}
	a.call("join", "r")
	b.call("join", "r")
	b.call("join", "only-b")
	b.call("join", "left")
	b.call("leave", "left")
	if err := json.Unmarshal(b.call("whoami"), &who); err != nil || who.Node != "two" || who.ID != b.id || !slices.Equal(who.Rooms, []string{b.id, "r", "only-b"}) {
		t.Errorf("b is %+v, %v", who, err)
	}
	one.get("/emit?n=2&size=7", nil)
	for i := range 2 {
		a.expect(fmt.Sprintf("one %d 7 ", i))
		b.expect(fmt.Sprintf("one %d 7 ", i))
	}
	two.get("/emit?room=r&except=only-b&volatile=1", nil)
	a.expect("two 0 0 ")
	one.get("/emit?room=only-b", nil)
	b.expect("one 2 0 ")
	a.call("say", "r", map[string]int{"x": 1})
	a.expect(`one 0 0 {"x":1}`)
	b.expect(`one 0 0 {"x":1}`)
	b.call("say", "", "all")
	a.expect(`two 0 0 "all"`)
	b.expect(`two 0 0 "all"`)

	var answers []string
	two.get("/ask?room=r", &answers)
	if slices.Sort(answers); !slices.Equal(answers, []string{"a", "b"}) {
		t.Errorf("answers %v", answers)
	}
	one.get("/side?event=hello", &answers)
	if !slices.Equal(answers, []string{"two"}) {
		t.Errorf("servers answer %v", answers)
	}
	in := func(p *process, room string, want ...string) {
		t.Helper()
		for deadline := time.Now().Add(wait); ; time.Sleep(5 * time.Millisecond) {
			var found []struct{ ID string }
			p.get("/sockets?room="+url.QueryEscape(room), &found)
			var ids []string
			for _, s := range found {
				ids = append(ids, s.ID)
			}
			slices.Sort(ids)
			if slices.Sort(want); slices.Equal(ids, want) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("in %q are %v, want %v", room, ids, want)
			}
		}
	}
	in(one, "r", a.id, b.id)
	one.get("/join?room=only-b&into=x", nil)
	in(two, "x", b.id)
	two.get("/leave?room=x&from=x", nil)
	in(one, "x")
	one.get("/disconnect?room=only-b", nil)
	b.expect("gone")
	in(two, "r", a.id)
	var stats struct{ Node string }
	if two.get("/stats", &stats); stats.Node != "two" {
		t.Errorf("stats %+v", stats)
	}
	two.mustEnd()
	in(one, "", a.id) // and nobody is waited for
	one.mustEnd()
}

// mustEnd ends the node by SIGTERM, within 2 seconds.
func (p *process) mustEnd() {
	p.t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	_ = p.cmd.Wait()                               // what it could not do is in its output
	if d := time.Since(began); d > 4*time.Second { // a busy machine is given twice the time
		p.t.Errorf("it took %v to end", d)
	}
}

func TestANodeEndsWhileItsEngineHangs(t *testing.T) {
	for _, scheme := range []string{"redis", "redis-classic", "redis-sharded", "redis-streams"} {
		t.Run(scheme, func(t *testing.T) {
			r := services.StartRedis(t)
			p := startNode(t, "one", scheme+"://"+r.Addr)
			connect(t, p, "a").call("join", "r")
			r.Pause()
			p.mustEnd()
			r.Resume()
		})
	}
}

func TestURLsOfEnginesAreChecked(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"redis-sharded://secret@localhost:1?subscriptionMode=other", "want dynamic"},
		{"redis-streams://localhost:1?maxLen=-1", "is not a number of 1 or more"},
		{"redis-classic://user:secret@localhost:port", "cannot be read"},
		{"socketio-postgres://user:secret@localhost:port/x", "cannot be read"},
		{"socketio-postgres://localhost:1/x?heartbeatInterval=soon", "is not a number of 1 or more"},
		{"mysql://secret@localhost", "begins with one of"},
		{"", "begins with one of"},
	} {
		_, err := openEngine(t.Context(), c.url)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", c.url, err)
		}
	}
}
