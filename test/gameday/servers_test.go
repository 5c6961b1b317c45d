package gameday

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"podium/test/harness"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// launch says how a server of a name is started on two ports of the loopback interface:
// one for clients, one for requests of the test.
type launch func(name string, port, control int) *exec.Cmd

// ours are servers of this library, native on an engine.
func ours(t *testing.T, engine string) launch {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "conformance")
	if out, err := exec.Command("go", "build", "-o", binary, "../conformance").CombinedOutput(); err != nil {
		t.Fatalf("build the server: %v\n%s", err, out)
	}
	return func(name string, port, control int) *exec.Cmd {
		at := func(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
		return exec.Command(binary, "--mode", "cluster", "--node", name, "--cluster", engine, "--listen", at(port), "--control", at(control))
	}
}

// official are those of Node.
func official(t *testing.T, redis string) launch {
	t.Helper()
	needNode(t, "socket.io", "@socket.io/redis-streams-adapter", "redis")
	return func(name string, port, control int) *exec.Cmd {
		return exec.Command("node", "official.cjs", name, redis, strconv.Itoa(port), strconv.Itoa(control))
	}
}

// needNode skips a test where Node or a package is missing, unless it is required.
func needNode(t *testing.T, packages ...string) {
	t.Helper()
	_, err := exec.LookPath("node")
	harness.Need(t, err == nil, "node")
	for _, name := range packages {
		_, err := os.Stat(filepath.Join("..", "node_modules", name))
		harness.Need(t, err == nil, "the package "+name)
	}
}

// place is where one server after the other runs, under another name each time.
type place struct {
	t             *testing.T
	start         launch
	number        int
	port, control int
	patience      time.Duration

	mu    sync.Mutex // guards the fields below
	times int
	cmd   *exec.Cmd
	ended chan struct{}
	up    bool
}

func (p *place) url() string { return fmt.Sprintf("http://127.0.0.1:%d", p.port) }

// run starts a server and returns when it serves.
func (p *place) run() error {
	p.mu.Lock()
	p.times++
	cmd := p.start(fmt.Sprintf("s%d-%d", p.number, p.times), p.port, p.control)
	p.mu.Unlock()
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ready, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		said := false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if !said && strings.TrimSpace(lines.Text()) == "ready" {
				said = true
				close(ready)
			}
		}
		_ = cmd.Wait() // it is killed
	}()
	p.mu.Lock()
	p.cmd, p.ended = cmd, ended
	p.mu.Unlock()
	select {
	case <-ready:
		p.mu.Lock()
		p.up = true
		p.mu.Unlock()
		return nil
	case <-ended:
		return fmt.Errorf("server %d ended as it started", p.number)
	case <-time.After(p.patience):
		return fmt.Errorf("server %d is not ready", p.number)
	}
}

// kill ends the server as a crash does.
func (p *place) kill() {
	p.mu.Lock()
	cmd, ended := p.cmd, p.ended
	p.cmd, p.up = nil, false
	p.mu.Unlock()
	if cmd != nil {
		_ = cmd.Process.Kill()
		<-ended
	}
}

func (p *place) serves() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up
}

// emit has the server emit an event. Where that fails it is emitted or not: the log tells.
func (p *place) emit(ctx context.Context, room string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/emit?n=1&room=%s", p.control, url.QueryEscape(room)), nil)
	if err != nil {
		p.t.Error(err)
		return
	}
	if answer, err := http.DefaultClient.Do(r); err == nil {
		_ = answer.Body.Close()
	}
}

// freePorts returns ports of the loopback interface that nobody listens on.
func freePorts(t *testing.T, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}
