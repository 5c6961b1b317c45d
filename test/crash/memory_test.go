package crash

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"podium/protocol/client"
	"podium/test/harness"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// held is how many WebSockets the server is to hold in its memory.
var held = flag.Int("held", 0, "WebSockets to hold open under the memory limit; 0 leaves the test out")

// holder is one client over WebSocket that counts events.
func holder(transport *client.Transport, url string, events *atomic.Int64) (*client.Socket, error) {
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	s, err := client.New(url, client.Options{Transport: transport, Transports: []string{client.TransportWebSocket}, NoReconnection: true})
	if err != nil {
		return nil, err
	}
	client.On(s, "newSubmission", func(struct{}) { events.Add(1) }, client.Inline)
	if err := s.Connect(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// The smallest machine, 256 MB under a real memory limit and without swap,
// holds the connections that fly.toml lets in, while photos of 12 megapixels
// arrive. Everybody is told of each.
func TestTheSmallestMachineHoldsTheRoom(t *testing.T) {
	if *held == 0 {
		t.Skip("it opens many connections: make memory")
	}
	group, err := harness.NewMemoryGroup(t, harness.SmallMachine)
	if err != nil {
		t.Skip(err)
	}
	p := harness.Start(t, "--limit-connections-per-address", "100000", "--limit-handshakes-per-address", "100000", "--limit-handshakes", "100000", "--limit-connections", "19000", "--heartbeat-interval", "60s")
	p.Signal(syscall.SIGTERM)
	p.Run() // and into the group, before it has done anything worth mentioning
	if err := group.Enter(p.Cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	p.Wait()
	var events atomic.Int64
	var mu sync.Mutex // guards conns
	var conns []*client.Socket
	transport := new(client.Transport)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
		transport.Close()
	}()
	var opening sync.WaitGroup
	turns := make(chan struct{}, 64)
	for range *held {
		turns <- struct{}{}
		opening.Go(func() {
			defer func() { <-turns }()
			c, err := holder(transport, p.URL, &events)
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
		len(conns), photos, len(picture)>>10, group.Version, harness.SmallMachine>>20, events.Load(), resident, group.Peak()>>20)
}
