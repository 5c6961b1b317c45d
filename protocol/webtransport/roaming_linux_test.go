package webtransport

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"podium/protocol/engineio"
	"podium/protocol/websocket"
)

// The network of TestRoaming: a server with one address, and a phone that reaches it by
// two ways, each in a namespace of its own.
const (
	roamingServer = "10.77.0.1:9443"
	roamingRole   = "PODIUM_ROAMING" // tells a child what it is
	roamingTick   = 10 * time.Millisecond
	roamingPing   = 4 * time.Second // and half of it to answer

	roamingKeepAlive = 500 * time.Millisecond
)

// A phone that changes from Wi-Fi to mobile has another address. Over WebTransport its
// session goes on as soon as it sends something from there, if nothing else a keep-alive;
// over WebSocket it ends when a heartbeat is missed. The figures of the package's comment
// are from
//
//	go test -run TestRoaming -v ./protocol/webtransport
//
// as root.
func TestRoaming(t *testing.T) {
	switch role := os.Getenv(roamingRole); role {
	case "":
	case "server":
		roamServer(t)
		return
	default:
		roamClient(t, role)
		return
	}
	if os.Getuid() != 0 {
		t.Skip("only root can make network namespaces")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("ip is missing: install iproute2")
	}
	gaps := make(map[string]time.Duration)
	for _, role := range []string{"quic that speaks", "quic that keeps alive", "websocket"} {
		gap, same := roam(t, role)
		t.Logf("%s: nothing arrived for %s; the same session: %t", role, gap.Round(time.Millisecond), same)
		if same != strings.HasPrefix(role, "quic") {
			t.Errorf("%s: the same session: %t", role, same)
		}
		gaps[role] = gap
	}
	if gaps["websocket"] < gaps["quic that speaks"] || gaps["websocket"] < gaps["quic that keeps alive"] {
		t.Errorf("QUIC has no advantage: %v", gaps)
	}
}

// roam has a client change its way, and returns for how long it heard nothing, and
// whether its session went on.
func roam(t *testing.T, role string) (gap time.Duration, same bool) {
	t.Helper()
	suffix := fmt.Sprint(os.Getpid())
	phone, host := "podium-phone-"+suffix, "podium-host-"+suffix
	t.Cleanup(func() {
		_ = exec.Command("ip", "netns", "del", phone).Run() // not there: it was not made
		_ = exec.Command("ip", "netns", "del", host).Run()
	})
	for _, line := range []string{
		"netns add " + phone, "netns add " + host,
		"-n " + phone + " link add wifi type veth peer name wifi netns " + host,
		"-n " + phone + " link add mobile type veth peer name mobile netns " + host,
		"-n " + host + " addr add 10.77.0.1/32 dev lo", "-n " + host + " link set lo up", "-n " + phone + " link set lo up",
		"-n " + host + " addr add 10.77.1.1/24 dev wifi", "-n " + host + " link set wifi up",
		"-n " + host + " addr add 10.77.2.1/24 dev mobile", "-n " + host + " link set mobile up",
		"-n " + phone + " addr add 10.77.1.2/24 dev wifi", "-n " + phone + " link set wifi up",
		"-n " + phone + " addr add 10.77.2.2/24 dev mobile", "-n " + phone + " link set mobile up",
		"-n " + phone + " route add 10.77.0.1 via 10.77.1.1",
	} {
		ip(t, line)
	}
	server := startChild(t, host, "server")
	server.wait("ready")
	client := startChild(t, phone, role)
	client.wait("connected")
	client.say("moving")
	// There is always a way: the QUIC library of the client gives up when the kernel knows none.
	ip(t, "-n "+phone+" route replace 10.77.0.1 via 10.77.2.1")
	ip(t, "-n "+phone+" addr del 10.77.1.2/24 dev wifi")
	ip(t, "-n "+phone+" link set wifi down")
	client.say("moved")
	var ms int64
	if _, err := fmt.Sscanf(client.wait("gap "), "gap %d %t", &ms, &same); err != nil {
		t.Fatal(err)
	}
	client.end()
	server.end()
	ip(t, "netns del "+phone)
	ip(t, "netns del "+host)
	return time.Duration(ms) * time.Millisecond, same
}

func ip(t *testing.T, line string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s", line, err, out)
	}
}

// child is this test in a namespace.
type child struct {
	*testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
}

func startChild(t *testing.T, namespace, role string) *child {
	t.Helper()
	c := &child{T: t, lines: make(chan string, 100)}
	c.cmd = exec.CommandContext(t.Context(), "ip", "netns", "exec", namespace, os.Args[0], "-test.run=^TestRoaming$", "-test.timeout=2m")
	c.cmd.Env = append(os.Environ(), roamingRole+"="+role)
	c.cmd.Stderr = os.Stderr
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			c.lines <- s.Text()
		}
	}()
	return c
}

