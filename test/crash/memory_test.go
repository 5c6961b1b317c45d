package crash

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"podium/test/harness"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// held is how many WebSockets the server is to hold in its memory.
var held = flag.Int("held", 0, "WebSockets to hold open under the memory limit; 0 leaves the test out")

// smallMachine is the memory of the smallest machine on Fly.
const smallMachine = 256 << 20

// memoryGroup makes a control group with a memory limit, or skips the test
// where that is not possible. It returns its folder and which version it is.
func memoryGroup(t *testing.T) (folder string, version int) {
	t.Helper()
	for _, v := range []struct {
		version     int
		top, limit  string
		controllers string
	}{
		{1, "/sys/fs/cgroup/memory", "memory.limit_in_bytes", ""},
		{2, "/sys/fs/cgroup", "memory.max", "memory"},
	} {
		folder = filepath.Join(v.top, fmt.Sprintf("podium-test-%d", os.Getpid()))
		if os.Mkdir(folder, 0o755) != nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(folder, v.limit), []byte(strconv.Itoa(smallMachine)), 0o644); err != nil {
			_ = os.Remove(folder)
			continue
		}
		t.Cleanup(func() {
			harness.Eventually(t, "the control group to be empty", func() bool {
				err := os.Remove(folder)
				return err == nil || errors.Is(err, os.ErrNotExist)
			})
		})
		return folder, v.version
	}
	t.Skip("this machine lets nobody make a control group with a memory limit")
	return "", 0
}

// peak is the most memory that the group used, in bytes, the system's cache of
// files included, which it gives back when memory is short.
func peak(folder string) int64 {
	for _, name := range []string{"memory.max_usage_in_bytes", "memory.peak"} {
		if data, err := os.ReadFile(filepath.Join(folder, name)); err == nil {
			n, _ := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
			return n
		}
	}
	return 0
}

// holder is one WebSocket that answers pings and counts events.
func holder(address string, events *atomic.Int64) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", address, harness.Patience)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(harness.Patience))
	fmt.Fprintf(c, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n", address)
	r := bufio.NewReaderSize(c, 512)
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		_ = c.Close()
		return nil, fmt.Errorf("the handshake: %v %w", res, err)
	}
	// Masked with zeros, a text is sent as it is.
	send := func(text string) { _, _ = c.Write(append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)) }
	send("40")
	connected := make(chan struct{})
	go func() {
		defer c.Close()
		for joined := false; ; {
			head := make([]byte, 2)
			if _, err := readFull(r, head); err != nil {
				return
			}
			length := int(head[1])
			if length == 126 {
				if _, err := readFull(r, head); err != nil {
					return
				}
				length = int(head[0])<<8 | int(head[1])
			}
			body := make([]byte, length)
			if _, err := readFull(r, body); err != nil {
				return
			}
			switch text := string(body); {
			case text == "2":
				send("3")
			case strings.HasPrefix(text, "40") && !joined:
				joined = true
				close(connected)
			case strings.HasPrefix(text, `42["newSubmission"`):
				events.Add(1)
			}
		}
	}()
	select {
	case <-connected:
		_ = c.SetDeadline(time.Time{})
		return c, nil
	case <-time.After(harness.Patience):
		_ = c.Close()
		return nil, errors.New("CONNECT was not answered")
	}
}

func readFull(r *bufio.Reader, into []byte) (int, error) {
	n := 0
	for n < len(into) {
		k, err := r.Read(into[n:])
		if n += k; err != nil {
			return n, err
		}
	}
	return n, nil
}

// The smallest machine, 256 MB under a real memory limit and without swap,
// holds the connections that fly.toml lets in, while photos of 12 megapixels
// arrive. Everybody is told of each.
func TestTheSmallestMachineHoldsTheRoom(t *testing.T) {
	if *held == 0 {
		t.Skip("it opens many connections: make memory")
	}
	group, version := memoryGroup(t)
	p := harness.Start(t, "--limit-connections-per-address", "100000", "--limit-handshakes-per-address", "100000", "--limit-handshakes", "100000", "--limit-connections", "19000", "--heartbeat-interval", "60s")
	p.Signal(syscall.SIGTERM)
	p.Run() // and into the group, before it has done anything worth mentioning
	if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(p.Cmd.Process.Pid)), 0o644); err != nil {
		t.Fatal(err)
	}
	p.Wait()
	var events atomic.Int64
	var mu sync.Mutex // guards conns
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	var opening sync.WaitGroup
	turns := make(chan struct{}, 64)
	for range *held {
		turns <- struct{}{}
		opening.Go(func() {
			defer func() { <-turns }()
			c, err := holder("127.0.0.1:"+p.Port, &events)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
		})
	}
	opening.Wait()
	if t.Failed() {
		t.Fatalf("%d of %d connections opened", len(conns), *held)
	}
	picture := harness.Photo(t, 4000, 3000)
	const photos = 6
	var sending sync.WaitGroup
	for n := range photos {
		sending.Go(func() {
			body, kind := harness.Form(t, map[string]string{"category": "best", "caption": fmt.Sprint("large ", n)}, picture)
			res, err := http.Post(p.URL+"/api/submit", kind, body)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusOK {
				t.Errorf("a photo of 12 megapixels: %s", res.Status)
			}
		})
	}
	sending.Wait()
	want := int64(photos * len(conns))
	harness.Eventually(t, "everybody to be told", func() bool { return events.Load() >= want })
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	resident := ""
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmHWM") {
			resident = strings.Join(strings.Fields(line)[1:], " ")
		}
	}
	t.Logf("%d WebSockets and %d photos of 12 megapixels (%d KB each) at once in a control group (version %d) of %d MB without swap: %d events delivered; most resident memory %s; most in the group, cached files included, %d MB",
		len(conns), photos, len(picture)>>10, version, smallMachine>>20, events.Load(), resident, peak(group)>>20)
}
