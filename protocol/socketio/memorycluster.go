package socketio

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"
)

// MemoryCluster joins servers of one process, for tests and for trying out what a
// cluster does: with messages, a log that they share, and their session records.
// The zero value is ready to use.
//
//	var m socketio.MemoryCluster
//	options := socketio.Options{Cluster: m.Join, Recovery: m.Recovery()}
//	one, two := socketio.NewServer(options), socketio.NewServer(options)
type MemoryCluster struct {
	// Log bounds what is kept. Change it before the first server is made.
	Log MemoryLog

	once   sync.Once
	key    []byte
	shared *sharedLog
	store  memorySessions

	mu    sync.Mutex // guards nodes; held while a message is handed out, which keeps their order
	nodes []*memoryNode
}

// Recovery returns what servers that are one have in common. Each may change its copy.
func (m *MemoryCluster) Recovery() *Recovery {
	m.once.Do(func() {
		m.key = []byte(randomHex() + randomHex())
		m.shared = &sharedLog{log: &m.Log, grown: make(chan struct{})}
	})
	return &Recovery{Log: m.shared, Key: m.key, Sessions: &m.store}
}

// Join is what [Options.Cluster] takes.
func (m *MemoryCluster) Join(self Member, node Node) (Cluster, error) {
	n := &memoryNode{cluster: m, self: self, node: node, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go n.run()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nodes = append(m.nodes, n)
	return n, nil
}

// memoryNode is a server's place in a MemoryCluster. A goroutine of its own hands it
// what others send.
type memoryNode struct {
	cluster *MemoryCluster
	self    Member
	node    Node
	wake    chan struct{}
	ended   chan struct{}

	mu     sync.Mutex // guards the fields below. Lock order: MemoryCluster.mu → mu
	inbox  []func()
	closed bool
}

var _ Cluster = (*memoryNode)(nil)

func (n *memoryNode) run() {
	defer close(n.ended)
	for range n.wake {
		for {
			n.mu.Lock()
			todo, closed := n.inbox, n.closed
			n.inbox = nil
			n.mu.Unlock()
			if closed {
				return
			}
			if len(todo) == 0 {
				break
			}
			for _, f := range todo {
				f()
			}
		}
	}
}

func (n *memoryNode) post(f func()) {
	n.mu.Lock()
	n.inbox = append(n.inbox, f)
	n.mu.Unlock()
	n.poke()
}

func (n *memoryNode) poke() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// Members implements [Cluster].
func (n *memoryNode) Members(context.Context, string) ([]Member, error) {
	n.cluster.mu.Lock()
	defer n.cluster.mu.Unlock()
	var out []Member
	for _, other := range n.cluster.nodes {
		if other != n {
			out = append(out, other.self)
		}
	}
	return out, nil
}

// Send implements [Cluster]. Each receiver gets a copy of its own, by way of JSON.
func (n *memoryNode) Send(_ context.Context, m *Message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	n.cluster.mu.Lock()
	defer n.cluster.mu.Unlock()
	for _, other := range n.cluster.nodes {
		if other == n || m.To != "" && m.To != other.self.ID {
			continue
		}
		copied := new(Message)
		if err := json.Unmarshal(b, copied); err != nil {
			return err
		}
		other.post(func() { other.node.Deliver(copied) })
	}
	return nil
}

// Close implements [Cluster].
func (n *memoryNode) Close() error {
	n.leave()
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.poke()
	<-n.ended
	return nil
}

// leave takes it out, and tells the others.
func (n *memoryNode) leave() {
	n.cluster.mu.Lock()
	defer n.cluster.mu.Unlock()
	n.cluster.nodes = slices.DeleteFunc(n.cluster.nodes, func(o *memoryNode) bool { return o == n })
	for _, other := range n.cluster.nodes {
		other.post(func() { other.node.Left(n.self.ID) })
	}
}

// sharedLog is a MemoryLog that several servers append to and follow.
type sharedLog struct {
	log *MemoryLog

	mu    sync.Mutex // guards grown
	grown chan struct{}
}

var (
	_ Appender = (*sharedLog)(nil)
	_ Follower = (*sharedLog)(nil)
)

// Read implements [Log].
func (l *sharedLog) Read(ctx context.Context, after uint64, limit int) ([]Entry, Position, error) {
	return l.log.Read(ctx, after, limit)
}

// Append implements [Appender].
func (l *sharedLog) Append(ctx context.Context, entries []Entry) error {
	if err := l.log.Append(ctx, entries); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.grown)
	l.grown = make(chan struct{})
	return nil
}

// Follow implements [Follower].
func (l *sharedLog) Follow(ctx context.Context, after uint64, limit int) ([]Entry, Position, error) {
	for {
		l.mu.Lock()
		grown := l.grown
		l.mu.Unlock()
		entries, at, err := l.log.Read(ctx, after, limit)
		if err != nil || len(entries) > 0 || at.First > after+1 {
			return entries, at, err
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return nil, at, ctx.Err()
		}
	}
}

// memorySessions keeps session records.
type memorySessions struct {
	mu      sync.Mutex // guards records
	records map[string]SessionRecord
}

var _ SessionStore = (*memorySessions)(nil)

// SaveSessions implements [SessionStore].
func (m *memorySessions) SaveSessions(_ context.Context, records []SessionRecord) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records == nil {
		m.records = make(map[string]SessionRecord)
	}
	for _, r := range records {
		r.live = nil // as if it had been written down
		m.records[r.ID] = r
	}
	return nil
}

// LoadSession implements [SessionStore].
func (m *memorySessions) LoadSession(_ context.Context, id string) (SessionRecord, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.records[id]
	return r, ok, nil
}

// TrimSessions implements [SessionStore].
func (m *memorySessions) TrimSessions(_ context.Context, before time.Time, keep int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []SessionRecord
	for _, r := range m.records {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b SessionRecord) int { return b.At.Compare(a.At) })
	for i, r := range all {
		if i >= keep || r.At.Before(before) {
			delete(m.records, r.ID)
		}
	}
	return nil
}
