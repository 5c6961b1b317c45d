// Package wiretest is the table that every wire of Node's servers has to pass: a Go server
// and an official one are a cluster, with official clients at both and, where the wire has
// one, the official emitter. Only tests import it, and node is what it starts.
package wiretest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"podium/protocol/emitter"
	"podium/protocol/socketio"
)

// Wire is what the table is run on.
type Wire struct {
	// Name is what the script calls it: classic, streams, the mode of the sharded
	// adapter, or postgres. URL is the database's.
	Name, URL string
	// Options make a Go server one of them. Where they have a Recovery, all servers
	// recover each other's sessions.
	Options func() socketio.Options
	// Emitter is ours.
	Emitter emitter.Emitter
	// Official says who the official emitter reaches: nobody where there is none.
	Official Reach
	// Unordered says that Node keeps no order: what is binary may pass what is not, and
	// what it emits at once comes in any order.
	Unordered bool
	// Settle waits until Node's server has subscribed to what is meant for a room, which
	// it joined a moment ago. Nil where it subscribes to nothing.
	Settle func(room string)
}

// Reach is who an emitter reaches.
type Reach int

// An emitter reaches nobody, the Go server alone, or both servers.
const (
	Nobody Reach = iota
	OnlyGo
	Both
)

// Run runs the table.
func Run(t *testing.T, w Wire) {
	m := start(t, w)
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"events", m.events},
		{"rooms", m.rooms},
		{"questions", m.questions},
		{"servers", m.servers},
		{"emitter", m.emitters},
		{"many", m.many},
		{"recovery", m.recovery},
		{"disconnect", m.disconnect},
		{"death", m.death},
	} {
		t.Log(step.name)
		step.run(t)
	}
}

// mixed is a cluster of a Go server with the client "g", and a Node server with the
// client "n". Both clients are in the room "both", and each in one named as it is.
type mixed struct {
	*peer
	Wire
	io    *socketio.Server
	urls  map[string]string // of servers, by client
	ids   map[string]string // of sockets, by client
	notes chan string       // what the Go server was told by the other

	recovers bool // servers recover each other's sessions
}

func start(t *testing.T, w Wire) *mixed {
	needNode(t, "redis", "pg", "socket.io", "@socket.io/redis-adapter", "@socket.io/redis-emitter",
		"@socket.io/redis-streams-adapter", "@socket.io/postgres-adapter", "@socket.io/postgres-emitter")
	m := &mixed{peer: startPeer(t, w.Name, w.URL), Wire: w, ids: make(map[string]string), notes: make(chan string, 100)}
	o := w.Options()
	m.recovers = o.Recovery != nil
	m.io = socketio.NewServer(o)
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
		shutdown(t, m.io)
		web.Close()
	})
	var port int
	m.do("port", nil, &port)
	m.urls = map[string]string{"g": web.URL, "n": fmt.Sprintf("http://127.0.0.1:%d", port)}
	m.meet()
	for name := range m.urls {
		m.connect(name)
	}
	return m
}

func shutdown(t *testing.T, srv *socketio.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

// meet waits until each server is asked by the other.
func (m *mixed) meet() {
	m.t.Helper()
	m.await("both servers know each other", func() error {
		replies, err := m.io.Of("/").ServerSideEmitWithAck(m.t.Context(), "note")
		if err != nil || len(replies) != 1 {
			return fmt.Errorf("answers to Go: %v, %w", replies, err)
		}
		var reply []json.RawMessage
		m.do("sideAsk", map[string]any{"event": "note", "args": []any{}}, &reply)
		if len(reply) != 1 {
			return fmt.Errorf("answers to Node: %s", reply)
		}
		return nil
	})
}

// await polls until f returns nil.
func (m *mixed) await(what string, f func() error) {
	m.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("%s: %v", what, err)
		}
	}
}

