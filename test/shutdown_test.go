package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A stop in the middle of a burst: every client is told, nothing acknowledged
// is lost, the process is gone within seconds, and everybody takes up its
// session at the next one and has every event once and in order.
func TestAStopUnderLoadTellsEverybodyAndLosesNothing(t *testing.T) {
	needClients(t, "socket.io-client", "socket.io-client-4.7")
	number := 500
	if *long {
		number = 2000
	}
	p := start(t, "--trusted-proxies", "127.0.0.1")
	all := listeners("127.0.0.1:"+p.port, number)
	var reading sync.WaitGroup
	t.Cleanup(func() { closeAll(all, &reading) })
	if _, _, err := connectAll(all, &reading, patience); err != nil {
		t.Fatal(err)
	}
	crowds := []*crowd{
		startCrowd(t, p.url, "socket.io-client", "default", 4),
		startCrowd(t, p.url, "socket.io-client-4.7", "websocket", 4),
		startCrowd(t, p.url, "socket.io-client", "polling", 4),
	}
	for _, c := range crowds {
		eventually(t, "the official clients to connect", func() bool { return c.connections() == len(c.received) })
	}
	writers := make([]*writer, 6)
	var writing sync.WaitGroup
	stop := make(chan struct{})
	for i := range writers {
		writers[i] = &writer{t: t, url: p.url, name: string(rune('a' + i))}
		writing.Go(func() { writers[i].run(stop) })
	}
	eventually(t, "the burst", func() bool { return len(all[0].copyOf()) > 60 })
	began := time.Now()
	p.signal(syscall.SIGTERM)
	took := time.Since(began)
	close(stop)
	writing.Wait()
	reading.Wait()

	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, l := range all {
		if l.notices != 1 {
			t.Fatalf("a client was told %d times", l.notices)
		}
	}
	for i, c := range crowds {
		eventually(t, fmt.Sprint("the notice to the official clients ", i), func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.notices == len(c.received)
		})
	}
	steps := lineWith(p.log.String(), "msg=stopped")
	p.run()
	p.wait()
	back, _, err := connectAll(all, &reading, patience)
	if err != nil {
		t.Fatal(err)
	}
	p.submit("whoever has this one has come back")
	stored := p.storedIDs()
	acknowledged := 0
	for _, w := range writers {
		acknowledged += len(w.acknowledged)
		for _, id := range w.acknowledged {
			if !slices.Contains(stored, id) {
				t.Errorf("%s was acknowledged and is lost", id)
			}
		}
	}
	last := stored[len(stored)-1]
	for _, l := range all {
		eventually(t, "what was missed", func() bool { return slices.Contains(l.copyOf(), last) })
		l.isWhole(t, stored)
	}
	for _, c := range crowds {
		for i := range c.received {
			c.arrives(t, i, last)
			if d, m, o := judge(stored, c.copyOf(i)); d+m+o > 0 {
				t.Errorf("an official client: %d doubled, %d missing, %d out of order", d, m, o)
			}
		}
	}
	t.Logf("figures: stop: %d clients told, %d acknowledged, 0 lost; exit after %v, all back %v after the next start",
		number+12, acknowledged, took.Round(time.Millisecond), back.Round(time.Millisecond))
	t.Logf("the server's own account: %s", steps)
	limit := 5 * time.Second // where two processors are shared by everything
	if *long {
		limit = 2 * time.Second
	}
	if took > limit {
		t.Errorf("the stop took %v", took)
	}
}

// lineWith is the first line of a text that contains a part, or "".
func lineWith(text, part string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// isWhole checks that a listener has recovered and has every event once and in
// order.
func (l *listener) isWhole(t *testing.T, stored []string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.recovered {
		t.Error("a client was not recovered")
	}
	if !slices.Equal(stored, l.received) {
		d, m, o := judge(stored, l.received)
		t.Errorf("a client: %d of %d events: %d doubled, %d missing, %d out of order", len(l.received), len(stored), d, m, o)
	}
}

// A stop waits for requests in flight, but a second signal ends it at once.
func TestASecondSignalEndsAStopAtOnce(t *testing.T) {
	p := start(t, "--shutdown-grace", "5m")
	conn, err := net.Dial("tcp", "127.0.0.1:"+p.port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// Half a submission, so that the stop has something to wait for.
	_, err = fmt.Fprint(conn, "POST /api/submit HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, len("HTTP/1.1 100"))); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stop to begin", func() bool {
		res, err := http.Get(p.url + "/ready")
		if err != nil {
			return true
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusServiceUnavailable
	})
	select {
	case <-p.done:
		t.Fatal("it did not wait for the request")
	case <-time.After(300 * time.Millisecond): // long enough for a stop that waits for nothing
	}
	began := time.Now()
	p.signal(syscall.SIGTERM)
	t.Logf("figures: second signal: ended %v after the second signal", time.Since(began))
}
