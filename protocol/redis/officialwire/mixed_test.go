package officialwire

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"podium/protocol/services"
	"podium/protocol/socketio"
)

// modules is where the official packages are.
var modules, _ = filepath.Abs("../../../test/node_modules")

// needNode skips a test where Node or a package is missing, unless it is required.
func needNode(t *testing.T, packages ...string) {
	t.Helper()
	_, err := exec.LookPath("node")
	for _, name := range packages {
		if err == nil {
			_, err = os.Stat(filepath.Join(modules, name))
		}
	}
	if err == nil {
		return
	}
	if os.Getenv("PODIUM_TEST_REQUIRE") == "1" {
		t.Fatalf("needs Node and its packages (npm install --prefix test): %v", err)
	}
	t.Skipf("needs Node and its packages (npm install --prefix test): %v", err)
}

// patience bounds every wait.
const patience = 20 * time.Second

// got is what a client got, or the listener of a server.
type got struct {
	Client string            `json:"client"`
	Event  string            `json:"event"`
	Args   []json.RawMessage `json:"args"`
}

func (g got) String() string {
	var args []string
	for _, a := range g.Args {
		args = append(args, string(a))
	}
	return g.Event + "(" + strings.Join(args, ",") + ")"
}

// peer is a Node process: an official server, and official clients of both servers.
type peer struct {
	t  *testing.T
	in io.WriteCloser

	mu      sync.Mutex // guards the fields below
	last    int
	answers map[int]chan answer
	inbox   map[string]chan got
}

type answer struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  string          `json:"error"`
}

func startPeer(t *testing.T, wire, url string) *peer {
	t.Helper()
	cmd := exec.Command("node", "testdata/node.cjs", wire, url, modules)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	ready := make(chan answer, 1)
	p := &peer{t: t, in: in, answers: map[int]chan answer{0: ready}, inbox: make(map[string]chan got)}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() { defer close(read); p.read(out) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait() // it was killed
	})
	select {
	case <-ready:
	case <-time.After(patience):
		t.Fatal("Node does not start")
	}
	return p
}

func (p *peer) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var a answer
		var g got
		if json.Unmarshal(lines.Bytes(), &g) == nil && g.Client != "" {
			p.box(g.Client) <- g
			continue
		}
		if json.Unmarshal(lines.Bytes(), &a) == nil {
			p.mu.Lock()
			c := p.answers[a.ID]
			p.mu.Unlock()
			if c != nil {
				c <- a
			}
		}
	}
}

func (p *peer) box(name string) chan got {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inbox[name] == nil {
		p.inbox[name] = make(chan got, 1000)
	}
	return p.inbox[name]
}

// do has it do something, and reads the result.
func (p *peer) do(op string, words map[string]any, result any) {
	p.t.Helper()
	line := map[string]any{"op": op}
	for k, v := range words {
		line[k] = v
	}
	c := make(chan answer, 1)
	p.mu.Lock()
	p.last++
	line["id"] = p.last
	p.answers[p.last] = c
	p.mu.Unlock()
	b, err := json.Marshal(line)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.in.Write(append(b, '\n')); err != nil {
		p.t.Fatal(err)
	}
	select {
	case a := <-c:
		if a.Error != "" {
			p.t.Fatalf("%s: %s", op, a.Error)
		}
		if result != nil {
			if err := json.Unmarshal(a.Result, result); err != nil {
				p.t.Fatalf("%s: %s: %v", op, a.Result, err)
			}
		}
	case <-time.After(patience):
		p.t.Fatalf("%s %v: no answer", op, words)
	}
}

// next returns what a client got next.
func (p *peer) next(client string) string {
	p.t.Helper()
	select {
	case g := <-p.box(client):
		return g.String()
	case <-time.After(patience):
		p.t.Fatalf("%s got nothing", client)
		return ""
	}
}

// mixed is a cluster of a Go server with the client "g", and a Node server with the
// client "n". Both clients are in the room "both", and each in one named as it is.
type mixed struct {
	*peer
	t     *testing.T
	io    *socketio.Server
	redis *goredis.Client
	ids   map[string]string // of sockets, by client
	notes chan string       // what the Go server was told by the other
}