func (m *mixed) connect(name string) {
	m.t.Helper()
	var id string
	m.do("connect", map[string]any{"name": name, "url": m.urls[name]}, &id)
	m.ids[name] = id
	for _, room := range []string{"both", name} {
		m.do("enter", map[string]any{"name": name, "room": room}, nil)
	}
	if m.Settle != nil {
		m.Settle(name)
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
	case "local":
		b = b.Local()
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

// expect reads what a client gets next.
func (m *mixed) expect(t *testing.T, client string, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := m.next(client); got != w {
			t.Fatalf("%s got %.100s, want %.100s", client, got, w)
		}
	}
}

// expectAny is expect where the order is open.
func (m *mixed) expectAny(t *testing.T, client string, want ...string) {
	t.Helper()
	var got []string
	for range want {
		got = append(got, m.next(client))
	}
	want = slices.Sorted(slices.Values(want))
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("%s got %.400s, want %.400s", client, got, want)
	}
}

// events: each server and the official emitter address clients in every way.
func (m *mixed) events(t *testing.T) {
	object := map[string]any{"a": []any{1.5, "é\u2028<&>", nil}}
	sources := []string{"go", "emit"}
	if m.Official != Nobody {
		sources = append(sources, "emitter")
	}
	for _, from := range sources {
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
			{"", "", "local", []any{4}, `ev(4)`, from == "go", from == "emit"},
			{"", "", "", []any{[]byte{1, 2, 3}, map[string]any{"n": 1}}, `ev({"hex":"010203"},{"n":1})`, true, true},
			{"both", "", "", []any{map[string]any{"_placeholder": true, "num": 0}}, `ev({"_placeholder":true,"num":0})`, true, true},
			{"both", "", "", []any{strings.Repeat("é", 9000)}, `ev("` + strings.Repeat("é", 9000) + `")`, true, true},
		} {
			if from == "emitter" && c.flag == "local" {
				continue
			}
			m.emit(from, c.room, c.except, c.flag, c.args...)
			m.emit(from, "", "", "", "end") // whoever does not get the event gets this next
			for client, gets := range map[string]bool{"g": c.g, "n": c.n} {
				if client == "n" && from == "emitter" && m.Official == OnlyGo {
					continue
				}
				want := []string{`ev("end")`}
				if gets {
					want = []string{c.want, `ev("end")`}
				}
				t.Logf("%s to %q but %q %s: %.40s", from, c.room, c.except, c.flag, c.want)
				if m.Unordered {
					m.expectAny(t, client, want...)
				} else {
					m.expect(t, client, want...)
				}
			}
		}
	}
}

// rooms: each server moves the other's client, and then asks for what is there; a client
// that is not moved yet is moved a moment later.
func (m *mixed) rooms(t *testing.T) {
	must := musts(t)
	must(m.broadcast("n", "", "").SocketsJoin("x", "y"))
	m.inRooms(t, "n", "both", "n", "x", "y")
	must(m.broadcast("both", "g", "").SocketsLeave("x"))
	m.inRooms(t, "n", "both", "n", "y")
	m.do("join", map[string]any{"room": "g", "into": []string{"x", "y"}}, nil)
	m.inRooms(t, "g", "both", "g", "x", "y")
	m.do("leave", map[string]any{"room": "g", "into": "x"}, nil)
	m.inRooms(t, "g", "both", "g", "y")
	if m.Official != Nobody {
		m.do("emitterJoin", map[string]any{"room": "both", "into": "z"}, nil)
		m.inRooms(t, "g", "both", "g", "y", "z")
	}
	if m.Official == Both {
		m.inRooms(t, "n", "both", "n", "y", "z")
	}
	if m.Name == "classic" { // the other adapters know only their own
		var rooms []string
		m.do("rooms", nil, &rooms)
		want := []string{m.ids["g"], m.ids["n"], "both", "g", "n", "y", "z"}
		slices.Sort(want)
		if !reflect.DeepEqual(rooms, want) {
			t.Errorf("all rooms are %v, want %v", rooms, want)
		}
	}
	must(m.broadcast("", "", "").SocketsLeave("y", "z"))
	m.inRooms(t, "g", "both", "g")
	m.inRooms(t, "n", "both", "n")
}

