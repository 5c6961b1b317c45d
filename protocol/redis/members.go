package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"podium/protocol/internal/outbox"
	"podium/protocol/internal/roster"
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

	others *roster.Roster

	mu    sync.Mutex // guards heard
	heard time.Time  // when anything was heard, also from itself
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
		others: roster.New(), heard: time.Now(),
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
		known, changed := m.others.Changed()
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
	return m.others.Members(), nil
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
		m.others.Hear(l.Message.From)
		m.node.Deliver(l.Message)
	case l.Member == nil || l.Member.ID == m.self.ID:
	case l.State == stateLeave:
		m.drop(l.Member.ID)
	default:
		m.others.Meet(*l.Member, time.Now())
		if l.State == stateNew {
			m.work.Go(func() { // answering it must not hold up what it sends next
				_ = m.post(ctx, m.engine.keys.to+l.Member.ID, &letter{Member: &m.self, State: stateHere})
			})
		}
	}
}

func (m *membership) drop(id string) {
	if m.others.Drop(id) {
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
	hearing := time.Since(m.heard) < 2*beatEvery
	m.mu.Unlock()
	if hearing {
		gone = m.others.Silent(goneAfter)
	}
	return append(gone, m.unheard(ctx)...)
}

// missedBeat is for how long nothing came from a member that is gone, and not only on its
// way back to a Redis that was restarted.
const missedBeat = beatEvery + beatEvery/4

// unheard returns those on whose channel nobody listens any more. In a Redis Cluster the
// counts are of one of its servers only, and tell nothing.
func (m *membership) unheard(ctx context.Context) (gone []string) {
	ids := m.others.Silent(missedBeat)
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
	silent := m.others.Silent(missedBeat) // still, after Redis was asked
	for i, id := range ids {
		if counts[channels[i+1]] == 0 && slices.Contains(silent, id) {
			gone = append(gone, id)
		}
	}
	return gone
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
