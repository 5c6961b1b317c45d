package harness

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Line is what a client in Node says.
type Line struct {
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

// NodeClient is an official client in a process of its own.
type NodeClient struct {
	T     *testing.T
	Lines chan Line
	input io.Writer
}

// Listen starts an official client. pkg names its folder in node_modules;
// session is a private id and an offset for it to offer, or nothing.
func Listen(t *testing.T, pkg, url, transports string, session ...string) *NodeClient {
	t.Helper()
	_, err := exec.LookPath("node")
	Need(t, err == nil, "node")
	_, err = os.Stat(filepath.Join("node_modules", pkg))
	Need(t, err == nil, "the official client "+pkg)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "node", append([]string{"clients/listen.cjs", pkg, url, transports}, session...)...)
	in, out := StartPiped(t, cmd)
	c := &NodeClient{T: t, Lines: make(chan Line, 10_000), input: in}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(c.Lines)
		scanner := bufio.NewScanner(out)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			var l Line
			if json.Unmarshal(scanner.Bytes(), &l) == nil {
				c.Lines <- l
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

// StartPiped starts a command and returns its input and its output; what it writes to
// its standard error is shown. The caller ends it and waits for it.
func StartPiped(t testing.TB, cmd *exec.Cmd) (in io.WriteCloser, out io.ReadCloser) {
	t.Helper()
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if out, err = cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return in, out
}

// Next returns the next line of that type (and event), passing over others.
func (c *NodeClient) Next(kind, event string) Line {
	c.T.Helper()
	return c.NextOf(kind+" "+event, func(l Line) bool { return l.Type == kind && (event == "" || l.Event == event) })
}

// NextOf returns the next line that is wanted, passing over others.
func (c *NodeClient) NextOf(what string, wanted func(Line) bool) Line {
	c.T.Helper()
	deadline := time.After(Patience)
	for {
		select {
		case l, ok := <-c.Lines:
			if !ok {
				c.T.Fatal("the client ended")
			}
			if wanted(l) {
				return l
			}
		case <-deadline:
			c.T.Fatalf("no %s came", what)
		}
	}
}

func (c *NodeClient) Say(command string) {
	c.T.Helper()
	if _, err := io.WriteString(c.input, command+"\n"); err != nil {
		c.T.Fatal(err)
	}
}

// NeedClients skips where Node or a client is missing.
func NeedClients(t *testing.T, packages ...string) {
	t.Helper()
	_, err := exec.LookPath("node")
	Need(t, err == nil, "node")
	for _, pkg := range packages {
		_, err := os.Stat(filepath.Join("node_modules", pkg))
		Need(t, err == nil, "the official client "+pkg)
	}
}

// NextSubmission is the id of the next submission that a client is told of.
func (c *NodeClient) NextSubmission() string {
	c.T.Helper()
	return c.SubmissionIn(c.Next("event", "newSubmission"))
}

// SubmissionIn is the id of the submission that a line tells of.
func (c *NodeClient) SubmissionIn(l Line) string {
	c.T.Helper()
	var entry struct{ ID string }
	if err := json.Unmarshal(l.Payload, &entry); err != nil {
		c.T.Fatal(err)
	}
	return entry.ID
}
