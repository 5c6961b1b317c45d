package sockettest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"podium/protocol/socketio"
)

// Join makes a server one of a cluster, as Options.Cluster of package socketio does.
type Join = func(self socketio.Member, node socketio.Node) (socketio.Cluster, error)

// TestCluster holds a [socketio.Cluster], what Node calls an adapter, to its contract.
// open makes an empty cluster, and returns what has one more server join it; what it has
// started ends with the test.
//
// That clients miss nothing where servers and databases fail is shown by Run of package
// podium/protocol/socketio/clustertest.
func TestCluster(t *testing.T, open func(t *testing.T) Join) {
	s := clusterSuite{open}
	t.Run("knows its members", s.members)
	t.Run("hands a message to one server", s.one)
	t.Run("hands messages to all others in the order of each sender", s.all)
	t.Run("keeps nothing of a message", s.keepsNothing)
	t.Run("drops messages to servers that are gone", s.gone)
}

// clusterSuite are the parts of TestCluster.
type clusterSuite struct {
	open func(t *testing.T) Join
}

// peer is a server of a cluster that notes what it is told. It is a [socketio.Node].
type peer struct {
	t       *testing.T
	self    socketio.Member
	cluster socketio.Cluster
	close   func()

	mu   sync.Mutex // guards the fields below
	came []*socketio.Message
	left []string
}

var _ socketio.Node = (*peer)(nil)

// join has a server of some name join.
func join(t *testing.T, with Join, id string) *peer {
	t.Helper()
	p := &peer{t: t, self: socketio.Member{
		ID: id, NodeID: "n" + id, Address: "http://" + id, Version: socketio.MessageVersion, Since: time.Now().Truncate(time.Millisecond),
	}}
	c, err := with(p.self, p)
	if err != nil {
		t.Fatal(err)
	}
	p.cluster = c
	p.close = sync.OnceFunc(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	t.Cleanup(p.close)
	return p
}

// Deliver implements [socketio.Node].
func (p *peer) Deliver(m *socketio.Message) {
	if m.From == p.self.ID {
		return // as a server does
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.came = append(p.came, m)
}

// Left implements [socketio.Node].
func (p *peer) Left(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = append(p.left, id)
}

// texts are the events that came from a server.
func (p *peer) texts(from string) (events []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.came {
		if m.From == from {
			events = append(events, m.Event)
		}
	}
	return events
}

// first is the first message that came, and count how many did.
func (p *peer) first() (m *socketio.Message, count int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.came) == 0 {
		return &socketio.Message{}, 0
	}
	return p.came[0], len(p.came)
}

func (p *peer) send(m socketio.Message) {
	p.t.Helper()
	m.From = p.self.ID
	if m.Kind == "" {
		m.Kind, m.Namespace = socketio.MessageEvent, "/"
	}
	if err := p.cluster.Send(patient(p.t), &m); err != nil {
		p.t.Fatalf("send: %v", err)
	}
}

// knows reports whether the other members are those of some names.
func (p *peer) knows(ids ...string) bool {
	p.t.Helper()
	members, err := p.cluster.Members(patient(p.t), "/")
	if err != nil {
		p.t.Fatalf("members: %v", err)
	}
	var names []string
	for _, m := range members {
		names = append(names, m.ID)
	}
	slices.Sort(names)
	return slices.Equal(names, ids)
}

// eventually polls until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in %v: %s", Patience, what)
		}
	}
}

func (s clusterSuite) members(t *testing.T) {
	with := s.open(t)
	a := join(t, with, "a")
	if !a.knows() {
		t.Error("a server that is alone has others")
	}
	b := join(t, with, "b")
	eventually(t, "both know each other", func() bool { return a.knows("b") && b.knows("a") })
	members, err := a.cluster.Members(patient(t), "/")
	if err != nil || len(members) != 1 {
		t.Fatalf("members %v, %v", members, err)
	}
	if got := members[0]; got.NodeID != b.self.NodeID || got.Address != b.self.Address || got.Version != b.self.Version || !got.Since.Equal(b.self.Since) {
		t.Errorf("%+v is known as %+v", b.self, got)
	}
	b.close()
	eventually(t, "the end is told", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return slices.Contains(a.left, "b")
	})
	if !a.knows() {
		t.Error("a server that has left is a member")
	}
}

