package wiretest

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// modules is where the official packages are, seen from the tests of a wire.
var modules, _ = filepath.Abs("../../../test/node_modules")

//go:embed node.cjs
var script []byte

// needNode skips a test where Node or a package is missing, unless it is required.
func needNode(t *testing.T, packages ...string) {
	t.Helper()
	_, err := exec.LookPath("node")
	for _, name := range packages {
		if err == nil {
			_, err = os.Stat(filepath.Join(modules, name))
		}
	}
	if err == nil {
		return
	}
	if os.Getenv("PODIUM_TEST_REQUIRE") == "1" {
		t.Fatalf("needs Node and its packages (npm install --prefix test): %v", err)
	}
	t.Skipf("needs Node and its packages (npm install --prefix test): %v", err)
}

// patience bounds every wait.
const patience = 20 * time.Second

// got is what a client got, or the listener of a server.
type got struct {
	Client string            `json:"client"`
	Event  string            `json:"event"`
	Args   []json.RawMessage `json:"args"`
}

func (g got) String() string {
	var args []string
	for _, a := range g.Args {
		args = append(args, string(a))
	}
	return g.Event + "(" + strings.Join(args, ",") + ")"
}

// peer is a Node process: an official server, and official clients of both servers.
type peer struct {
	t    *testing.T
	in   io.WriteCloser
	kill func() // and wait until it is gone

	mu      sync.Mutex // guards the fields below
	last    int
	answers map[int]chan answer
	inbox   map[string]chan got
}

type answer struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  string          `json:"error"`
}

func startPeer(t *testing.T, wire, url string) *peer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "node.cjs")
	if err := os.WriteFile(file, script, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", file, wire, url, modules)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	ready := make(chan answer, 1)
	p := &peer{t: t, in: in, answers: map[int]chan answer{0: ready}, inbox: make(map[string]chan got)}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() { defer close(read); p.read(out) }()
	p.kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait() // it was killed
	})
	t.Cleanup(p.kill)
	select {
	case <-ready:
	case <-time.After(patience):
		t.Fatal("Node does not start")
	}
	return p
}

func (p *peer) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var a answer
		var g got
		if json.Unmarshal(lines.Bytes(), &g) == nil && g.Client != "" {
			p.box(g.Client) <- g
			continue
		}
		if json.Unmarshal(lines.Bytes(), &a) == nil {
			p.mu.Lock()
			c := p.answers[a.ID]
			p.mu.Unlock()
			if c != nil {
				c <- a
			}
		}
	}
}

func (p *peer) box(name string) chan got {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inbox[name] == nil {
		p.inbox[name] = make(chan got, 1000)
	}
	return p.inbox[name]
}

// do has it do something, and reads the result.
func (p *peer) do(op string, words map[string]any, result any) {
	p.t.Helper()
	line := map[string]any{"op": op}
	for k, v := range words {
		line[k] = v
	}
	c := make(chan answer, 1)
	p.mu.Lock()
	p.last++
	line["id"] = p.last
	p.answers[p.last] = c
	p.mu.Unlock()
	b, err := json.Marshal(line)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.in.Write(append(b, '\n')); err != nil {
		p.t.Fatal(err)
	}
	select {
	case a := <-c:
		if a.Error != "" {
			p.t.Fatalf("%s: %s", op, a.Error)
		}
		if result != nil {
			if err := json.Unmarshal(a.Result, result); err != nil {
				p.t.Fatalf("%s: %s: %v", op, a.Result, err)
			}
		}
	case <-time.After(patience):
		p.t.Fatalf("%s %v: no answer", op, words)
	}
}

// next returns what a client got next.
func (p *peer) next(client string) string {
	p.t.Helper()
	select {
	case g := <-p.box(client):
		return g.String()
	case <-time.After(patience):
		p.t.Fatalf("%s got nothing", client)
		return ""
	}
}
