package clients

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"podium/protocol/engineio"
	"podium/protocol/socketio"
	"podium/protocol/socketio/msgpack"
	"podium/test/harness"
)

// said is a line that podium connect --json prints.
type said struct {
	At        int64
	Type      string
	ID        string
	Recovered *bool
	Event     string
	Args      []json.RawMessage
	Reason    string
}

func (s said) args() string {
	var all []string
	for _, a := range s.Args {
		all = append(all, string(a))
	}
	return strings.Join(all, " ")
}

// connector is podium connect --json as a process.
type connector struct {
	t     *testing.T
	name  string
	input io.WriteCloser
	lines chan said // closed at the end of the output
	ended chan int  // has the exit status
}

func startConnector(t *testing.T, name, url string, flags ...string) *connector {
	t.Helper()
	path, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, append([]string{"connect", url, "--json"}, flags...)...)
	cmd.Dir = t.TempDir()
	in, out := harness.StartPiped(t, cmd)
	c := &connector{t: t, name: name, input: in, lines: make(chan said, 10_000), ended: make(chan int, 1)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(c.lines)
		all := bufio.NewScanner(out)
		all.Buffer(nil, 16<<20)
		for all.Scan() {
			var s said
			if err := json.Unmarshal(all.Bytes(), &s); err != nil || s.At == 0 || s.Type == "" {
				t.Errorf("%s: printed %q: %v", name, all.Bytes(), err)
			}
			c.lines <- s
		}
	}()
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-read
		_ = cmd.Wait() // the exit status tells
		c.ended <- cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
	})
	return c
}

func (c *connector) say(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.input, line+"\n"); err != nil {
		c.t.Fatalf("%s: %v", c.name, err)
	}
}

// next is the next line, which must be of one of some types; those of errors are passed
// over, as where the server is away.
func (c *connector) next(kinds ...string) said {
	c.t.Helper()
	late := time.After(harness.Patience)
	for {
		select {
		case s, ok := <-c.lines:
			wanted := slices.Contains(kinds, s.Type)
			if ok && s.Type == "error" && !wanted {
				continue
			}
			if !ok || !wanted {
				c.t.Fatalf("%s: got %+v instead of %s", c.name, s, kinds)
			}
			return s
		case <-late:
			c.t.Fatalf("%s: no %s came", c.name, kinds)
		}
	}
}

// status is the exit status.
func (c *connector) status() int {
	c.t.Helper()
	select {
	case code := <-c.ended:
		return code
	case <-time.After(harness.Patience):
		c.t.Fatalf("%s: did not end", c.name)
		return 0
	}
}

// connectServer is a server that podium connect is used against.
type connectServer struct {
	name    string
	flags   []string // that it asks for
	recover bool     // it can recover sessions
	start   func(t *testing.T) (s *killable)
}

// killable is a server that can be killed and started again at its address.
type killable struct {
	port          string
	kill, restart func()
	tell          func(room string, number int) // emits news
}

// nodeServer is an official server, which the client's own tests use too.
func nodeServer(pkg string, msgpack bool) func(t *testing.T) *killable {
	return func(t *testing.T) *killable {
		packages := []string{pkg}
		if msgpack {
			packages = append(packages, "socket.io-msgpack-parser")
		}
		harness.NeedClients(t, packages...)
		modules, err := filepath.Abs("node_modules")
		if err != nil {
			t.Fatal(err)
		}
		options := fmt.Sprintf(`{"connectionStateRecovery":{},"msgpack":%v}`, msgpack)
		k := &killable{port: harness.FreePort(t)}
		var cmd *exec.Cmd
		var orders io.WriteCloser
		k.restart = func() {
			cmd = exec.Command("node", "../protocol/client/testdata/server.js", pkg, options, k.port)
			cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
			in, out := harness.StartPiped(t, cmd)
			orders = in
			if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
				t.Fatalf("%s did not start: %v", pkg, err)
			}
		}
		k.kill = func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		k.tell = func(room string, number int) {
			fmt.Fprintf(orders, `{"room":%q,"event":"news","args":[%d]}`+"\n", room, number)
		}
		k.restart()
		t.Cleanup(k.kill)
		return k
	}
}