// three has three servers know each other.
func (s clusterSuite) three(t *testing.T) (a, b, c *peer) {
	t.Helper()
	with := s.open(t)
	a, b, c = join(t, with, "a"), join(t, with, "b"), join(t, with, "c")
	eventually(t, "all know each other", func() bool { return a.knows("b", "c") && b.knows("a", "c") && c.knows("a", "b") })
	return a, b, c
}

func (s clusterSuite) one(t *testing.T) {
	a, b, c := s.three(t)
	want := socketio.Message{
		Kind: socketio.MessageAsk, To: "b", Request: "r", Namespace: "/n", Rooms: []string{"x", "ü"}, Except: []string{"y"}, Event: "e 1",
		Args: []json.RawMessage{json.RawMessage(`{"a":[1.0,"ä"]}`)}, Attachments: [][]byte{{0, 255}, {}}, Volatile: true, Uncompressed: true, Millis: 7,
	}
	a.send(want)
	want.From = "a"
	eventually(t, "the message comes", func() bool { return len(b.texts("a")) == 1 })
	a.send(socketio.Message{Event: "to all"}) // comes after what might have gone astray
	eventually(t, "the next one comes", func() bool { return len(c.texts("a")) > 0 })
	if got := c.texts("a"); len(got) != 1 || got[0] != "to all" {
		t.Errorf("another got %v", got)
	}
	if m, n := a.first(); n != 0 {
		t.Errorf("the sender got %s", asJSON(t, m))
	}
	first, _ := b.first()
	if got, asked := asJSON(t, first), asJSON(t, &want); got != asked {
		t.Errorf("got\n%s, sent as\n%s", got, asked)
	}
}

func asJSON(t *testing.T, m *socketio.Message) string {
	t.Helper()
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (s clusterSuite) all(t *testing.T) {
	const count = 100
	a, b, c := s.three(t)
	all := []*peer{a, b, c}
	var senders sync.WaitGroup
	for _, p := range all {
		senders.Go(func() {
			for i := range count {
				m := socketio.Message{Kind: socketio.MessageEvent, From: p.self.ID, Namespace: "/", Event: fmt.Sprint(i)}
				if err := p.cluster.Send(patient(t), &m); err != nil {
					t.Errorf("send: %v", err)
				}
			}
		})
	}
	senders.Wait()
	for _, p := range all {
		for _, from := range all {
			if from == p {
				continue
			}
			eventually(t, fmt.Sprintf("%s gets everything of %s", p.self.ID, from.self.ID), func() bool { return len(p.texts(from.self.ID)) >= count })
			for i, event := range p.texts(from.self.ID) {
				if event != fmt.Sprint(i) {
					t.Fatalf("%s got %s instead of %d from %s", p.self.ID, event, i, from.self.ID)
				}
			}
		}
	}
}

func (s clusterSuite) keepsNothing(t *testing.T) {
	a, b, _ := s.three(t)
	m := socketio.Message{Kind: socketio.MessageEvent, From: "a", Namespace: "/", Event: "e", Rooms: []string{"r"}, Args: []json.RawMessage{json.RawMessage(`"before"`)}}
	if err := a.cluster.Send(patient(t), &m); err != nil {
		t.Fatal(err)
	}
	m.Rooms[0] = "changed"
	copy(m.Args[0], `"after!"`)
	eventually(t, "the message comes", func() bool { return len(b.texts("a")) == 1 })
	if got, _ := b.first(); got.Rooms[0] != "r" || string(got.Args[0]) != `"before"` {
		t.Errorf("came as %s", asJSON(t, got))
	}
}

func (s clusterSuite) gone(t *testing.T) {
	a, b, c := s.three(t)
	b.close()
	eventually(t, "the end is known", func() bool { return a.knows("c") })
	before := len(b.texts("a"))
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	for _, to := range []string{"b", "nobody", ""} {
		m := socketio.Message{Kind: socketio.MessageEvent, From: "a", To: to, Namespace: "/", Event: "to " + to}
		if err := a.cluster.Send(ctx, &m); err != nil {
			t.Errorf("to %q: %v", to, err)
		}
	}
	eventually(t, "the last one comes", func() bool { return slices.Equal(c.texts("a"), []string{"to "}) })
	if n := len(b.texts("a")); n != before {
		t.Errorf("a server that has left got %d messages", n-before)
	}
}
