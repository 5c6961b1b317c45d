package socketio_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"podium/protocol/socketio"
)

// bus joins servers of one process. It stands for a message broker, and shows
// that an adapter needs nothing of the package but its interface.
type bus struct {
	mu    sync.Mutex // guards nodes
	nodes []*node
}

// node is one server's place on the bus. Its messages are delivered one at a
// time, in order, by a goroutine of its own.
type node struct {
	bus     *bus
	deliver func([]byte)
	inbox   chan []byte
	done    chan struct{}
}

func (b *bus) open(deliver func([]byte)) (socketio.Adapter, error) {
	n := &node{b, deliver, make(chan []byte, 1000), make(chan struct{})}
	b.mu.Lock()
	b.nodes = append(b.nodes, n)
	b.mu.Unlock()
	go func() {
		defer close(n.done)
		for m := range n.inbox {
			n.deliver(m)
		}
	}()
	return n, nil
}

func (n *node) Publish(message []byte) error {
	n.bus.mu.Lock()
	defer n.bus.mu.Unlock()
	for _, other := range n.bus.nodes {
		other.inbox <- slices.Clone(message) // its own messages too: they are ignored
	}
	return nil
}

func (n *node) Servers() (int, error) {
	n.bus.mu.Lock()
	defer n.bus.mu.Unlock()
	return len(n.bus.nodes), nil
}

func (n *node) Close() error {
	n.bus.mu.Lock()
	n.bus.nodes = slices.DeleteFunc(n.bus.nodes, func(o *node) bool { return o == n })
	n.bus.mu.Unlock()
	close(n.inbox)
	<-n.done
	return nil
}

// joinedServers are servers on one bus, each with one client that is in the
// main namespace. Event "join" puts a client into a room.
func joinedServers(t *testing.T, n int) (srvs []*socketio.Server, clients []*pollClient) {
	b := new(bus)
	for range n {
		srv := socketio.NewServer(socketio.Options{Adapter: b.open})
		socketio.OnAck(srv, "join", func(s *socketio.Socket, room string) (struct{}, error) {
			s.Join(room)
			s.SetData(map[string]string{"in": room})
			return struct{}{}, nil
		})
		c, end := serve(srv)
		t.Cleanup(end)
		c.join("")
		srvs, clients = append(srvs, srv), append(clients, c)
	}
	return srvs, clients
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (c *pollClient) expect(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := c.next(); got != w {
			t.Fatalf("received %s, want %s", got, w)
		}
	}
}

func TestEventsReachTheSocketsOfAllServers(t *testing.T) {
	srvs, clients := joinedServers(t, 2)
	must(t, srvs[0].Emit("all", 1, []byte{2}))
	for _, c := range clients {
		c.expect(t, `51-["all",1,{"_placeholder":true,"num":0}]`, `bAg==`)
	}
	clients[1].send(`21["join","r"]`)
	clients[1].expect(t, `31[]`)
	must(t, srvs[0].To("r").Emit("room"))
	clients[1].expect(t, `2["room"]`)
	must(t, srvs[0].Of("/").Local().Emit("near"))
	must(t, srvs[0].To("r").DisconnectSockets(false))
	clients[1].expect(t, `1`)
	clients[0].expect(t, `2["near"]`)
}

func TestSocketsOfOtherServersAreFetchedAndMoved(t *testing.T) {
	srvs, clients := joinedServers(t, 2)
	clients[1].send(`21["join","r"]`)
	clients[1].expect(t, `31[]`)
	list, err := srvs[0].Of("/").FetchSockets(t.Context())
	must(t, err)
	if len(list) != 2 {
		t.Fatalf("fetched %d sockets", len(list))
	}
	far := list[1]
	if !slices.Contains(far.Rooms, "r") || string(far.Data) != `{"in":"r"}` {
		t.Errorf("fetched %+v", far)
	}
	must(t, far.Emit("to you"))
	clients[1].expect(t, `2["to you"]`)
	must(t, far.Leave("r"))
	must(t, far.Join("q"))
	must(t, srvs[0].To("r").Emit("to nobody"))
	must(t, srvs[0].To("q").Emit("to q"))
	clients[1].expect(t, `2["to q"]`)
}

func TestServersAskEachOthersSocketsAndEachOther(t *testing.T) {
	srvs, clients := joinedServers(t, 2)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	type answer struct {
		all []int
		err error
	}
	got := make(chan answer, 1)
	go func() {
		all, err := socketio.CallAll[int](ctx, srvs[0].Of("/").Timeout(time.Minute), "q")
		got <- answer{all, err}
	}()
	for i, c := range clients {
		c.expect(t, `20["q"]`)
		c.send([]string{`30[1]`, `30[2]`}[i])
	}
	a := <-got
	slices.Sort(a.all)
	if a.err != nil || !slices.Equal(a.all, []int{1, 2}) {
		t.Errorf("answers %v, %v", a.all, a.err)
	}
	srvs[1].Of("/").OnServerSide("sum", func(e *socketio.ServerEvent) {
		var x, y int
		if err := e.Args.Decode(&x, &y); err != nil {
			t.Error(err)
		}
		if err := e.Ack(x + y); err != nil {
			t.Error(err)
		}
		if err := e.Ack(x - y); !errors.Is(err, socketio.ErrAcked) {
			t.Errorf("a second answer: %v", err)
		}
	})
	answers, err := srvs[0].Of("/").ServerSideEmitWithAck(ctx, "sum", 2, 3)
	must(t, err)
	if len(answers) != 1 || answers[0].Get(0).String() != "5" {
		t.Errorf("answers %v", answers)
	}
}

func TestOneSocketOfAnotherServerIsAskedAndPutOut(t *testing.T) {
	srvs, clients := joinedServers(t, 2)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	list, err := srvs[0].Of("/").FetchSockets(ctx)
	must(t, err)
	far := list[1]
	answers := make(chan socketio.Args, 1)
	go func() {
		args, err := far.EmitWithAck(ctx, "q", 1)
		if err != nil {
			t.Error(err)
		}
		answers <- args
	}()
	clients[1].expect(t, `20["q",1]`)
	clients[1].send(`30["a"]`)
	if a := <-answers; len(a) != 1 || a.Get(0).String() != `"a"` {
		t.Errorf("answer %v", a)
	}
	got := make(chan bool, 1)
	srvs[1].Of("/").OnServerSide("note", func(e *socketio.ServerEvent) { got <- e.WantsAck() })
	srvs[0].Of("/").OnServerSide("note", func(*socketio.ServerEvent) { t.Error("came back") })
	must(t, srvs[0].Of("/").ServerSideEmit("note", "x"))
	if <-got {
		t.Error("nobody waits for an answer")
	}
	must(t, far.Disconnect(false))
	clients[1].expect(t, `1`)
}
