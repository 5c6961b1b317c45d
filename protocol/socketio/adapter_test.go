package socketio_test

import (
	"context"
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

func TestServersJoinedByAnAdapterActAsOne(t *testing.T) {
	b := new(bus)
	var srvs []*socketio.Server
	var clients []*pollClient
	for range 2 {
		srv := socketio.NewServer(socketio.Options{Adapter: b.open})
		socketio.OnAck(srv, "join", func(s *socketio.Socket, room string) (struct{}, error) {
			s.Join(room)
			s.SetData(map[string]string{"in": room})
			return struct{}{}, nil
		})
		c, end := serve(srv)
		defer end()
		c.join("")
		srvs, clients = append(srvs, srv), append(clients, c)
	}
	expect := func(c *pollClient, want string) {
		t.Helper()
		if got := c.next(); got != want {
			t.Fatalf("received %s, want %s", got, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()

	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(srvs[0].Emit("all", 1, []byte{2}))
	for _, c := range clients {
		expect(c, `51-["all",1,{"_placeholder":true,"num":0}]`)
		expect(c, `bAg==`)
	}
	clients[1].send(`21["join","r"]`)
	expect(clients[1], `31[]`)
	must(srvs[0].To("r").Emit("room"))
	expect(clients[1], `2["room"]`)

	list, err := srvs[0].Of("/").FetchSockets(ctx)
	must(err)
	if len(list) != 2 {
		t.Fatalf("fetched %d sockets", len(list))
	}
	far := list[1]
	if !slices.Contains(far.Rooms, "r") || string(far.Data) != `{"in":"r"}` {
		t.Errorf("fetched %+v", far)
	}
	must(far.Emit("to you"))
	expect(clients[1], `2["to you"]`)
	must(far.Leave("r"))
	must(far.Join("q"))

	type answer struct {
		all []int
		err error
	}
	got := make(chan answer, 1)
	go func() {
		all, err := socketio.CallAll[int](ctx, srvs[0].To("q", list[0].ID), "q")
		got <- answer{all, err}
	}()
	expect(clients[0], `20["q"]`)
	clients[0].send(`30[1]`)
	expect(clients[1], `20["q"]`)
	clients[1].send(`30[2]`)
	a := <-got
	slices.Sort(a.all)
	if a.err != nil || !slices.Equal(a.all, []int{1, 2}) {
		t.Errorf("answers %v, %v", a.all, a.err)
	}

	srvs[1].Of("/").OnServerSide("sum", func(e *socketio.ServerEvent) {
		var x, y int
		must(e.Args.Decode(&x, &y))
		must(e.Ack(x + y))
	})
	answers, err := srvs[0].Of("/").ServerSideEmitWithAck(ctx, "sum", 2, 3)
	must(err)
	if len(answers) != 1 || answers[0].Get(0).String() != "5" {
		t.Errorf("answers %v", answers)
	}
	must(srvs[0].To("q").DisconnectSockets(false))
	expect(clients[1], `1`)
}
