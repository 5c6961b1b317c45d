package crash

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"podium/test/harness"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// jitterSize is how large a jitter test is. In the full size each client is cut
// off about every 15 s for 2 s, as others publish it.
type jitterSize struct {
	clients      int           // of each official client
	pause        time.Duration // between two events
	run          time.Duration
	every, away  time.Duration // of a client's connection
	reconnection time.Duration // first delay of the official client
	kills        int           // of the server, in the second half
}

var (
	fullJitter  = jitterSize{30, 50 * time.Millisecond, time.Minute, 15 * time.Second, 2 * time.Second, time.Second, 5}
	shortJitter = jitterSize{8, 50 * time.Millisecond, 4 * time.Second, 1500 * time.Millisecond, 200 * time.Millisecond, 100 * time.Millisecond, 2}
)

// contestant is a server in the jitter test and its audience.
type contestant struct {
	name     string
	address  string
	emit     func(caption string) error // returns when the server answered
	kill     func()                     // with SIGKILL, and start again
	proxies  []*harness.Proxy
	audience []*audience
}

// audience is official clients of one version, each behind a proxy of its own.
type audience struct {
	mu        sync.Mutex // guards the fields below
	connected []bool
	arrivals  []map[string][]float64 // by client: caption → when it arrived, ms since the epoch
	order     [][]string             // by client: captions as they came
	refused   int                    // connections after the first that were not recovered
}

// watch connects clients through proxies.
func (c *contestant) watch(t *testing.T, pkg, target string, size jitterSize) {
	t.Helper()
	a := &audience{connected: make([]bool, size.clients), order: make([][]string, size.clients)}
	args := []string{"clients/jitter.cjs", pkg, fmt.Sprint(size.reconnection.Milliseconds())}
	for range size.clients {
		p := harness.StartProxy(t, target)
		c.proxies = append(c.proxies, p)
		a.arrivals = append(a.arrivals, make(map[string][]float64))
		args = append(args, p.URL())
	}
	c.audience = append(c.audience, a)
	runNode(t, a.read, args...)
}

// runNode runs a script until the test ends, and hands what it prints to read.
func runNode(t *testing.T, read func(io.Reader), args ...string) {
	t.Helper()
	cmd := exec.Command("node", args...)
	in, out := harness.StartPiped(t, cmd)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		read(out)
	}()
	t.Cleanup(func() {
		_ = in.Close()
		<-ended
		_ = cmd.Wait()
	})
}

func (a *audience) read(out io.Reader) {
	scanner := bufio.NewScanner(out)
	for scanner.Scan() {
		words := strings.Fields(scanner.Text())
		if len(words) < 3 {
			continue
		}
		client, err := strconv.Atoi(words[1])
		if err != nil || client >= len(a.order) {
			continue
		}
		a.mu.Lock()
		if words[0] == "c" {
			if a.connected[client] && words[2] == "false" {
				a.refused++
			}
			a.connected[client] = true
		} else if at, err := strconv.ParseFloat(words[len(words)-1], 64); err == nil {
			a.order[client] = append(a.order[client], words[2])
			a.arrivals[client][words[2]] = append(a.arrivals[client][words[2]], at)
		}
		a.mu.Unlock()
	}
}

func (a *audience) all() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !slices.Contains(a.connected, false)
}

// podiumContestant is this server.
func podiumContestant(t *testing.T) *contestant {
	p := harness.Start(t)
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	w := &writer{t: t, url: p.URL}
	return &contestant{name: "podium", address: "127.0.0.1:" + p.Port, emit: func(caption string) error {
		body, kind := harness.Form(t, map[string]string{"category": "best", "caption": caption}, nil)
		if _, ok := w.try(client, "jitter-"+caption, kind, body.Bytes()); !ok {
			return fmt.Errorf("%s was not taken", caption)
		}
		return nil
	}, kill: func() { p.Signal(syscall.SIGKILL); p.Run() }}
}