func startMixed(t *testing.T, wire string) *mixed {
	needNode(t, "redis", "socket.io", "@socket.io/redis-adapter", "@socket.io/redis-emitter", "@socket.io/redis-streams-adapter")
	r := services.StartRedis(t)
	client := goredis.NewClient(&goredis.Options{Addr: r.Addr, MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	o := Options{Client: client, Logger: slog.New(slog.DiscardHandler)}
	join := Classic{o}.Join
	if wire == "streams" {
		join = Streams{o}.Join
	}
	m := &mixed{peer: startPeer(t, wire, r.URL()), t: t, redis: client, ids: make(map[string]string), notes: make(chan string, 100)}
	m.io = socketio.NewServer(socketio.Options{Cluster: join})
	socketio.OnAck(m.io.Of("/"), "enter", func(s *socketio.Socket, room string) (struct{}, error) { s.Join(room); return struct{}{}, nil })
	m.io.OnConnection(func(s *socketio.Socket) { s.SetData(map[string]string{"from": "go"}) })
	m.io.Of("/").OnServerSide("", func(e *socketio.ServerEvent) {
		if e.WantsAck() {
			_ = e.Ack(map[string]any{"go": e.Args}) // the asker may be gone
			return
		}
		m.notes <- fmt.Sprint(e.Name, e.Args)
	})
	web := httptest.NewServer(m.io)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := m.io.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		web.Close()
	})
	var port int
	m.do("port", nil, &port)
	for name, url := range map[string]string{"g": web.URL, "n": fmt.Sprintf("http://127.0.0.1:%d", port)} {
		m.connect(name, url)
	}
	return m
}

func (m *mixed) connect(name, url string) {
	m.t.Helper()
	var id string
	m.do("connect", map[string]any{"name": name, "url": url}, &id)
	m.ids[name] = id
	for _, room := range []string{"both", name} {
		m.do("enter", map[string]any{"name": name, "room": room}, nil)
	}
}

// broadcast addresses as the table says it.
func (m *mixed) broadcast(room, except, flag string) socketio.Broadcast {
	b := m.io.Of("/").Timeout(3 * time.Second)
	if room != "" {
		b = b.To(room)
	}
	if except != "" {
		b = b.Except(except)
	}
	switch flag {
	case "volatile":
		b = b.Volatile()
	case "compress":
		b = b.Compress(false)
	}
	return b
}

// emit emits on the server that is named, with bytes as {"hex": …}.
func (m *mixed) emit(from, room, except, flag string, args ...any) {
	m.t.Helper()
	if from == "go" {
		if err := m.broadcast(room, except, flag).Emit("ev", args...); err != nil {
			m.t.Fatal(err)
		}
		return
	}
	told := make([]any, len(args))
	for i, a := range args {
		told[i] = a
		if b, ok := a.([]byte); ok {
			told[i] = map[string]string{"hex": fmt.Sprintf("%x", b)}
		}
	}
	m.do(from, map[string]any{"room": room, "except": except, "flag": flag, "event": "ev", "args": told}, nil)
}

var wires = []string{"classic", "streams"}

// sources are who emits: the Go server, the Node server, and on the classic wire a
// process without sockets.
func sources(wire string) []string {
	if wire == "classic" {
		return []string{"go", "emit", "emitter"}
	}
	return []string{"go", "emit"}
}

func TestAMixedClusterSpreadsEvents(t *testing.T) {
	for _, wire := range wires {
		t.Run(wire, func(t *testing.T) {
			m := startMixed(t, wire)
			object := map[string]any{"a": []any{1.5, "é\u2028<&>", nil}}
			for _, from := range sources(wire) {
				for _, c := range []struct {
					room, except, flag string
					args               []any
					want               string
					g, n               bool // who gets it
				}{
					{"", "", "", []any{1, object}, `ev(1,{"a":[1.5,"é` + "\u2028" + `<&>",null]})`, true, true},
					{"", "", "", []any{}, `ev()`, true, true},
					{"both", "", "", []any{"room"}, `ev("room")`, true, true},
					{"g", "", "", []any{"only g"}, `ev("only g")`, true, false},
					{"n", "", "", []any{"only n"}, `ev("only n")`, false, true},
					{m.ids["g"], "", "", []any{"one"}, `ev("one")`, true, false},
					{m.ids["n"], "", "", []any{"one"}, `ev("one")`, false, true},
					{"both", "n", "", []any{"but n"}, `ev("but n")`, true, false},
					{"", m.ids["g"], "", []any{"but g"}, `ev("but g")`, false, true},
					{"", "", "volatile", []any{2}, `ev(2)`, true, true},
					{"", "", "compress", []any{3}, `ev(3)`, true, true},
					{"", "", "", []any{[]byte{1, 2, 3}, map[string]any{"n": 1}}, `ev({"hex":"010203"},{"n":1})`, true, true},
					{"both", "", "", []any{map[string]any{"_placeholder": true, "num": 0}}, `ev({"_placeholder":true,"num":0})`, true, true},
				} {
					m.emit(from, c.room, c.except, c.flag, c.args...)
					m.emit(from, "", "", "", "end") // whoever does not get the event gets this next
					for client, gets := range map[string]bool{"g": c.g, "n": c.n} {
						want := []string{`ev("end")`}
						if gets {
							want = []string{c.want, `ev("end")`}
						}
						for _, w := range want {
							if got := m.next(client); got != w {
								t.Fatalf("%s to %q but %q %s: %s got %s, want %s", from, c.room, c.except, c.flag, client, got, w)
							}
						}
					}
				}
			}
		})
	}
}

