package crash

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"podium/test/harness"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	guests    = flag.Int("guests", 60, "clients of a rehearsal")
	redeploys = flag.Int("redeploys", 3, "how often a rehearsal redeploys")
)

// streamReader reads the event stream and keeps what it was told of.
type streamReader struct {
	url string

	mu       sync.Mutex // guards the fields below
	connects int
	received []string // ids of submissions
}

// run reads until ctx ends.
func (s *streamReader) run(ctx context.Context) {
	stream := harness.Stream{URL: s.url, Opened: func(http.Header) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.connects++
	}, Event: func(_, name, data string) {
		if name == "newSubmission" {
			s.note(data)
		}
	}}
	stream.Follow(ctx)
}

func (s *streamReader) note(data string) {
	_, rest, _ := strings.Cut(data, `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received = append(s.received, id)
}

func (s *streamReader) copy() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.received)
}

// room is everybody at the event: official clients and readers of the stream.
type room struct {
	crowds  []*crowd
	readers []*streamReader
}

// crowdSize is how many official clients share a process.
const crowdSize = 200

// enterRoom starts clients of all kinds and waits until they are connected.
func enterRoom(t *testing.T, url string, number int) *room {
	t.Helper()
	r := &room{}
	add := func(pkg, transports string, n int) {
		for ; n > 0; n -= crowdSize {
			r.crowds = append(r.crowds, startCrowd(t, url, pkg, transports, min(n, crowdSize), "patient"))
		}
	}
	fifth := number / 5
	add("socket.io-client", "default", number-4*fifth)
	add("socket.io-client-4.7", "default", fifth)
	add("socket.io-client-4.7", "websocket", fifth)
	add("socket.io-client", "polling", fifth)
	ctx, cancel := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		reading.Wait()
	})
	for range fifth {
		s := &streamReader{url: url}
		r.readers = append(r.readers, s)
		reading.Go(func() { s.run(ctx) })
	}
	for _, c := range r.crowds {
		harness.Eventually(t, "the clients to connect", func() bool { return c.connections() >= len(c.received) })
	}
	for _, s := range r.readers {
		harness.Eventually(t, "the streams to open", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.connects > 0
		})
	}
	return r
}

// sees waits until everybody was told of a submission.
func (r *room) sees(t *testing.T, id string) {
	t.Helper()
	for _, c := range r.crowds {
		for i := range c.received {
			c.arrives(t, i, id)
		}
	}
	for _, s := range r.readers {
		harness.Eventually(t, "a stream to bring the event", func() bool { return slices.Contains(s.copy(), id) })
	}
}

// submitter submits at a steady pace, as a room of people does.
func submitter(w *writer, picture []byte, stop <-chan struct{}) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for n := 0; ; n++ {
		body, kind := harness.Form(w.t, map[string]string{"category": "best", "caption": fmt.Sprint(w.name, n)}, picture)
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
			if id, ok := w.try(client, fmt.Sprintf("%s-%d", w.name, n), kind, body.Bytes()); ok {
				w.mu.Lock()
				w.acknowledged = append(w.acknowledged, id)
				w.mu.Unlock()
				break
			}
		}
	}
}

// outage is what one redeployment cost.
type outage struct {
	stop  time.Duration // from SIGTERM until the process ended
	gap   time.Duration // from when new connections were refused until the next one was ready
	ready time.Duration // from SIGTERM until the next one was ready
	all   time.Duration // from SIGTERM until everybody had the next event
	steps string        // what the old process says took how long
}

// redeploy stops the server as Fly does and starts the next one when it ended,
// because they share a volume.
func redeploy(p *harness.Program) (o outage) {
	p.T.Helper()
	began := time.Now()
	var announced time.Duration // until then everybody is served
	p.Signal(syscall.SIGTERM)
	o.stop = time.Since(began)
	for l := range strings.Lines(p.Log.String()) {
		if strings.Contains(l, "msg=stopped") {
			o.steps = strings.TrimSpace(l[strings.Index(l, "took="):])
			_, rest, _ := strings.Cut(l, "until.announced=")
			first, _, _ := strings.Cut(rest, " ")
			if d, err := time.ParseDuration(first); err != nil {
				p.T.Errorf("when new connections were refused: %v in %s", err, l)
			} else {
				announced = d
			}
		}
	}
	p.Run()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	deadline := began.Add(harness.Patience)
	for {
		if res, err := client.Get(p.URL + "/ready"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(deadline) {
			p.T.Fatal("the new process did not become ready")
		}
		time.Sleep(time.Millisecond) // between two looks
	}
	o.ready = time.Since(began)
	o.gap = o.ready - announced
	return o
}

// In the middle of the event the server is stopped with SIGTERM and started
// anew, again and again, with clients of every kind connected and people
// submitting. Nothing acknowledged is lost, and everybody is told of everything
// exactly once and in order.
func TestARedeployIsNotNoticed(t *testing.T) {
	_, err := exec.LookPath("node")
	harness.Need(t, err == nil, "node")
	_, err = os.Stat(filepath.Join("node_modules", "socket.io-client"))
	harness.Need(t, err == nil, "the official client")
	p := harness.Start(t)
	r := enterRoom(t, p.URL, *guests)
	stop := make(chan struct{})
	writers := []*writer{{t: t, url: p.URL, name: "a"}, {t: t, url: p.URL, name: "b"}, {t: t, url: p.URL, name: "c"}}
	var writing sync.WaitGroup
	for i, w := range writers {
		var picture []byte
		if i == 0 {
			picture = harness.Photo(t, 640, 480)
		}
		writing.Go(func() { submitter(w, picture, stop) })
	}
	var outages []outage
	for range *redeploys {
		began := time.Now()
		o := redeploy(p)
		r.sees(t, p.Submit("after the redeployment"))
		o.all = time.Since(began)
		outages = append(outages, o)
		t.Logf("ready %s after SIGTERM; the stop: %s", o.ready.Round(time.Millisecond), o.steps)
	}
	close(stop)
	writing.Wait()
	last := p.Submit("the last")
	r.sees(t, last)
	r.verdict(t, p.StoredIDs(), writers)
	report(t, outages)
}

// verdict compares what everybody received with what is stored.
func (r *room) verdict(t *testing.T, stored []string, writers []*writer) {
	t.Helper()
	known := make(map[string]bool)
	for _, id := range stored {
		known[id] = true
	}
	acknowledged, lost := 0, 0
	for _, w := range writers {
		acknowledged += len(w.acknowledged)
		for _, id := range w.acknowledged {
			if !known[id] {
				lost++
			}
		}
	}
	clients, doubled, missing, disordered, refused, recovered := 0, 0, 0, 0, 0, 0
	count := func(received []string) {
		d, m, o := judge(stored, received)
		clients, doubled, missing, disordered = clients+1, doubled+d, missing+m, disordered+o
	}
	for _, c := range r.crowds {
		for i := range c.received {
			count(c.copyOf(i))
			refused += len(c.absenceOf(i).Refusals)
		}
		recovered += c.recoveries()
	}
	for _, s := range r.readers {
		count(s.copy())
	}
	t.Logf("%d clients (%d of them event streams), %d submissions stored, %d acknowledged to the writers, %d recoveries",
		clients, len(r.readers), len(stored), acknowledged, recovered)
	t.Logf("lost %d; for all clients together doubled %d, missing %d, out of order %d, recoveries refused %d",
		lost, doubled, missing, disordered, refused)
	if lost+doubled+missing+disordered+refused > 0 {
		t.Fail()
	}
}

// report prints the figures of all redeployments.
func report(t *testing.T, outages []outage) {
	t.Helper()
	for _, row := range []struct {
		what string
		of   func(outage) time.Duration
	}{
		{"SIGTERM to the end of the process", func(o outage) time.Duration { return o.stop }},
		{"SIGTERM to the next process being ready", func(o outage) time.Duration { return o.ready }},
		{"of that, nobody is served for", func(o outage) time.Duration { return o.gap }},
		{"SIGTERM to everybody having the next event", func(o outage) time.Duration { return o.all }},
	} {
		var all []time.Duration
		for _, o := range outages {
			all = append(all, row.of(o))
		}
		slices.Sort(all)
		rank := func(percent int) time.Duration {
			return all[(len(all)*percent+99)/100-1].Round(time.Millisecond)
		}
		t.Logf("%-45s median %7s   p99 %7s   (%d times)", row.what, rank(50), rank(99), len(all))
	}
}

// listenTCP opens a listening socket on loopback, closed when the test ends.
func listenTCP(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// systemd (or whoever else holds the listening socket) keeps it open while one
// process ends and the next begins: nobody is refused in between.
func TestASocketThatIsHandedOverRefusesNobody(t *testing.T) {
	path, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	l := listenTCP(t)
	data := t.TempDir()
	url := "http://" + l.Addr().String()
	run := func() (cmd *exec.Cmd, ended chan error) {
		socket, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		// The shell becomes podium, whose process id is then the one in LISTEN_PID.
		cmd = exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" serve --data "$1" --port 1`, path, data)
		cmd.Env = append(os.Environ(), "LISTEN_FDS=1", "ADMIN_PASSWORD="+harness.Password)
		cmd.Dir = data
		cmd.ExtraFiles = []*os.File{socket}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended = make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		return cmd, ended
	}
	cmd, ended := run()
	ask := make(chan struct{})
	var asking sync.WaitGroup
	var mu sync.Mutex // guards the two counters
	answered, failed := 0, 0
	for range 4 {
		asking.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: harness.Patience}
			for {
				select {
				case <-ask:
					return
				default:
				}
				res, err := client.Get(url + "/categories.json")
				ok := err == nil && res.StatusCode == http.StatusOK
				if err == nil {
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				} else {
					t.Log(err)
				}
				mu.Lock()
				answered++
				if !ok {
					failed++
				}
				mu.Unlock()
			}
		})
	}
	for range 3 {
		before := 0
		mu.Lock()
		before = answered
		mu.Unlock()
		harness.Eventually(t, "requests to be answered", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return answered > before+20
		})
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Errorf("the process ended with %v", err)
		}
		cmd, ended = run()
	}
	close(ask)
	asking.Wait()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := <-ended; err != nil {
		t.Errorf("the process ended with %v", err)
	}
	t.Logf("%d requests, each on a connection of its own, over 3 restarts; %d failed", answered, failed)
	if failed > 0 {
		t.Error("requests failed")
	}
}
