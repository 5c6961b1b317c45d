package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// peer is a server program under test. Its command is given --listen and --control.
type peer struct {
	name    string
	command []string
	cluster string // how the URL of the engine begins that several share; "": it is alone
}

// peers are all servers, the one that the ratios refer to first.
var peers = []peer{
	{name: "node", command: []string{"node", "node/server.mjs"}},
	{name: "bun", command: []string{"node_modules/.bin/bun", "bun/server.mjs"}},
	{name: "zishang2", command: []string{"bin/zishang2"}},
	{name: "zishang3", command: []string{"bin/zishang3"}},
	{name: "podium", command: []string{"bin/podium"}},
	{name: limit, command: []string{"bin/bare"}},
}

// limit is the peer that no other can be better than: an epoll loop that writes the same
// bytes and knows of nothing else.
const limit = "limit"

// running is a peer's process.
type running struct {
	peer          string
	cmd           *exec.Cmd
	addr, control string // control is "" where the program has none
	folder        string // of its data
}

// start runs a peer until it takes connections.
func start(p peer, flags ...string) (*running, error) { return startOver("", p, flags...) }

// startOver is start for clients whose connections are made as the address says that
// begins with over: see connectTo.
func startOver(over string, p peer, flags ...string) (*running, error) {
	listen := freeAddress()
	r := &running{peer: p.name, addr: over + listen, control: freeAddress()}
	args := append(p.command[1:len(p.command):len(p.command)], "--listen", listen, "--control", r.control)
	if err := r.run(p.command[0], append(args, flags...)...); err != nil {
		return nil, err
	}
	err := r.ready(func() bool {
		c, err := dial(r.addr)
		if err != nil {
			return false
		}
		c.leave()
		return r.call("/stats") == nil
	})
	return r, err
}

// run starts the process. What it says goes to a file in bin.
func (r *running) run(name string, args ...string) error {
	said, err := os.Create("bin/" + r.peer + ".log")
	if err != nil {
		return err
	}
	defer said.Close()
	r.cmd = exec.Command(name, args...)
	r.cmd.Stdout, r.cmd.Stderr = said, said
	return r.cmd.Start()
}

// ready waits until the process can be used, and stops it where that never comes.
func (r *running) ready(usable func() bool) error {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if usable() {
			return nil
		}
		if state, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.cmd.Process.Pid)); bytes.Contains(state, []byte(") Z ")) {
			break // it has ended
		}
	}
	r.stop()
	return fmt.Errorf("%s did not start", r.peer)
}

func (r *running) stop() {
	if r.cmd != nil && r.cmd.Process != nil {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
	}
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
	said, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s: %.100s", r.peer, path, res.Status, said)
	}
	return err
}

// cpu is the CPU time that the process has used.
func (r *running) cpu() time.Duration { return processCPU(r.cmd.Process.Pid) }

// processCPU is the CPU time that a process has used, user and system; 0 where it has
// ended. A process's CPU clock counts nanoseconds; /proc/PID/stat would only count ticks
// of 10 ms.
func processCPU(pid int) time.Duration {
	const process = 2 // CPUCLOCK_SCHED of a whole process: see clock_getcpuclockid(3)
	var at unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|process), &at); err != nil {
		return 0
	}
	return time.Duration(at.Nano())
}

// rss is the process's resident memory in KB, after a collection.
func (r *running) rss() float64 {
	for range 3 {
		_ = r.call("/gc")
		time.Sleep(200 * time.Millisecond)
	}
	return r.memory("VmRSS:")
}

// memory is a field of the process's status, in KB.
func (r *running) memory(field string) float64 {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	_, after, _ := strings.Cut(string(raw), field)
	kb, _ := strconv.ParseFloat(strings.Fields(after + " 0")[0], 64)
	return kb
}

// forgetPeak makes VmHWM, the peak of the resident memory, begin anew.
func (r *running) forgetPeak() {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", r.cmd.Process.Pid), []byte("5"), 0)
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// empty waits until the server knows that all clients are gone.
func (r *running) empty() error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		res, err := http.Get("http://" + r.control + "/stats")
		if err != nil {
			return err
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			return err
		}
		if strings.Contains(string(body), `"connected":0`) {
			return nil
		}
	}
	return fmt.Errorf("%s did not see its clients go", r.peer)
}