func TestAMixedClusterPutsSocketsIntoRoomsAndOut(t *testing.T) {
	for _, wire := range wires {
		t.Run(wire, func(t *testing.T) {
			m := startMixed(t, wire)
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			// Each server moves the other's client, and then asks for what is there; a
			// client that is not moved yet is moved a moment later.
			must(m.broadcast("n", "", "").SocketsJoin("x", "y"))
			m.await("n", []string{m.ids["n"], "both", "n", "x", "y"})
			must(m.broadcast("both", "g", "").SocketsLeave("x"))
			m.await("n", []string{m.ids["n"], "both", "n", "y"})
			m.do("join", map[string]any{"room": "g", "into": []string{"x", "y"}}, nil)
			m.await("g", []string{m.ids["g"], "both", "g", "x", "y"})
			m.do("leave", map[string]any{"room": "g", "into": "x"}, nil)
			m.await("g", []string{m.ids["g"], "both", "g", "y"})
			if wire == "classic" {
				m.do("emitterJoin", map[string]any{"room": "both", "into": "z"}, nil)
				m.await("g", []string{m.ids["g"], "both", "g", "y", "z"})
				m.await("n", []string{m.ids["n"], "both", "n", "y", "z"})
				var rooms []string
				m.do("rooms", nil, &rooms)
				want := []string{m.ids["g"], m.ids["n"], "both", "g", "n", "y", "z"}
				slices.Sort(want)
				if !reflect.DeepEqual(rooms, want) {
					t.Errorf("all rooms are %v, want %v", rooms, want)
				}
			}
			must(m.broadcast("n", "", "").DisconnectSockets(true))
			if got := m.next("n"); got != "gone()" {
				t.Errorf("n: %s", got)
			}
			m.do("disconnect", map[string]any{"room": "g"}, nil)
			if got := m.next("g"); got != "gone()" {
				t.Errorf("g: %s", got)
			}
		})
	}
}

// found is a socket as either server finds it.
type found struct {
	ID    string            `json:"id"`
	Rooms []string          `json:"rooms"`
	Data  map[string]string `json:"data"`
	Query string            `json:"query"`
}

// await has both servers look until a client is in exactly these rooms.
func (m *mixed) await(client string, rooms []string) {
	m.t.Helper()
	slices.Sort(rooms)
	for name, find := range map[string]func(string) []found{"go": m.goSockets, "node": m.nodeSockets} {
		for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			list := find(m.ids[client])
			if len(list) == 1 && reflect.DeepEqual(list[0].Rooms, rooms) {
				if from := map[string]string{"g": "go", "n": "node"}[client]; list[0].Data["from"] != from || list[0].Query != "4" {
					m.t.Errorf("%s finds %+v", name, list[0])
				}
				break
			}
			if time.Now().After(deadline) {
				m.t.Fatalf("%s finds %+v, want rooms %v", name, list, rooms)
			}
		}
	}
}