// nodeContestant is the official server with its recovery in memory.
func nodeContestant(t *testing.T) *contestant {
	t.Helper()
	address := "127.0.0.1:" + harness.FreePort(t)
	var cmd *exec.Cmd
	run := func() {
		cmd = exec.Command("node", "clients/peer.cjs", strings.TrimPrefix(address, "127.0.0.1:"))
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	end := func() {
		_ = cmd.Process.Kill() // the peer that is killed is not asked first
		_ = cmd.Wait()
	}
	run()
	t.Cleanup(func() { end() })
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	emit := func(caption string) error {
		res, err := client.Post("http://"+address+"/emit", "application/json", bytes.NewBufferString(`{"caption":"`+caption+`"}`))
		if err != nil {
			return err
		}
		return res.Body.Close()
	}
	harness.Eventually(t, "the official server", func() bool {
		res, err := client.Get("http://" + address)
		return err == nil && res.Body.Close() == nil
	})
	return &contestant{name: "socket.io", address: address, emit: emit, kill: func() { end(); run() }}
}

// shake cuts the proxies off, each at its own moments, until stop is closed.
func (c *contestant) shake(random *rand.Rand, size jitterSize, stop <-chan struct{}) *sync.WaitGroup {
	var cutting sync.WaitGroup
	for _, p := range c.proxies {
		rng := rand.New(rand.NewPCG(random.Uint64(), 1))
		next := time.Duration(rng.Int64N(int64(size.every)))
		cutting.Go(func() {
			defer p.Back()
			for {
				if !harness.WaitFor(next, stop) {
					return
				}
				p.Reset(true)
				if !harness.WaitFor(size.away, stop) {
					return
				}
				p.Back()
				next = size.every*3/4 + time.Duration(rng.Int64N(int64(size.every/2)))
			}
		})
	}
	return &cutting
}

// speak emits events at a steady pace until stop is closed, each again until it
// was taken, and returns when each was sent first, in ms since the epoch.
func (c *contestant) speak(pause time.Duration, stop <-chan struct{}) map[string]float64 {
	sent := make(map[string]float64)
	for n := 0; harness.WaitFor(pause, stop); n++ {
		caption := strconv.Itoa(n)
		sent[caption] = float64(time.Now().UnixMicro()) / 1000
		for c.emit(caption) != nil {
			time.Sleep(20 * time.Millisecond) // the server is down; the next try decides
		}
	}
	return sent
}

// outcome is what reached the audience of what was sent.
type outcome struct {
	events, expected, once, doubled, disordered, refused int
	p50, p99                                             float64 // ms
}

func (o outcome) String() string {
	return fmt.Sprintf("%d events, %.2f %% of %d deliveries exactly once, %d doubled, %d out of order, %d not recovered; p50 %.1f ms, p99 %.1f ms",
		o.events, 100*float64(o.once)/float64(max(1, o.expected)), o.expected, o.doubled, o.disordered, o.refused, o.p50, o.p99)
}

func (c *contestant) outcome(sent map[string]float64) outcome {
	o := outcome{events: len(sent)}
	var delays []float64
	for _, a := range c.audience {
		a.mu.Lock()
		o.refused += a.refused
		for i, arrivals := range a.arrivals {
			o.expected += len(sent)
			for caption, at := range arrivals {
				if _, counted := sent[caption]; !counted {
					continue
				}
				if len(at) == 1 {
					o.once++
				} else {
					o.doubled++
				}
				delays = append(delays, at[0]-sent[caption])
			}
			highest := -1
			for _, caption := range a.order[i] {
				n, _ := strconv.Atoi(caption)
				if n < highest {
					o.disordered++
				}
				highest = max(highest, n)
			}
		}
		a.mu.Unlock()
	}
	if slices.Sort(delays); len(delays) > 0 {
		o.p50, o.p99 = delays[len(delays)/2], delays[len(delays)*99/100]
	}
	return o
}

// heartbeat is after what time the official client notices, with the server's
// defaults, that its connection was cut in the moment of an upgrade: it neither goes
// over then nor polls on. Nothing is lost by that, but late.
const heartbeat = 45 * time.Second

// jitter lets the contestants go through the same at the same moments, waits
// until ours has told everybody of everything, and returns what arrived.
func jitter(t *testing.T, size jitterSize, kills int, ours, peer *contestant) (podium, official outcome) {
	t.Helper()
	both := []*contestant{ours, peer}
	for _, c := range both {
		c.watch(t, "socket.io-client", c.address, size)
		c.watch(t, "socket.io-client-4.7", c.address, size)
		for _, a := range c.audience {
			harness.Eventually(t, "the clients of "+c.name, a.all)
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	stop := make(chan struct{})
	sent := make([]map[string]float64, len(both))
	var speaking sync.WaitGroup
	var cutting []*sync.WaitGroup
	for i, c := range both {
		cutting = append(cutting, c.shake(rand.New(rand.NewPCG(seed, 0)), size, stop))
		speaking.Go(func() { sent[i] = c.speak(size.pause, stop) })
	}
	for n := range kills + 1 {
		time.Sleep(size.run / time.Duration(kills+1)) // the length of the test, not a wait for something
		if n < kills {
			ours.kill()
			peer.kill()
		}
	}
	close(stop)
	speaking.Wait()
	for _, c := range cutting {
		c.Wait()
	}
	deadline := time.Now().Add(heartbeat + harness.Patience)
	for podium = ours.outcome(sent[0]); podium.once < podium.expected && time.Now().Before(deadline); podium = ours.outcome(sent[0]) {
		time.Sleep(20 * time.Millisecond) // between two looks
	}
	// The peer has as long as its clients take to come back, and a second.
	deadline = time.Now().Add(5*size.reconnection + time.Second)
	for official = peer.outcome(sent[1]); official.once < official.expected && time.Now().Before(deadline); official = peer.outcome(sent[1]) {
		time.Sleep(20 * time.Millisecond) // between two looks
	}
	return podium, official
}

// Clients lose their connections again and again while events flow, then the
// server is also killed. All of ours get every event exactly once and in order;
// beside them the official server with its own recovery, at the same moments.
func TestJitterLosesNothing(t *testing.T) {
	harness.NeedClients(t, "socket.io", "socket.io-client", "socket.io-client-4.7")
	size := shortJitter
	if *harness.Long {
		size = fullJitter
	}
	for _, half := range []struct {
		name  string
		kills int
	}{{"connections cut", 0}, {"connections cut and servers killed", size.kills}} {
		t.Run(half.name, func(t *testing.T) {
			podium, official := jitter(t, size, half.kills, podiumContestant(t), nodeContestant(t))
			t.Logf("figures: %s: %d clients, each away for %v about every %v, %d kills: podium %v; socket.io %v",
				half.name, 2*size.clients, size.away, size.every, half.kills, podium, official)
			if podium.once < podium.expected || podium.doubled+podium.disordered+podium.refused > 0 {
				t.Errorf("podium: %v", podium)
			}
		})
	}
}