func musts(t *testing.T) func(error) {
	return func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// found is a socket as either server finds it.
type found struct {
	ID    string            `json:"id"`
	Rooms []string          `json:"rooms"`
	Data  map[string]string `json:"data"`
	Query string            `json:"query"`
}

// inRooms has both servers look until a client is in exactly these rooms, and its own.
func (m *mixed) inRooms(t *testing.T, client string, rooms ...string) {
	t.Helper()
	rooms = append(rooms, m.ids[client])
	slices.Sort(rooms)
	for name, find := range map[string]func(string) []found{"go": m.goSockets, "node": m.nodeSockets} {
		for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			list := find(m.ids[client])
			if len(list) == 1 && reflect.DeepEqual(list[0].Rooms, rooms) {
				if from := map[string]string{"g": "go", "n": "node"}[client]; list[0].Data["from"] != from || list[0].Query != "4" {
					t.Errorf("%s finds %+v", name, list[0])
				}
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s finds %+v, want rooms %v", name, list, rooms)
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

// questions: clients of both servers acknowledge, with bytes both ways.
func (m *mixed) questions(t *testing.T) {
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
		m.expect(t, "g", `q(5,{"hex":"09"})`)
		m.expect(t, "n", `q(5,{"hex":"09"})`)
	}
	// Where nobody listens, nobody answers, at once.
	began := time.Now()
	if answers, err := m.broadcast("nobody", "", "").EmitWithAck(t.Context(), "q"); err != nil || len(answers) != 0 {
		t.Errorf("nobody answers %v, %v", answers, err)
	}
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("that took %v", d)
	}
}

// servers: what servers tell and ask each other.
func (m *mixed) servers(t *testing.T) {
	musts(t)(m.io.Of("/").ServerSideEmit("note", "a", 1))
	m.expect(t, "node", `note("a",1)`)
	m.do("side", map[string]any{"event": "note", "args": []any{"b", 2}}, nil)
	if got := m.note(); got != `note["b" 2]` {
		t.Errorf("Go was told %s", got)
	}
	if m.Official != Nobody {
		m.do("emitterSide", map[string]any{"event": "note", "args": []any{"c"}}, nil)
		if got := m.note(); got != `note["c"]` {
			t.Errorf("an emitter told Go %s", got)
		}
	}
	if m.Official == Both {
		m.expect(t, "node", `note("c")`)
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
}

// emitters: ours reaches the clients of both servers, and the servers.
func (m *mixed) emitters(t *testing.T) {
	e, ctx, must := m.Emitter, t.Context(), musts(t)
	must(e.Emit(ctx, "ev", 1, "a"))
	must(e.To("both").Except("g").Emit(ctx, "n"))
	must(e.To("g").Compress(false).Emit(ctx, "g", "x"))
	m.expect(t, "g", `ev(1,"a")`, `g("x")`)
	m.expect(t, "n", `ev(1,"a")`, `n()`)
	must(e.Emit(ctx, "bytes", []byte{1}))
	m.expect(t, "g", `bytes({"hex":"01"})`)
	m.expect(t, "n", `bytes({"hex":"01"})`)
	must(e.Volatile().Emit(ctx, "v")) // nothing else is on its way to either
	m.expect(t, "g", "v()")
	m.expect(t, "n", "v()")
	must(e.Of("/elsewhere").Emit(ctx, "elsewhere")) // nobody is there
	must(e.ServerSideEmit(ctx, "note", "x"))
	m.expect(t, "node", `note("x")`)
	if got := m.note(); got != `note["x"]` {
		t.Errorf("Go was told %s", got)
	}
	must(e.To("both").SocketsJoin(ctx, "x", "y"))
	must(e.To("both").SocketsLeave(ctx, "x"))
	m.inRooms(t, "g", "both", "g", "y")
	m.inRooms(t, "n", "both", "n", "y")
	if err := e.Emit(ctx, "connect"); !errors.Is(err, socketio.ErrReservedEvent) {
		t.Errorf("a reserved event: %v", err)
	}
	must(e.To("y").DisconnectSockets(ctx, true))
	m.expect(t, "g", "gone()")
	m.expect(t, "n", "gone()")
	m.connect("g")
	m.connect("n")
}

// many: what is emitted in a burst comes whole, and in order where there is one.
func (m *mixed) many(t *testing.T) {
	const n = 500
	for _, from := range []string{"go", "emit"} {
		for i := range n {
			m.emit(from, "both", "", "", i)
		}
		var want []string
		for i := range n {
			want = append(want, fmt.Sprintf("ev(%d)", i))
		}
		for _, client := range []string{"g", "n"} {
			if m.Unordered && from == "emit" {
				m.expectAny(t, client, want...)
			} else {
				m.expect(t, client, want...)
			}
		}
	}
}

// recovery: clients that fell off come back to the other server, and miss nothing.
func (m *mixed) recovery(t *testing.T) {
	if !m.recovers {
		return
	}
	for _, c := range []struct{ client, to string }{
		{"g", "n"}, {"g", "g"}, {"g", "n"}, {"g", "n"}, {"g", "g"}, {"g", "g"},
		{"n", "g"}, {"n", "n"}, {"n", "g"}, {"n", "g"}, {"n", "n"}, {"n", "n"},
	} {
		m.emit("go", "both", "", "", "before") // without an event Node recovers nobody
		for _, client := range []string{"g", "n"} {
			m.expect(t, client, `ev("before")`)
		}
		other := map[string]string{"g": "n", "n": "g"}[c.client]
		m.do("drop", map[string]any{"name": c.client}, nil)
		m.expect(t, c.client, "gone()")
		for i, from := range []string{"go", "emit", "go", "emit"} {
			m.emit(from, "both", "", "", i)
			m.emit(from, "", "", "", "all", i)
			m.emit(from, other, "", "", "the other's")
			// The other one has it, and so it is logged before what the next server emits.
			m.expect(t, other, fmt.Sprintf("ev(%d)", i), fmt.Sprintf(`ev("all",%d)`, i), `ev("the other's")`)
		}
		var back struct {
			ID        string
			Recovered bool
		}
		m.do("return", map[string]any{"name": c.client, "url": m.urls[c.to]}, &back)
		if !back.Recovered || back.ID != m.ids[c.client] {
			t.Fatalf("%s comes back to %s: %+v", c.client, c.to, back)
		}
		for i := range 4 {
			m.expect(t, c.client, fmt.Sprintf("ev(%d)", i), fmt.Sprintf(`ev("all",%d)`, i))
		}
		for _, from := range []string{"go", "emit"} {
			m.emit(from, "both", "", "", "after")
			for _, client := range []string{"g", "n"} {
				m.expect(t, client, `ev("after")`)
			}
		}
	}
}

// disconnect: each server puts the other's client out.
func (m *mixed) disconnect(t *testing.T) {
	musts(t)(m.broadcast("n", "", "").DisconnectSockets(true))
	m.expect(t, "n", "gone()")
	m.do("disconnect", map[string]any{"room": "g"}, nil)
	m.expect(t, "g", "gone()")
}

// death: servers that are gone are not waited for.
func (m *mixed) death(t *testing.T) {
	other := socketio.NewServer(m.Options())
	other.Of("/").OnServerSide("", func(e *socketio.ServerEvent) {
		if e.WantsAck() {
			_ = e.Ack("third") // the asker may be gone
		}
	})
	m.await("Node knows a third server", func() error {
		var replies []json.RawMessage
		m.do("sideAsk", map[string]any{"event": "note", "args": []any{}}, &replies)
		if len(replies) != 2 {
			return fmt.Errorf("it is answered %s", replies)
		}
		return nil
	})
	shutdown(t, other)
	began := time.Now()
	if got := m.nodeSockets("nobody"); len(got) != 0 {
		t.Errorf("Node finds %v", got)
	}
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("Node waited %v for a server that has left", d)
	}
	m.kill()
	m.await("Go does not wait for a server that was killed", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := m.io.Of("/").FetchSockets(ctx)
		return err
	})
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
