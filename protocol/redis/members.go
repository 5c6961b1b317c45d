package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"podium/protocol/internal/outbox"
	"podium/protocol/socketio"
)

// How members know of each other: each says that it is there when it comes, every
// second, and to those that come. One that is not heard of for longer is gone, unless
// nothing at all is heard: then it is this one that is cut off. One that is killed is
// gone at once, since nobody listens on its channel any more.
const (
	beatEvery = time.Second
	goneAfter = 5 * time.Second
	greetWait = 500 * time.Millisecond
)

// letter is what goes over a channel: a message, or what a member says of itself.
type letter struct {
	Message *socketio.Message `json:"m,omitempty"`
	Member  *socketio.Member  `json:"member,omitempty"` // of who says so
	State   string            `json:"state,omitempty"`
}

// What a member says.
const (
	stateHere  = "here"
	stateNew   = "new" // and wants to know who else is here
	stateLeave = "leave"
)

// membership is one server's place among those with the same prefix.
type membership struct {
	engine *Engine
	self   socketio.Member
	node   socketio.Node
	sub    *goredis.PubSub
	outbox *outbox.Outbox[post]
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	others  map[string]*other
	heard   time.Time     // when anything was heard, also from itself
	changed chan struct{} // closed and replaced when others grows
}

// other is another member.
type other struct {
	socketio.Member
	heard time.Time
}

// post is a letter on its way out.
type post struct {
	channel string
	body    []byte
}

var _ socketio.Cluster = (*membership)(nil)

// Join is what [socketio.Options].Cluster takes.
func (e *Engine) Join(self socketio.Member, node socketio.Node) (socketio.Cluster, error) {
	ctx, cancel := context.WithCancel(context.Background())
	m := &membership{
		engine: e, self: self, node: node, cancel: cancel,
		others: make(map[string]*other), heard: time.Now(), changed: make(chan struct{}),
	}
	m.outbox = outbox.New(m.publish)
	m.sub = e.client.Subscribe(ctx, e.keys.all, e.keys.to+self.ID)
	hello, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	for range 2 { // a confirmation of each channel
		if _, err := m.sub.Receive(hello); err != nil {
			cancel()
			_ = m.sub.Close()
			return nil, fmt.Errorf("redis: join the cluster: %w", err)
		}
	}
	m.work.Go(func() { m.receive(ctx) })
	m.work.Go(func() { m.beat(ctx) })
	m.greet(hello)
	return m, nil
}

// greet says that a server has come, and waits a moment for those that are there.
func (m *membership) greet(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, greetWait)
	defer cancel()
	counts, err := m.engine.client.PubSubNumSub(ctx, m.engine.keys.all).Result()
	if err != nil || m.say(ctx, stateNew) != nil {
		return // they are heard of soon
	}
	for {
		m.mu.Lock()
		known, changed := len(m.others), m.changed
		m.mu.Unlock()
		if int64(known)+1 >= counts[m.engine.keys.all] {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// say tells all others how it is.
func (m *membership) say(ctx context.Context, state string) error {
	return m.post(ctx, m.engine.keys.all, &letter{Member: &m.self, State: state})
}

// Members implements [socketio.Cluster].
func (m *membership) Members(context.Context, string) ([]socketio.Member, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]socketio.Member, 0, len(m.others))
	for _, o := range m.others {
		out = append(out, o.Member)
	}
	return out, nil
}

// Send implements [socketio.Cluster]. It returns when Redis has the message.
func (m *membership) Send(ctx context.Context, msg *socketio.Message) error {
	channel := m.engine.keys.all
	if msg.To != "" {
		channel = m.engine.keys.to + msg.To
	}
	return m.post(ctx, channel, &letter{Message: msg})
}

// post publishes a letter, behind those that were posted before: many at a time leave
// in one pipeline.
func (m *membership) post(ctx context.Context, channel string, l *letter) error {
	body, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("redis: encode a message: %w", err)
	}
	if err := m.outbox.Do(ctx, post{channel, body}); err != nil {
		return fmt.Errorf("redis: publish: %w", err)
	}
	return nil
}

