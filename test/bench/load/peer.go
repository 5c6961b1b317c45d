package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// peer is a server program under test.
type peer struct {
	name    string
	command []string
}

// peers are all servers, the one that the ratios refer to first.
var peers = []peer{
	{"node", []string{"node", "node/server.mjs"}},
	{"bun", []string{"node_modules/.bin/bun", "bun/server.mjs"}},
	{"zishang2", []string{"bin/zishang2"}},
	{"zishang3", []string{"bin/zishang3"}},
	{"podium", []string{"bin/podium"}},
}

// running is a peer's process.
type running struct {
	cmd           *exec.Cmd
	addr, control string
}

// start runs a peer until it takes connections.
func start(p peer) (*running, error) {
	r := &running{addr: freeAddress(), control: freeAddress()}
	args := append(p.command[1:len(p.command):len(p.command)], "--listen", r.addr, "--control", r.control)
	r.cmd = exec.Command(p.command[0], args...)
	r.cmd.Stderr = os.Stderr
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if c, err := dial(r.addr); err == nil && r.call("/stats") == nil {
			c.conn.Close()
			return r, nil
		}
	}
	r.stop()
	return nil, fmt.Errorf("%s did not start", p.name)
}

func (r *running) stop() {
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}

func freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// call asks the control address for something.
func (r *running) call(path string) error {
	res, err := http.Get("http://" + r.control + path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// cpu is the CPU time that the process has used, user and system.
func (r *running) cpu() time.Duration {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.cmd.Process.Pid))
	_, after, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// rss is the process's resident memory in KB, after a collection.
func (r *running) rss() float64 {
	for range 3 {
		_ = r.call("/gc")
		time.Sleep(300 * time.Millisecond)
	}
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	_, after, _ := strings.Cut(string(raw), "VmRSS:")
	kb, _ := strconv.ParseFloat(strings.Fields(after + " 0")[0], 64)
	return kb
}
