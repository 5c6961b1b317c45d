package clients

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"podium/protocol/socketio"
	"podium/test/harness"
)

// The connections of the upgrades below: how long what is sent is on its way, and
// from a WebSocket's first byte, within what time it is cut.
const (
	flight    = 5 * time.Millisecond
	cutWithin = 60 * time.Millisecond
)

// An official client whose WebSocket breaks while it upgrades either polls on or is
// told, and connects again: it does not fall silent until its heartbeat gives up.
// PODIUM_UPGRADES says how many are cut, at random moments.
func TestAClientWhoseUpgradeIsCutIsNotLeftSilent(t *testing.T) {
	harness.NeedClients(t, "socket.io-client", "socket.io")
	count := 60
	if s := os.Getenv("PODIUM_UPGRADES"); s != "" {
		count, _ = strconv.Atoi(s)
	}
	srv := socketio.NewServer(socketio.Options{})
	socketio.OnAck(srv.Of("/"), "echo", func(_ *socketio.Socket, n int) (int, error) { return n, nil })
	ours := upgradesCut(t, serve(t, srv), count)
	peers := upgradesCut(t, startPeer(t), count)
	t.Logf("of %d upgrades that were cut, clients fell silent: %d here, %d with the official server", count, ours, peers)
	if ours > peers+count/6 { // mostly it is a third of them
		t.Errorf("%d of %d clients fell silent, %d with the official server", ours, count, peers)
	}
}

// startPeer runs the official server until the test ends.
func startPeer(t *testing.T) string {
	t.Helper()
	port := harness.FreePort(t)
	cmd := exec.Command("node", "clients/peer.cjs", port)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	harness.Eventually(t, "the official server", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		return err == nil && c.Close() == nil
	})
	return "http://127.0.0.1:" + port
}

// upgradesCut is how many of count clients fell silent.
func upgradesCut(t *testing.T, server string, count int) int {
	t.Helper()
	c := startCutter(t, server)
	cmd := exec.CommandContext(t.Context(), "node", "clients/silent.cjs", c.url, strconv.Itoa(count), "10")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var report struct{ Silent, Upgraded int }
	if err := json.Unmarshal(bytes.TrimSpace(out), &report); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	t.Logf("%s: %+v", server, report)
	return report.Silent
}

// cutter passes connections on with a delay, and resets the first WebSocket of each
// client at a random moment of its upgrade.
type cutter struct {
	url    string
	target string
	work   sync.WaitGroup

	mu   sync.Mutex // guards the fields below
	cut  map[string]bool
	ends []net.Conn
}

func startCutter(t *testing.T, server string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{url: "http://" + l.Addr().String(), target: at.Host, cut: make(map[string]bool)}
	c.work.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", c.target)
			if err != nil {
				_ = client.Close()
				continue
			}
			c.mu.Lock()
			c.ends = append(c.ends, client, server)
			c.mu.Unlock()
			c.work.Go(func() { c.pass(client, server, c.watch(client, server)) })
			c.work.Go(func() { c.pass(server, client, func([]byte) {}) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		c.mu.Lock()
		for _, end := range c.ends {
			_ = end.Close()
		}
		c.mu.Unlock()
		c.work.Wait()
	})
	return c
}

var upgradeOf = regexp.MustCompile(`[?&]n=(\d+)&.*transport=websocket`)

// watch cuts a connection that turns out to be a client's first WebSocket.
func (c *cutter) watch(client, server net.Conn) func([]byte) {
	return func(sent []byte) {
		found := upgradeOf.FindSubmatch(sent)
		if found == nil {
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if n := string(found[1]); !c.cut[n] {
			c.cut[n] = true
			time.AfterFunc(rand.N(cutWithin), func() {
				for _, end := range []net.Conn{client, server} {
					_ = end.(*net.TCPConn).SetLinger(0)
					_ = end.Close()
				}
			})
		}
	}
}

// pass copies one direction, each piece after its flight.
func (c *cutter) pass(from, to net.Conn, see func([]byte)) {
	type piece struct {
		data []byte
		due  time.Time
	}
	way := make(chan piece, 1000)
	c.work.Go(func() {
		for p := range way {
			time.Sleep(time.Until(p.due))
			_, _ = to.Write(p.data) // whoever is gone is found by reading
		}
		_ = to.Close()
	})
	defer close(way)
	for {
		buffer := make([]byte, 16<<10)
		n, err := from.Read(buffer)
		if n > 0 {
			see(buffer[:n])
			way <- piece{buffer[:n], time.Now().Add(flight)}
		}
		if err != nil {
			return
		}
	}
}
