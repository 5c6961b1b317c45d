// Package services starts the databases that tests of several servers need, each of
// its own on a free port of the loopback interface, with its files in a folder of the
// test, ended by its process id.
//
// What is not installed makes the test skip with a sentence; where PODIUM_TEST_REQUIRE
// is 1 it fails instead. Only tests import this package.
package services

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startTimeout is how long a service may take to answer.
const startTimeout = 30 * time.Second

// program is a process that a test runs, and can kill and start again.
type program struct {
	t       testing.TB
	name    string
	command func() *exec.Cmd // called for each start
	ready   func() error     // nil when it serves

	mu     sync.Mutex // guards the fields below
	cmd    *exec.Cmd
	ended  chan struct{}
	output bytes.Buffer // of the last start
}

// accepts returns nil where something listens at an address.
func accepts(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	return c.Close()
}

// lookUp returns where a program is, in one of the folders or on the path, or ends the
// test.
func lookUp(t testing.TB, what, name string, folders ...string) string {
	t.Helper()
	for _, folder := range folders {
		if path, err := exec.LookPath(folder + "/" + name); err == nil {
			return path
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	missing := fmt.Sprintf("%s is not installed: no %s was found", what, name)
	if os.Getenv("PODIUM_TEST_REQUIRE") == "1" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// freePort returns a port of the loopback interface that nobody listens on.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Start starts it and returns when it serves.
func (p *program) Start() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		p.t.Fatalf("%s runs already", p.name)
	}
	p.output.Reset()
	cmd := p.command()
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // how it ended is of no interest
	}()
	p.cmd, p.ended = cmd, ended
	p.await()
}

// await returns when the service answers.
func (p *program) await() {
	p.t.Helper()
	deadline := time.Now().Add(startTimeout)
	for {
		err := p.ready()
		if err == nil {
			return
		}
		select {
		case <-p.ended:
			p.cmd = nil
			p.t.Fatalf("%s ended as it started:\n%s", p.name, p.output.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s does not answer: %v", p.name, err)
		}
	}
}

// signal sends a signal to the process. It is an error where none runs.
func (p *program) signal(s os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return errors.New("it does not run")
	}
	return p.cmd.Process.Signal(s)
}

// end sends a signal and returns when the process is gone; where that takes long it is
// killed.
func (p *program) end(s os.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	var helpers []int
	if s == syscall.SIGKILL {
		helpers = children(p.cmd.Process.Pid)
	}
	_ = p.cmd.Process.Signal(s) // it may have ended by itself
	for _, pid := range helpers {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended with its parent
	}
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	p.cmd = nil
}

// children returns the processes that a process has started.
func children(parent int) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The name in parentheses may hold anything; state and parent follow it.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) < 2 || fields[1] != strconv.Itoa(parent) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Kill kills it with its children, as a crash would, and returns when it is gone.
func (p *program) Kill() { p.end(syscall.SIGKILL) }

// Stop ends it in an orderly way.
func (p *program) Stop() { p.end(syscall.SIGTERM) }

// Pause stops it from running, with the processes that it has started, as a machine that
// hangs: connections stay open and nothing is answered.
func (p *program) Pause() {
	p.t.Helper()
	if err := p.signal(syscall.SIGSTOP); err != nil {
		p.t.Fatal(err)
	}
	p.signalChildren(syscall.SIGSTOP)
}

// Resume lets a paused one run again.
func (p *program) Resume() {
	p.t.Helper()
	p.signalChildren(syscall.SIGCONT)
	if err := p.signal(syscall.SIGCONT); err != nil {
		p.t.Fatal(err)
	}
}

// signalChildren sends a signal to the processes that the paused one has started.
func (p *program) signalChildren(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pid := range children(p.cmd.Process.Pid) {
		_ = syscall.Kill(pid, s) // it may have ended
	}
}
