package crash

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"podium/test/harness"
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
	harness.NeedClients(t, "socket.io-client", "socket.io-client-4.7")
	number := 500
	if *harness.Long {
		number = 2000
	}
	p := harness.Start(t, "--trusted-proxies", "127.0.0.1")
	all := harness.Listeners("127.0.0.1:"+p.Port, number)
	var reading sync.WaitGroup
	t.Cleanup(func() { harness.CloseAll(all, &reading) })
	if _, _, err := harness.ConnectAll(all, &reading, harness.Patience); err != nil {
		t.Fatal(err)
	}
	crowds := []*crowd{
		startCrowd(t, p.URL, "socket.io-client", "default", 4),
		startCrowd(t, p.URL, "socket.io-client-4.7", "websocket", 4),
		startCrowd(t, p.URL, "socket.io-client", "polling", 4),
	}
	for _, c := range crowds {
		harness.Eventually(t, "the official clients to connect", func() bool { return c.connections() == len(c.received) })
	}
	writers := make([]*writer, 6)
	var writing sync.WaitGroup
	stop := make(chan struct{})
	for i := range writers {
		writers[i] = &writer{t: t, url: p.URL, name: string(rune('a' + i))}
		writing.Go(func() { writers[i].run(stop) })
	}
	harness.Eventually(t, "the burst", func() bool { return len(all[0].CopyOf()) > 60 })
	began := time.Now()
	p.Signal(syscall.SIGTERM)
	took := time.Since(began)
	close(stop)
	writing.Wait()
	reading.Wait()

	if code := p.Cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, l := range all {
		if l.Notices != 1 {
			t.Fatalf("a client was told %d times", l.Notices)
		}
	}
	for i, c := range crowds {
		harness.Eventually(t, fmt.Sprint("the notice to the official clients ", i), func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.notices == len(c.received)
		})
	}
	steps := lineWith(p.Log.String(), "msg=stopped")
	p.Run()
	p.Wait()
	back, _, err := harness.ConnectAll(all, &reading, harness.Patience)
	if err != nil {
		t.Fatal(err)
	}
	p.Submit("whoever has this one has come back")
	stored := p.StoredIDs()
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
		harness.Eventually(t, "what was missed", func() bool { return slices.Contains(l.CopyOf(), last) })
		isWhole(l, t, stored)
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
	if *harness.Long {
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
func isWhole(l *harness.Listener, t *testing.T, stored []string) {
	t.Helper()
	l.Mu.Lock()
	defer l.Mu.Unlock()
	if !l.Recovered {
		t.Error("a client was not recovered")
	}
	if !slices.Equal(stored, l.Received) {
		d, m, o := judge(stored, l.Received)
		t.Errorf("a client: %d of %d events: %d doubled, %d missing, %d out of order", len(l.Received), len(stored), d, m, o)
	}
}

// A stop waits for requests in flight, but a second signal ends it at once.
func TestASecondSignalEndsAStopAtOnce(t *testing.T) {
	p := harness.Start(t, "--shutdown-grace", "5m")
	conn, err := net.Dial("tcp", "127.0.0.1:"+p.Port)
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
	if err := p.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "the stop to begin", func() bool {
		res, err := http.Get(p.URL + "/ready")
		if err != nil {
			return true
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusServiceUnavailable
	})
	select {
	case <-p.Done:
		t.Fatal("it did not wait for the request")
	case <-time.After(300 * time.Millisecond): // long enough for a stop that waits for nothing
	}
	began := time.Now()
	p.Signal(syscall.SIGTERM)
	t.Logf("figures: second signal: ended %v after the second signal", time.Since(began))
}