// publish publishes letters in one pipeline.
func (m *membership) publish(ctx context.Context, batch []post) []error {
	_, err := m.engine.client.Pipelined(ctx, func(pipe goredis.Pipeliner) error {
		for _, p := range batch {
			pipe.Publish(ctx, p.channel, p.body)
		}
		return nil
	})
	if err == nil {
		return nil
	}
	return slices.Repeat([]error{err}, len(batch))
}

// receive takes letters until ctx ends. A connection that breaks is made anew; what is
// published meanwhile is lost.
func (m *membership) receive(ctx context.Context) {
	for {
		msg, err := m.sub.ReceiveMessage(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		var l letter
		if json.Unmarshal([]byte(msg.Payload), &l) != nil {
			continue // of somebody else
		}
		m.take(ctx, &l)
	}
}

func (m *membership) take(ctx context.Context, l *letter) {
	m.mu.Lock()
	m.heard = time.Now()
	m.mu.Unlock()
	switch {
	case l.Message != nil:
		m.hear(l.Message.From)
		m.node.Deliver(l.Message)
	case l.Member == nil || l.Member.ID == m.self.ID:
	case l.State == stateLeave:
		m.drop(l.Member.ID)
	default:
		m.meet(*l.Member)
		if l.State == stateNew {
			m.work.Go(func() { // answering it must not hold up what it sends next
				_ = m.post(ctx, m.engine.keys.to+l.Member.ID, &letter{Member: &m.self, State: stateHere})
			})
		}
	}
}

func (m *membership) hear(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if o := m.others[id]; o != nil {
		o.heard = time.Now()
	}
}

func (m *membership) meet(member socketio.Member) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.others[member.ID] = &other{member, time.Now()}
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *membership) drop(id string) {
	m.mu.Lock()
	_, known := m.others[id]
	delete(m.others, id)
	m.mu.Unlock()
	if known {
		m.node.Left(id)
	}
}

// beat says every second that the server is here, and looks who is not.
func (m *membership) beat(ctx context.Context) {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		_ = m.say(ctx, stateHere) // the next one may get through
		for _, id := range m.silent(ctx) {
			m.drop(id)
		}
	}
}

// silent returns the members that are gone.
func (m *membership) silent(ctx context.Context) (gone []string) {
	m.mu.Lock()
	all := slices.Collect(maps.Keys(m.others))
	if time.Since(m.heard) < 2*beatEvery {
		for id, o := range m.others {
			if time.Since(o.heard) > goneAfter {
				gone = append(gone, id)
			}
		}
	}
	m.mu.Unlock()
	return append(gone, m.unheard(ctx, all)...)
}

// unheard returns those on whose channel nobody listens any more. In a Redis Cluster the
// counts are of one of its servers only, and tell nothing.
func (m *membership) unheard(ctx context.Context, ids []string) (gone []string) {
	if _, many := m.engine.client.(*goredis.ClusterClient); many || len(ids) == 0 {
		return nil
	}
	channels := []string{m.engine.keys.to + m.self.ID}
	for _, id := range ids {
		channels = append(channels, m.engine.keys.to+id)
	}
	ctx, cancel := context.WithTimeout(ctx, beatEvery)
	defer cancel()
	counts, err := m.engine.client.PubSubNumSub(ctx, channels...).Result()
	if err != nil || counts[channels[0]] == 0 {
		return nil // Redis was just started: everybody comes back to it
	}
	for i, id := range ids {
		if counts[channels[i+1]] == 0 && m.quiet(id) {
			gone = append(gone, id)
		}
	}
	return gone
}

// quiet reports whether a member has missed a beat, as one does that is gone and not
// only on its way back to a Redis that was restarted.
func (m *membership) quiet(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.others[id]
	return o != nil && time.Since(o.heard) > beatEvery+beatEvery/4
}

// Close implements [socketio.Cluster].
func (m *membership) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := m.say(ctx, stateLeave)
	m.outbox.Close()
	m.cancel()
	err = errors.Join(err, m.sub.Close())
	m.work.Wait()
	return err
}