// wait waits for a line that begins so.
func (c *child) wait(prefix string) string {
	c.Helper()
	var said []string
	for after := time.After(time.Minute); ; {
		select {
		case line, ok := <-c.lines:
			if !ok {
				c.Fatalf("it ended before it said %q; it said %q", prefix, said)
			}
			said = append(said, line)
			if strings.HasPrefix(line, prefix) {
				return line
			}
		case <-after:
			c.Fatalf("it did not say %q but %q", prefix, said)
		}
	}
}

func (c *child) say(line string) { _, _ = io.WriteString(c.in, line+"\n") }

func (c *child) end() {
	c.Helper()
	_ = c.in.Close()
	for range c.lines {
	}
	if err := c.cmd.Wait(); err != nil {
		c.Errorf("%v: %v", c.cmd.Args, err)
	}
}

// roamServer sends every session something at every tick, until its input ends.
func roamServer(t *testing.T) {
	engine := engineio.NewServer(engineio.Options{
		Transports: []string{"websocket", Transport}, PingInterval: roamingPing, PingTimeout: roamingPing / 2,
	}, func(s *engineio.Session) engineio.Receiver {
		go func() {
			for s.Post(engineio.Text([]byte("tick"))) == nil {
				time.Sleep(roamingTick) // it is the load
			}
		}()
		return &receiver{s, make(chan engineio.Reason, 2)}
	})
	tcp, err := net.Listen("tcp", roamingServer)
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", roamingServer)
	if err != nil {
		t.Fatal(err)
	}
	over := &http.Server{Handler: engine, ReadHeaderTimeout: patience}
	q := NewServer(Options{Handler: engine, TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}}})
	ended := make(chan error, 2)
	go func() { ended <- over.Serve(tcp) }()
	go func() { ended <- q.Serve(udp) }()
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := errors.Join(engine.Shutdown(ctx), q.Shutdown(ctx), over.Close()); err != nil {
		t.Error(err)
	}
	<-ended
	<-ended
}

// roamClient prints for how long nothing arrived since it was told that it moves, when
// a hundred messages have arrived since it had moved.
func roamClient(t *testing.T, role string) {
	heard := make(chan string, 1000) // the id of the session, for each message
	moved := make(chan string)
	go func() {
		for s := bufio.NewScanner(os.Stdin); s.Scan(); {
			moved <- s.Text()
		}
		close(moved)
	}()
	var change func()
	if role == "websocket" {
		change = roamOverWebSocket(t, heard)
	} else {
		change = roamOverQUIC(t, role, heard)
	}
	first := <-heard
	for range 20 {
		<-heard
	}
	fmt.Println("connected")
	var last time.Time
	var gap time.Duration
	for since := -1; since < 100; {
		select {
		case word := <-moved:
			if last = time.Now(); word == "moved" {
				since = 0
				change()
			}
		case id := <-heard:
			if !last.IsZero() {
				gap = max(gap, time.Since(last))
				last = time.Now()
			}
			if since >= 0 {
				since++
			}
			if since == 100 {
				fmt.Println("gap", gap.Milliseconds(), id == first)
			}
		case <-time.After(time.Minute):
			t.Fatal("nothing arrived")
		}
	}
	for range moved { // until the test has read it
	}
	os.Exit(0) // with its connections open
}

// roamOverQUIC connects, and returns what is done when the way has changed: it sends a
// message, or leaves it to the library to find that it has heard nothing for roamingKeepAlive.
func roamOverQUIC(t *testing.T, role string, heard chan<- string) (change func()) {
	s := &server{TB: t, url: "https://" + roamingServer + "/"}
	if role == "quic that keeps alive" {
		s.keepAlive = roamingKeepAlive
	}
	c := s.dial()
	c.say("0")
	id := c.next()
	_ = c.stream.SetReadDeadline(time.Time{})
	go func() {
		for {
			p, err := c.tryNext()
			if err != nil {
				return
			}
			if p == "2" {
				c.say("3")
				continue
			}
			select {
			case heard <- id:
			default:
			}
		}
	}()
	if role == "quic that speaks" {
		return func() { c.say("4here") }
	}
	return func() {}
}

// roamOverWebSocket connects, again whenever a session has ended. Nothing need be done
// when the way has changed: the heartbeat finds out.
func roamOverWebSocket(t *testing.T, heard chan<- string) (change func()) {
	o := engineio.DialOptions{Transports: []string{"websocket"}, WebSocket: websocket.NewClient(websocket.Options{})}
	var dial func()
	dial = func() {
		_, err := engineio.Dial(t.Context(), "http://"+roamingServer+"/", o, func(c *engineio.Client) engineio.Receiver {
			return &listener{id: c.ID(), heard: heard, ended: dial}
		})
		if err != nil && t.Context().Err() == nil {
			time.AfterFunc(100*time.Millisecond, dial)
		}
	}
	dial()
	return func() {}
}

// listener tells of what it hears.
type listener struct {
	id    string
	heard chan<- string
	ended func()
}

func (l *listener) OnMessage([]byte, bool) {
	select {
	case l.heard <- l.id:
	default:
	}
}

func (l *listener) OnClose(engineio.Reason, error) { go l.ended() }
