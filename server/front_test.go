package server

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// newFront listens on a free port of loopback.
func newFront(t *testing.T) (f *Front, url string) {
	t.Helper()
	settings := Settings{Host: "127.0.0.1", HeaderTimeout: time.Minute, MaxHeader: 16 << 10}
	f, err := settings.Listen(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return f, "http://" + f.Addr().String()
}

// get sends a request on a connection of its own.
func get(t *testing.T, url string) (status int, header http.Header, body map[string]any) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	res, err := client.Get(url)
	if err != nil {
		t.Error(err)
		return 0, nil, nil
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil || json.Unmarshal(data, &body) != nil {
		t.Errorf("GET %s: %v: %s", url, err, data)
	}
	return res.StatusCode, res.Header, body
}

// Before the server is there, health checks are answered and everything else
// waits for it.
func TestRequestsWaitForAServerThatStarts(t *testing.T) {
	f, url := newFront(t)
	defer f.Close()
	if status, _, body := get(t, url+"/health"); status != 200 || body["status"] != "healthy" || body["winners"] == nil {
		t.Errorf("/health: %d %v", status, body)
	}
	if status, _, body := get(t, url+"/ready"); status != 503 || body["ready"] != false || body["reason"] == "" {
		t.Errorf("/ready: %d %v", status, body)
	}
	waiting := make(chan int, 1)
	go func() {
		status, _, _ := get(t, url+"/api/feed")
		waiting <- status
	}()
	select {
	case status := <-waiting:
		t.Fatalf("answered %d before there was a server", status)
	case <-time.After(50 * time.Millisecond):
	}
	f.open(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "{}")
	}))
	if status := <-waiting; status != http.StatusTeapot {
		t.Errorf("the request that waited was answered %d", status)
	}
	if status, _, _ := get(t, url+"/ready"); status != http.StatusTeapot {
		t.Errorf("later requests were answered %d", status)
	}
}

// Nobody waits for ever.
func TestRequestsThatWaitedLongAreSentAway(t *testing.T) {
	f, url := newFront(t)
	defer f.Close()
	f.hold = 20 * time.Millisecond
	status, header, body := get(t, url+"/api/feed")
	if status != 503 || header.Get("Retry-After") != "1" || body["error"] == nil {
		t.Errorf("%d, Retry-After %q, %v", status, header.Get("Retry-After"), body)
	}
}

// A stop does not wait for connections on which nothing was ever asked.
func TestAStopDoesNotWaitForSilentConnections(t *testing.T) {
	f, url := newFront(t)
	c, err := net.Dial("tcp", f.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	get(t, url+"/health") // connections are accepted in order, so the silent one was too
	began := time.Now()
	if err := errors.Join(f.refuse(), f.drain(t.Context(), &inFlight{})); err != nil {
		t.Error(err)
	}
	// net/http by itself gives such a connection five seconds.
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
}

// The least limit on the way up counts, in both versions of control groups.
func TestTheMemoryLimitOfTheControlGroupIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing": {nil, math.MaxInt64},
		"version 2": {map[string]string{
			"proc/self/cgroup":                                     "0::/system.slice/podium.service\n",
			"sys/fs/cgroup/system.slice/memory.max":                "max\n",
			"sys/fs/cgroup/system.slice/podium.service/memory.max": "268435456\n",
		}, 256 << 20},
		"version 2, the parent is smaller": {map[string]string{
			"proc/self/cgroup":           "0::/a/b\n",
			"sys/fs/cgroup/a/memory.max": "134217728\n", "sys/fs/cgroup/a/b/memory.max": "268435456\n",
		}, 128 << 20},
		"version 2, of a container": {map[string]string{
			"proc/self/cgroup": "0::/host/name\n", "sys/fs/cgroup/memory.max": "268435456\n",
		}, 256 << 20},
		"version 1": {map[string]string{
			"proc/self/cgroup":                                  "9:cpu,cpuacct:/x\n4:memory:/group\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":        "9223372036854771712\n",
			"sys/fs/cgroup/memory/group/memory.limit_in_bytes":  "268435456\n",
			"sys/fs/cgroup/cpu,cpuacct/x/memory.limit_in_bytes": "1\n",
		}, 256 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for path, text := range c.files {
				path = filepath.Join(root, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got := groupLimit(root); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
		})
	}
}
