package harness

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Binary builds podium once for this process and returns its path. Where
// PODIUM_TEST_BINARY names one that is built already, as under `make test`, that
// one is used.
var Binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("PODIUM_TEST_BINARY"); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "podium-test-")
	if err != nil {
		return "", err
	}
	madeFolders = append(madeFolders, dir)
	path := filepath.Join(dir, "podium")
	out, err := exec.Command("go", "build", "-C", "..", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build podium: %w\n%s", err, out)
	}
	return path, nil
})

// madeFolders are those of the binaries that were built here.
var madeFolders []string

// Program is a running podium.
type Program struct {
	T      *testing.T
	Path   string   // of the program; "" is Binary's
	Prefix []string // of the command line, before podium
	Args   []string
	Data   string
	Port   string
	URL    string
	Cmd    *exec.Cmd
	Log    *Buffer
	Done   chan struct{}
}

// Buffer is a buffer that a process writes and a test reads.
type Buffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *Buffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *Buffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// FreePort finds a port that nobody listens on.
func FreePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// Start runs podium on a fresh data folder and waits until it is ready.
func Start(t *testing.T, args ...string) *Program {
	t.Helper()
	return StartIn(t, t.TempDir(), args...)
}

// StartIn is start on a data folder of the caller's.
func StartIn(t *testing.T, data string, args ...string) *Program {
	t.Helper()
	p := &Program{T: t, Args: args, Data: data}
	p.Start()
	return p
}

// Start is StartIn for a program whose fields the caller has set.
func (p *Program) Start() {
	p.T.Helper()
	p.Port = FreePort(p.T)
	p.URL = "http://127.0.0.1:" + p.Port
	p.Run()
	p.Wait()
	p.T.Cleanup(func() {
		p.Signal(syscall.SIGKILL)
		if p.T.Failed() {
			p.T.Logf("podium's output:\n%s", p.Log)
		}
	})
}

// Run starts the process.
func (p *Program) Run() {
	p.T.Helper()
	path := p.Path
	if path == "" {
		var err error
		if path, err = Binary(); err != nil {
			p.T.Fatal(err)
		}
	}
	p.Log = &Buffer{}
	words := slices.Concat(p.Prefix, []string{path, "serve", "--host", "127.0.0.1", "--port", p.Port, "--data", p.Data}, p.Args)
	p.Cmd = exec.Command(words[0], words[1:]...)
	p.Cmd.Env = append(os.Environ(), "ADMIN_PASSWORD="+Password)
	p.Cmd.Dir = p.Data
	p.Cmd.Stdout, p.Cmd.Stderr = p.Log, p.Log
	if err := p.Cmd.Start(); err != nil {
		p.T.Fatal(err)
	}
	p.Done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(p.Cmd, p.Done)
}

// Wait polls until the server is ready.
func (p *Program) Wait() {
	p.T.Helper()
	Eventually(p.T, "the server is ready", func() bool {
		res, err := http.Get(p.URL + "/ready")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// Signal sends a signal and waits until the process has ended.
func (p *Program) Signal(s syscall.Signal) {
	_ = p.Cmd.Process.Signal(s)
	select {
	case <-p.Done:
	case <-time.After(Patience):
		_ = p.Cmd.Process.Kill()
		p.T.Error("podium did not end")
		<-p.Done
	}
}

// Command runs podium to its end and returns what it printed and its exit code.
func Command(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	path, err := Binary()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Dir = t.TempDir()
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // the exit code tells
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// MustRun runs podium and fails the test where it fails.
func MustRun(t testing.TB, args ...string) string {
	t.Helper()
	stdout, stderr, code := Command(t, args...)
	if code != 0 {
		t.Fatalf("podium %v: exit %d\n%s%s", args, code, stdout, stderr)
	}
	return stdout
}
