package socketio_test

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"testing"
	"time"

	"podium/protocol/socketio"
)

// joinedServers are servers of one cluster, each with one client that is in the
// main namespace. Event "join" puts a client into a room.
func joinedServers(t *testing.T, n int) (srvs []*socketio.Server, clients []*pollClient) {
	b := new(socketio.MemoryCluster)
	for range n {
		srv := socketio.NewServer(socketio.Options{Cluster: b.Join})
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

// A pattern stands for its namespaces on all servers.
func TestSocketsOfAPatternAreFetchedAndServersTold(t *testing.T) {
	srvs, clients := joinedServers(t, 2)
	var patterns []*socketio.Namespace
	for i, srv := range srvs {
		patterns = append(patterns, srv.OfPattern(regexp.MustCompile(`^/room-\d+$`)))
		for _, room := range []string{"/room-1", "/room-2"} {
			clients[i].send("0" + room + ",")
			clients[i].next()
		}
	}
	list, err := patterns[0].FetchSockets(t.Context())
	must(t, err)
	if len(list) != 4 {
		t.Fatalf("fetched %d sockets", len(list))
	}
	for _, far := range list[2:] {
		must(t, far.Emit("to you"))
	}
	got := []string{clients[1].next(), clients[1].next()}
	slices.Sort(got)
	if want := []string{`2/room-1,["to you"]`, `2/room-2,["to you"]`}; !slices.Equal(got, want) {
		t.Errorf("received %q, want %q", got, want)
	}
	patterns[1].OnServerSide("size", func(e *socketio.ServerEvent) { must(t, e.Ack(len(e.Args))) })
	answers, err := patterns[0].ServerSideEmitWithAck(t.Context(), "size", 1, 2, 3)
	must(t, err)
	if len(answers) != 2 || answers[0].Get(0).String() != "3" {
		t.Errorf("answers %v", answers)
	}
}

// eager is a cluster whose messages come before it is made, and while those are
// answered.
type eager struct {
	node    socketio.Node
	answers []string
}

func (a *eager) fetch(request string) {
	a.node.Deliver(&socketio.Message{Kind: socketio.MessageFetch, From: "other", Namespace: "/", Request: request})
}

func (a *eager) Send(_ context.Context, m *socketio.Message) error {
	if a.answers = append(a.answers, m.Request); len(a.answers) == 1 {
		a.fetch("3")
	}
	return nil
}

func (*eager) Members(context.Context, string) ([]socketio.Member, error) { return nil, nil }
func (*eager) Close() error                                               { return nil }

func TestMessagesThatComeWhileAServerIsMadeKeepTheirOrder(t *testing.T) {
	var a eager
	srv := socketio.NewServer(socketio.Options{Cluster: func(_ socketio.Member, node socketio.Node) (socketio.Cluster, error) {
		a.node = node
		a.fetch("1")
		a.fetch("2")
		return &a, nil
	}})
	a.fetch("4")
	if want := []string{"1", "2", "3", "4"}; !slices.Equal(a.answers, want) {
		t.Errorf("answered %v, want %v", a.answers, want)
	}
	must(t, srv.Shutdown(t.Context()))
}