// ourServer is one of package socketio, with the same handlers.
func ourServer(p socketio.Parser) func(t *testing.T) *killable {
	return func(t *testing.T) *killable {
		k := &killable{port: harness.FreePort(t)}
		var srv *socketio.Server
		var web *http.Server
		k.restart = func() {
			srv = socketio.NewServer(socketio.Options{
				Engine: engineio.Options{AllowEIO3: true}, Parser: p, Recovery: &socketio.Recovery{Log: &socketio.MemoryLog{}},
			})
			socketio.OnEvent(srv, "echo", func(e *socketio.Event) {
				if e.WantsAck() {
					_ = e.Ack(e.Args.Any()...)
				} else {
					_ = e.Socket.Emit("echo", e.Args.Any()...)
				}
			})
			socketio.OnAck(srv, "about", func(s *socketio.Socket, _ struct{}) (map[string]any, error) {
				return map[string]any{"transport": s.Conn().Transport(), "auth": s.Handshake().Auth}, nil
			})
			socketio.OnAck(srv, "join", func(s *socketio.Socket, room string) (struct{}, error) { s.Join(room); return struct{}{}, nil })
			socketio.On(srv, "say", func(s *socketio.Socket, a socketio.Args) {
				var room, event string
				_ = a.Decode(&room, &event)
				_ = s.To(room).Emit(event, a[2:].Any()...)
			})
			socketio.On(srv, "kick", func(s *socketio.Socket, _ struct{}) { s.Disconnect(false) })
			srv.Of("/refused").Use(func(*socketio.Socket) error {
				return &socketio.Error{Message: "not you", Data: map[string]int{"code": 7}}
			})
			listener, err := net.Listen("tcp", "127.0.0.1:"+k.port)
			if err != nil {
				t.Fatal(err)
			}
			web = &http.Server{Handler: srv, ReadHeaderTimeout: harness.Patience}
			go func(web *http.Server) { _ = web.Serve(listener) }(web) // until it is closed
		}
		k.kill = func() {
			_ = web.Close()
			cut, cancel := context.WithCancel(context.Background())
			cancel()
			_ = srv.Shutdown(cut)
		}
		k.tell = func(room string, number int) {
			if err := srv.To(room).Emit("news", number); err != nil {
				t.Error(err)
			}
		}
		k.restart()
		t.Cleanup(k.kill)
		return k
	}
}

var connectServers = []connectServer{
	{name: "node 2.5", flags: []string{"--eio3"}, start: nodeServer("socket.io-2.5", false)},
	{name: "node 3.1", start: nodeServer("socket.io-3.1", false)},
	{name: "node 3.1, msgpack", flags: []string{"--msgpack"}, start: nodeServer("socket.io-3.1", true)},
	{name: "node 4.8", recover: true, start: nodeServer("socket.io", false)},
	{name: "node 4.8, msgpack", flags: []string{"--msgpack"}, recover: true, start: nodeServer("socket.io", true)},
	{name: "ours", recover: true, start: ourServer(nil)},
	{name: "ours, msgpack", flags: []string{"--msgpack"}, recover: true, start: ourServer(msgpack.Parser{})},
	{name: "ours, eio3", flags: []string{"--eio3"}, start: ourServer(nil)},
}

// connectModes are the ways that podium connect may go.
var connectModes = []struct {
	name  string
	flags []string
}{
	{"polling", []string{"--transports", "polling"}},
	{"websocket", []string{"--transports", "websocket"}},
	{"upgrade", nil},
}

