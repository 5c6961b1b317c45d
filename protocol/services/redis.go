package services

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Redis is a redis-server.
type Redis struct {
	program
	Addr string // host and port
	Dir  string // where it keeps its files
}

// StartRedis starts a redis-server, which ends with the test. Settings are pairs of its
// configuration, such as "appendonly", "yes". Without any it keeps nothing on disk.
func StartRedis(t testing.TB, settings ...string) *Redis {
	t.Helper()
	path := lookUp(t, "Redis", "redis-server")
	r := &Redis{Dir: t.TempDir()}
	port := strconv.Itoa(freePort(t))
	r.Addr = net.JoinHostPort("127.0.0.1", port)
	args := []string{"--port", port, "--bind", "127.0.0.1", "--dir", r.Dir, "--save", ""}
	for i := 0; i+1 < len(settings); i += 2 {
		args = append(args, "--"+settings[i])
		args = append(args, strings.Fields(settings[i+1])...)
	}
	r.program = program{
		t: t, name: "redis-server",
		command: func() *exec.Cmd { return exec.Command(path, args...) },
		ready:   r.ping,
	}
	t.Cleanup(func() { r.Kill() })
	r.Start()
	return r
}

// URL returns its address as redis://.
func (r *Redis) URL() string { return "redis://" + r.Addr }

// ping asks whether it serves. Any answer but that it is still loading will do: it may
// want a password.
func (r *Redis) ping() error {
	answer, err := r.Do("PING")
	if err != nil {
		return err
	}
	if strings.HasPrefix(answer, "-LOADING") {
		return errors.New(answer)
	}
	return nil
}

// Do sends one command and returns the first line of the answer.
func (r *Redis) Do(words ...string) (string, error) {
	c, err := net.DialTimeout("tcp", r.Addr, time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := c.Write([]byte(b.String())); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line), err
}
