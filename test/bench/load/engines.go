package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// engine is what the servers of a cluster have in common: a Redis or a PostgreSQL of the
// bench's own.
type engine struct {
	address string // what follows the scheme of a peer's URL
	redis   bool
	pid     int
	stop    func()
}

// startEngine starts the engine that a peer's URL begins with. errAbsent: it is not installed.
func startEngine(scheme string) (*engine, error) {
	if scheme != "postgres" {
		return startRedis()
	}
	d, err := startDatabase()
	if err != nil {
		return nil, err
	}
	url, err := d.fresh("cluster")
	if err != nil {
		d.stop()
		return nil, err
	}
	return &engine{address: strings.TrimPrefix(url, "postgres://"), pid: d.cmd.Process.Pid, stop: d.stop}, nil
}

// startRedis starts a redis-server that keeps nothing on disk.
func startRedis() (*engine, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errAbsent
	}
	folder, err := os.MkdirTemp("", "podium-bench-redis-")
	if err != nil {
		return nil, err
	}
	address := freeAddress()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	r := &running{peer: "redis"}
	e := &engine{address: address, redis: true, stop: r.stop}
	if err := r.run(path, "--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"); err != nil {
		return nil, err
	}
	e.pid = r.cmd.Process.Pid
	return e, r.ready(func() bool { _, err := e.traffic(); return err == nil })
}

// cpu is the CPU time that the engine has used, with the processes that it started.
func (e *engine) cpu() time.Duration {
	total := processCPU(e.pid)
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", e.pid, e.pid))
	for _, field := range strings.Fields(string(children)) {
		if pid, err := strconv.Atoi(field); err == nil {
			total += processCPU(pid)
		}
	}
	return total
}

// traffic is how many bytes Redis has read and written in all; 0 where it is another engine.
func (e *engine) traffic() (bytes float64, err error) {
	if !e.redis {
		return 0, nil
	}
	conn, err := net.DialTimeout("tcp", e.address, patience)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, "INFO stats\r\n"); err != nil {
		return 0, err
	}
	found := 0
	for lines := bufio.NewScanner(conn); found < 2 && lines.Scan(); {
		for _, name := range []string{"total_net_input_bytes:", "total_net_output_bytes:"} {
			if text, ok := strings.CutPrefix(lines.Text(), name); ok {
				n, err := strconv.ParseFloat(text, 64)
				if err != nil {
					return 0, err
				}
				bytes += n
				found++
			}
		}
	}
	if found < 2 {
		return 0, errors.New("redis does not say how much it has read and written")
	}
	return bytes, nil
}