// TestConnectAgainstEveryServer uses podium connect against official servers and ours
// over each transport: events, acknowledgements, binary, a connection that is reset, a
// server that is killed, exit statuses. It prints what it has shown as a table.
func TestConnectAgainstEveryServer(t *testing.T) {
	var table strings.Builder
	fmt.Fprintf(&table, "\n%-18s %-10s %-9s %s\n", "server", "transport", "recovered", "shown")
	for _, s := range connectServers {
		t.Run(s.name, func(t *testing.T) {
			srv := s.start(t)
			wire := harness.StartProxy(t, "127.0.0.1:"+srv.port)
			var rows []*connector
			for _, mode := range connectModes {
				flags := slices.Concat(mode.flags, s.flags)
				if s.recover {
					flags = append(flags, "--recover")
				}
				if !slices.Contains(s.flags, "--eio3") {
					flags = append(flags, "--auth", `{"token":"x"}`)
				}
				c := startConnector(t, mode.name, wire.URL(), flags...)
				speaks(t, c, !slices.Contains(s.flags, "--eio3"))
				rows = append(rows, c)
			}
			recovered := throughAReset(t, srv, wire, rows, s)
			throughAKill(srv, rows)
			for i, c := range rows {
				c.say(`join? "r"`)
				c.next("ack")
				once(t, wire.URL(), slices.Concat(connectModes[i].flags, s.flags), c)
				c.say("kick")
				if got := c.next("disconnect"); got.Reason != "io server disconnect" {
					t.Errorf("%s: put out for %q", c.name, got.Reason)
				}
				if code := c.status(); code != 1 {
					t.Errorf("%s: exit status %d after it was put out", c.name, code)
				}
				fmt.Fprintf(&table, "%-18s %-10s %-9s events, acknowledgements, binary, a reset, a kill, exit statuses\n", s.name, c.name, recovered[i])
			}
		})
	}
	t.Log(table.String())
}

// speaks shows events, acknowledgements and binary, once the transport is the wanted one.
func speaks(t *testing.T, c *connector, auth bool) {
	t.Helper()
	if got := c.next("connect"); got.ID == "" || got.Recovered == nil || *got.Recovered {
		t.Errorf("%s: connected as %+v", c.name, got)
	}
	want := `1 "a b" {"$bytes":"AAEC"} {"deep":[{"$bytes":"AQ=="}]}`
	c.say("echo " + want)
	if got := c.next("event"); got.Event != "echo" || !strings.HasPrefix(got.args(), want) {
		t.Errorf("%s: got %s %s", c.name, got.Event, got.args())
	}
	c.say("echo? " + want)
	if got := c.next("ack"); got.Event != "echo" || got.args() != want {
		t.Errorf("%s: answered with %s %s", c.name, got.Event, got.args())
	}
	transport := c.name
	if transport == "upgrade" {
		transport = "websocket"
	}
	harness.Eventually(t, c.name, func() bool {
		c.say("about?")
		var about struct {
			Transport string
			Auth      struct{ Token string }
		}
		if err := json.Unmarshal(c.next("ack").Args[0], &about); err != nil {
			t.Fatal(err)
		}
		if auth && about.Auth.Token != "x" {
			t.Fatalf("%s: auth %q", c.name, about.Auth.Token)
		}
		return about.Transport == transport
	})
	c.say(`join? "r"`)
	c.next("ack")
}

// throughAReset resets the connections, and says whether the sessions were recovered.
func throughAReset(t *testing.T, srv *killable, wire *harness.Proxy, rows []*connector, s connectServer) (recovered []string) {
	t.Helper()
	srv.tell("r", 1) // from here on there is an offset
	for _, c := range rows {
		if got := c.next("event"); got.Event != "news" || !strings.HasPrefix(got.args(), "1") {
			t.Errorf("%s: got %s %s", c.name, got.Event, got.args())
		}
	}
	wire.Reset(true)
	for _, c := range rows {
		if got := c.next("disconnect"); got.Reason != "transport close" && got.Reason != "transport error" {
			t.Errorf("%s: disconnected for %q", c.name, got.Reason)
		}
	}
	srv.tell("r", 2)
	wire.Back()
	for _, c := range rows {
		again := comesBack(c)
		recovered = append(recovered, map[bool]string{true: "yes", false: "no"}[again])
		// An official server may not have noticed yet that a client that polls is gone.
		if again != s.recover && !(c.name == "polling" && strings.HasPrefix(s.name, "node")) {
			t.Errorf("%s: recovered is %v", c.name, again)
		}
	}
	return recovered
}

