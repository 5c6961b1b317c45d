package services

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Sentinel is a Redis Sentinel, which watches a primary and has a replica take its place
// where it is gone.
type Sentinel struct {
	program
	Addr string // host and port
}

// StartSentinel starts a Sentinel that knows a primary by a name and is enough by itself
// to declare it gone, after half a second. It ends with the test.
func StartSentinel(t testing.TB, name string, primary *Redis) *Sentinel {
	t.Helper()
	path := lookUp(t, "Redis", "redis-server")
	port := strconv.Itoa(freePort(t))
	host, primaryPort, err := net.SplitHostPort(primary.Addr)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	file := filepath.Join(folder, "sentinel.conf") // it writes there what it finds
	config := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor %s %s %s 1\n"+
		"sentinel down-after-milliseconds %[3]s 500\nsentinel failover-timeout %[3]s 5000\n", port, folder, name, host, primaryPort)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Sentinel{Addr: net.JoinHostPort("127.0.0.1", port)}
	s.program = program{
		t: t, name: "redis-sentinel",
		command: func() *exec.Cmd { return exec.Command(path, file, "--sentinel") },
		ready:   func() error { return accepts(s.Addr) },
	}
	t.Cleanup(func() { s.end(syscall.SIGTERM) })
	s.Start()
	return s
}
