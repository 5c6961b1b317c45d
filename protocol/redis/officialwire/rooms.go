package officialwire

import (
	"context"
	"fmt"
	"sync"

	goredis "github.com/redis/go-redis/v9"
)

// roomChannels are the channels that a server subscribes to for as long as it has
// sockets in a room. What it wants is noted at once; a goroutine of the link tells Redis.
type roomChannels struct {
	mu      sync.Mutex // guards the fields below
	changes []change
	awaited map[string]chan struct{} // by channel: closed when Redis has confirmed it
	working bool
}

// change is a channel that is wanted from now on, or not any more.
type change struct {
	channel string
	wanted  bool
}

// want notes a change.
func (r *roomChannels) want(l *link, c change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, there := r.awaited[c.channel]; there == c.wanted {
		return
	}
	if c.wanted {
		if r.awaited == nil {
			r.awaited = make(map[string]chan struct{})
		}
		r.awaited[c.channel] = make(chan struct{})
	} else {
		delete(r.awaited, c.channel)
	}
	r.changes = append(r.changes, c)
	if !r.working {
		r.working = l.start(func() { r.tell(l) })
	}
}

// tell has Redis make the changes until there are none.
func (r *roomChannels) tell(l *link) {
	for {
		r.mu.Lock()
		changes := r.changes
		r.changes = nil
		r.working = len(changes) > 0
		r.mu.Unlock()
		if len(changes) == 0 {
			return
		}
		for len(changes) > 0 {
			n := 1
			for n < len(changes) && changes[n].wanted == changes[0].wanted {
				n++
			}
			r.send(l, changes[:n])
			changes = changes[n:]
		}
	}
}

// send tells Redis of changes of one kind. Where the connection breaks, the next one
// subscribes to all that was asked for.
func (r *roomChannels) send(l *link, changes []change) {
	ctx, cancel := context.WithTimeout(l.ctx, joinTimeout)
	defer cancel()
	names := make([]string, len(changes))
	for i, c := range changes {
		names[i] = c.channel
	}
	if changes[0].wanted {
		_ = l.sub.SSubscribe(ctx, names...)
	} else {
		_ = l.sub.SUnsubscribe(ctx, names...)
	}
}

// confirmed notes that Redis has a subscription.
func (r *roomChannels) confirmed(s *goredis.Subscription) {
	if s.Kind != "ssubscribe" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if done := r.awaited[s.Channel]; done != nil {
		select {
		case <-done: // after a connection that broke
		default:
			close(done)
		}
	}
}

// await returns when Redis has confirmed the channels that are wanted.
func (r *roomChannels) await(ctx context.Context, channels []string) error {
	for _, name := range channels {
		r.mu.Lock()
		done := r.awaited[name]
		r.mu.Unlock()
		if done == nil {
			continue
		}
		select {
		case <-done:
		case <-ctx.Done():
			return fmt.Errorf("officialwire: subscribe to %s: %w", name, context.Cause(ctx))
		}
	}
	return nil
}
