package crash

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"podium/test/harness"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	cycles = flag.Int("cycles", 5, "how often the server is killed")
	seed   = flag.Uint64("seed", 0, "seed of the moments at which it is killed; 0 takes a new one")
)

// writer submits through HTTP, one after the other, and notes what was
// acknowledged. A request without an answer is sent again with the same
// Idempotency-Key until it has one.
type writer struct {
	t    *testing.T
	url  string
	name string

	mu           sync.Mutex // guards acknowledged
	acknowledged []string
}

func (w *writer) run(stop <-chan struct{}) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		body, kind := harness.Form(w.t, map[string]string{"category": "best", "caption": fmt.Sprint(w.name, n)}, nil)
		key := fmt.Sprintf("%s-%d", w.name, n)
		for {
			id, ok := w.try(client, key, kind, body.Bytes())
			if ok {
				w.mu.Lock()
				w.acknowledged = append(w.acknowledged, id)
				w.mu.Unlock()
				break
			}
			select {
			case <-stop:
				return // never acknowledged: it may be stored or not
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

func (w *writer) try(client *http.Client, key, kind string, body []byte) (id string, ok bool) {
	req, err := http.NewRequest("POST", w.url+"/api/submit", bytes.NewReader(body))
	if err != nil {
		return "", false
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Idempotency-Key", key)
	res, err := client.Do(req)
	if err != nil {
		return "", false
	}
	defer res.Body.Close()
	var answer struct{ Entry struct{ ID string } }
	if res.StatusCode != http.StatusOK || json.NewDecoder(res.Body).Decode(&answer) != nil {
		return "", false
	}
	return answer.Entry.ID, true
}

// crowd is a number of official clients and what each received.
type crowd struct {
	kind string // package and transports

	mu        sync.Mutex // guards the fields below
	received  [][]string
	connects  int
	recovered int
	notices   int               // of a shutdown
	absences  []harness.Absence // by client
}

func startCrowd(t *testing.T, url, pkg, transports string, number int, more ...string) *crowd {
	t.Helper()
	// They are other people's devices, which take no time from the server.
	cmd := exec.Command("nice", append([]string{"node", "clients/crowd.cjs", pkg, url, transports, fmt.Sprint(number)}, more...)...)
	in, out := harness.StartPiped(t, cmd)
	c := &crowd{kind: pkg + " " + transports, received: make([][]string, number), absences: make([]harness.Absence, number)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.read(out)
	}()
	t.Cleanup(func() {
		_ = in.Close()
		<-ended
		_ = cmd.Wait()
	})
	return c
}

func (c *crowd) read(out io.Reader) {
	scanner := bufio.NewScanner(out)
	for scanner.Scan() {
		var l struct {
			C          int
			T, ID, Why string
			Recovered  bool
		}
		if json.Unmarshal(scanner.Bytes(), &l) != nil {
			continue
		}
		c.mu.Lock()
		a := &c.absences[l.C]
		again, away := a.Heard() // the first line of a client is its connection
		switch {
		case l.T == "refused":
			a.Refuse(harness.Refusal{Away: away, Before: len(c.received[l.C]), Why: l.Why})
		case l.T == "event":
			c.received[l.C] = append(c.received[l.C], l.ID)
		case l.T == "shutdown":
			c.notices++
		case l.Recovered:
			c.connects++
			c.recovered++
		default:
			c.connects++
			if again && a.Explained == len(a.Refusals) {
				a.Refuse(harness.Refusal{Away: away, Before: len(c.received[l.C]), Why: "nothing said"})
			}
			a.Explained = len(a.Refusals)
		}
		c.mu.Unlock()
	}
}

// The server is killed at random moments, also while it starts and while
// clients recover. At the end everything that was acknowledged is stored, and
// every client was told of it exactly once and in order.
func TestNothingIsLostByKilling(t *testing.T) {
	_, err := exec.LookPath("node")
	harness.Need(t, err == nil, "node")
	_, err = os.Stat(filepath.Join("node_modules", "socket.io-client"))
	harness.Need(t, err == nil, "the official client")
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("seed %d", *seed)
	random := rand.New(rand.NewPCG(*seed, 0))

	// The limits of recovery are tried elsewhere: here no session may be refused,
	// also where the machine is so busy that a client misses many events.
	p := harness.Start(t, "--recovery-messages", "100000", "--recovery-age", "1h")
	crowds := []*crowd{
		startCrowd(t, p.URL, "socket.io-client", "default", 4),
		startCrowd(t, p.URL, "socket.io-client-4.7", "websocket", 4),
		startCrowd(t, p.URL, "socket.io-client", "polling", 4),
	}
	for _, c := range crowds {
		harness.Eventually(t, "the clients to connect", func() bool { return c.connections() >= len(c.received) })
	}
	stop := make(chan struct{})
	others := harness.Listeners("127.0.0.1:"+p.Port, 8)
	leave := harness.FollowAll(others)
	t.Cleanup(leave)
	for _, l := range others {
		harness.Eventually(t, "the clients in Go to connect", func() bool { return l.Connections() > 0 })
	}
	writers := []*writer{{t: t, url: p.URL, name: "a"}, {t: t, url: p.URL, name: "b"}}
	var writing sync.WaitGroup
	for _, w := range writers {
		writing.Go(func() { w.run(stop) })
	}
	for range *cycles {
		// From the middle of the start to well into the recovery.
		time.Sleep(time.Duration(random.IntN(700)) * time.Millisecond)
		p.Signal(syscall.SIGKILL)
		p.Run()
	}
	p.Wait()
	close(stop)
	writing.Wait()
	p.Submit("whoever has this one has come back after the last kill")

	stored := p.StoredIDs()
	lost, acknowledged := 0, 0
	for _, w := range writers {
		acknowledged += len(w.acknowledged)
		lost += missingIn(stored, w.acknowledged)
	}
	doubled, missing, disordered, recovered := 0, 0, 0, 0
	var away awayReport
	for _, c := range crowds {
		for i := range c.received {
			c.arrives(t, i, stored[len(stored)-1])
			d, m, o := judge(stored, c.copyOf(i))
			doubled, missing, disordered = doubled+d, missing+m, disordered+o
			away.add(t, c.kind, c.absenceOf(i), c.copyOf(i), stored)
		}
		recovered += c.recoveries()
	}
	for _, l := range others {
		harness.Eventually(t, "the last event to arrive", func() bool { return l.Has(stored[len(stored)-1]) })
	}
	leave()
	for _, l := range others {
		d, m, o := judge(stored, l.Received)
		doubled, missing, disordered = doubled+d, missing+m, disordered+o
		away.add(t, "Go websocket", l.Absence, l.Received, stored)
		recovered += l.Connects - 1 - len(l.Absence.Refusals)
	}
	t.Logf("figures: %d kills: %d acknowledged, %d stored, %d clients recovered %d times, refused %d; lost %d, doubled %d, missing %d, out of order %d; %v",
		*cycles, acknowledged, len(stored), len(others)+12, recovered, away.refused, lost, doubled, missing, disordered, &away)
	if lost+doubled+missing+disordered+away.refused > 0 {
		t.Fail()
	}
}

// missingIn counts the ids that are not stored.
func missingIn(stored, ids []string) (missing int) {
	known := make(map[string]bool, len(stored))
	for _, id := range stored {
		known[id] = true
	}
	for _, id := range ids {
		if !known[id] {
			missing++
		}
	}
	return missing
}

// arrives waits until client i has received an id, for as long as a client takes
// that finds out by its own heartbeat that it has to come back.
func (c *crowd) arrives(t *testing.T, i int, id string) {
	t.Helper()
	for deadline := time.Now().Add(2 * harness.Patience); !slices.Contains(c.copyOf(i), id); {
		if time.Now().After(deadline) {
			a := c.absenceOf(i)
			t.Fatalf("a client (%s) waited for the last event in vain, and had no news for %v", c.kind, time.Since(a.Last).Round(time.Millisecond))
		}
		time.Sleep(5 * time.Millisecond) // between two looks, not for luck
	}
}

// connections is how often clients connected.
func (c *crowd) connections() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.connects
}

// recoveries is how often the session that a client offered was taken up.
func (c *crowd) recoveries() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.recovered
}

func (c *crowd) copyOf(i int) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.received[i])
}

// judge compares what a client received with what is stored, both oldest first.
func judge(stored, received []string) (doubled, missing, disordered int) {
	seen := make(map[string]bool)
	var order []string
	for _, id := range received {
		if seen[id] {
			doubled++
			continue
		}
		seen[id] = true
		order = append(order, id)
	}
	var want []string
	for _, id := range stored {
		if seen[id] {
			want = append(want, id)
		} else {
			missing++
		}
	}
	for i := range min(len(want), len(order)) {
		if want[i] != order[i] {
			disordered++
		}
	}
	return doubled, missing, disordered
}