func (m *mixed) goSockets(room string) (out []found) {
	m.t.Helper()
	list, err := m.broadcast(room, "", "").FetchSockets(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	for _, s := range list {
		f := found{ID: s.ID, Rooms: slices.Sorted(slices.Values(s.Rooms))}
		var h struct {
			Query map[string]string `json:"query"`
		}
		if err := json.Unmarshal(s.Handshake, &h); err != nil {
			m.t.Fatal(err)
		}
		f.Query = h.Query["EIO"]
		if err := json.Unmarshal(s.Data, &f.Data); err != nil {
			m.t.Fatal(err)
		}
		out = append(out, f)
	}
	return out
}

func (m *mixed) nodeSockets(room string) (out []found) {
	m.do("sockets", map[string]any{"room": room}, &out)
	return out
}

func TestAMixedClusterAsksAndAnswers(t *testing.T) {
	for _, wire := range wires {
		t.Run(wire, func(t *testing.T) {
			m := startMixed(t, wire)
			// Clients answer {from, bin}: bytes cross between the servers.
			answers, err := m.broadcast("both", "", "").EmitWithAck(t.Context(), "q", 5, []byte{9})
			if err != nil {
				t.Fatal(err)
			}
			var from []string
			for _, a := range answers {
				var v struct {
					From string
					Bin  []byte
				}
				if err := a.Decode(&v); err != nil || string(v.Bin) != "\x01\x02" {
					t.Errorf("%v: %v", a, err)
				}
				from = append(from, v.From)
			}
			slices.Sort(from)
			if !reflect.DeepEqual(from, []string{"g", "n"}) {
				t.Errorf("answers of %v", from)
			}
			var told []struct {
				From string
				Bin  struct{ Hex string }
			}
			m.do("ask", map[string]any{"room": "both", "event": "q", "args": []any{5, map[string]string{"hex": "09"}}}, &told)
			if len(told) != 2 || told[0].Bin.Hex != "0102" || told[1].Bin.Hex != "0102" || told[0].From == told[1].From {
				t.Errorf("Node is answered %+v", told)
			}
			for range 2 {
				for _, client := range []string{"g", "n"} {
					if got := m.next(client); got != `q(5,{"hex":"09"})` {
						t.Errorf("%s got %s", client, got)
					}
				}
			}

			if err := m.io.Of("/").ServerSideEmit("note", "a", 1); err != nil {
				t.Fatal(err)
			}
			if got := m.next("node"); got != `note("a",1)` {
				t.Errorf("Node was told %s", got)
			}
			m.do("side", map[string]any{"event": "note", "args": []any{"b", 2}}, nil)
			if got := m.note(); got != `note["b" 2]` {
				t.Errorf("Go was told %s", got)
			}
			if wire == "classic" {
				m.do("emitterSide", map[string]any{"event": "note", "args": []any{"c"}}, nil)
				if got, node := m.note(), m.next("node"); got != `note["c"]` || node != `note("c")` {
					t.Errorf("an emitter told Go %s, and Node %s", got, node)
				}
			}
			replies, err := m.io.Of("/").ServerSideEmitWithAck(t.Context(), "note", "d")
			if err != nil || len(replies) != 1 || replies[0].Get(0).String() != `{"node":["d"]}` {
				t.Errorf("Node answers %v, %v", replies, err)
			}
			var reply []json.RawMessage
			m.do("sideAsk", map[string]any{"event": "note", "args": []any{"e"}}, &reply)
			if len(reply) != 1 || string(reply[0]) != `{"go":["e"]}` {
				t.Errorf("Go answers %s", reply)
			}
		})
	}
}

// note returns what the Go server was told next.
func (m *mixed) note() string {
	m.t.Helper()
	select {
	case s := <-m.notes:
		return s
	case <-time.After(patience):
		m.t.Fatal("Go was told nothing")
		return ""
	}
}

// Entries that stop a Node server for good, or that nobody can read, stop nothing here.
func TestPoisonIsPassed(t *testing.T) {
	r := services.StartRedis(t)
	client := goredis.NewClient(&goredis.Options{Addr: r.Addr, MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	heard := make(listener, 10)
	s := Streams{Options{Client: client, Logger: slog.New(slog.DiscardHandler)}}
	c, err := s.Join(socketio.Member{ID: "me"}, heard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, entry := range [][]any{
		{"x", "y"},
		{"uid", "a", "nsp", "/", "type", "3"},
		{"uid", "a", "nsp", "/", "type", "three", "data", "{}"},
		{"uid", "a", "nsp", "/", "type", "3", "data", "{"},
		{"uid", "a", "nsp", "/", "type", "3", "data", "%"},
		{"uid", "a", "nsp", "/", "type", "3", "data", `{"packet":{"type":2,"data":[]},"opts":{}}`},
		{"uid", "a", "nsp", "/", "type", "4", "data", `{"opts":{"rooms":7}}`},
		{"uid", "a", "nsp", "/", "type", "99", "data", `{}`},
		{"uid", "a", "nsp", "/", "type", "1"},
		{"uid", "a", "nsp", "/", "type", "3", "data", `{"packet":{"type":2,"data":["end"]}}`},
	} {
		if err := client.XAdd(t.Context(), &goredis.XAddArgs{Stream: "socket.io", Values: entry}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, payload := range []string{"", "x", "{}", "\xc1", asked[:20]} {
		if err := client.Publish(t.Context(), "socket.io#/#", payload).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Publish(t.Context(), "socket.io#/#", asked).Err(); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for range 2 {
		select {
		case m := <-heard:
			seen[m.Event] = true
		case <-time.After(patience):
			t.Fatalf("heard only %v", seen)
		}
	}
	if !seen["end"] || !seen["q"] {
		t.Errorf("heard %v", seen)
	}
}

// listener is a server that only listens.
type listener chan *socketio.Message

func (l listener) Deliver(m *socketio.Message) { l <- m }

func (l listener) Left(string) {}