// comesBack awaits the connection after a reset, and what was missed where the session was
// recovered. Servers for Node send that first.
func comesBack(c *connector) (recovered bool) {
	c.t.Helper()
	connected, missed := false, 0
	for !connected || recovered && missed == 0 {
		switch got := c.next("connect", "event"); got.Type {
		case "connect":
			connected, recovered = true, *got.Recovered
		default:
			if missed++; got.Event != "news" || !strings.HasPrefix(got.args(), "2") {
				c.t.Errorf("%s: got %s %s", c.name, got.Event, got.args())
			}
		}
	}
	if !recovered && missed > 0 {
		c.t.Errorf("%s: got what it missed, and is not recovered", c.name)
	}
	return recovered
}

// throughAKill has the server die and come back, knowing nothing.
func throughAKill(srv *killable, rows []*connector) {
	srv.kill()
	for _, c := range rows {
		c.t.Helper()
		c.next("disconnect")
		c.say("echo 9") // is kept until it can leave
	}
	srv.restart()
	for _, c := range rows {
		if *c.next("connect").Recovered {
			c.t.Errorf("%s: recovered from a server that knows nothing", c.name)
		}
		if got := c.next("event"); got.Event != "echo" || !strings.HasPrefix(got.args(), "9") {
			c.t.Errorf("%s: got %s %s", c.name, got.Event, got.args())
		}
	}
}

// once shows --once, and the exit statuses. The watcher is told something.
func once(t *testing.T, url string, flags []string, watcher *connector) {
	t.Helper()
	c := startConnector(t, "--once", url, append(flags, "--once")...)
	c.say("echo? 5")
	_ = c.input.Close()
	c.next("connect")
	if got := c.next("ack"); got.args() != "5" {
		t.Errorf("answered with %s", got.args())
	}
	if got := c.next("disconnect"); got.Reason != "io client disconnect" || c.status() != 0 {
		t.Errorf("ended for %q", got.Reason)
	}
	c = startConnector(t, "--once", url, append(flags, "--once")...)
	c.say(`say "r" "news" 77`) // which nobody acknowledges
	_ = c.input.Close()
	if got := watcher.next("event"); !strings.HasPrefix(got.args(), "77") || c.status() != 0 {
		t.Errorf("the watcher got %s", got.args())
	}
	c = startConnector(t, "refused", url, append(flags, "--namespace", "/refused")...)
	if got := c.next("error"); got.Reason != "not you" && got.args() != `{"code":7}` || c.status() != 1 {
		t.Errorf("refused for %q %s", got.Reason, got.args())
	}
}

// TestConnectThroughKillsOfPodium has podium connect --recover follow a contest whose
// server is killed again and again: each submission comes once, in order.
func TestConnectThroughKillsOfPodium(t *testing.T) {
	p := harness.Start(t)
	var rows []*connector
	ids := map[*connector]string{}
	for _, mode := range connectModes {
		c := startConnector(t, mode.name, p.URL, append(mode.flags, "--recover")...)
		ids[c] = c.next("connect").ID
		rows = append(rows, c)
	}
	number := 0
	submit := func() {
		t.Helper()
		number++
		id := p.Submit(fmt.Sprint("submission ", number))
		for _, c := range rows {
			for {
				got := c.next("event")
				if got.Event != "newSubmission" {
					continue
				}
				var entry struct{ ID string }
				if err := json.Unmarshal(got.Args[0], &entry); err != nil || entry.ID != id {
					t.Fatalf("%s: got %s instead of %s", c.name, entry.ID, id)
				}
				break
			}
		}
	}
	for range 3 {
		submit()
		submit()
		p.Signal(syscall.SIGKILL)
		for _, c := range rows {
			c.next("disconnect")
		}
		p.Run()
		p.Wait()
		for _, c := range rows {
			if got := c.next("connect"); !*got.Recovered || got.ID != ids[c] {
				t.Errorf("%s: came back as %+v, was %s", c.name, got, ids[c])
			}
		}
		submit()
	}
	for _, c := range rows {
		_ = c.input.Close()
	}
}
