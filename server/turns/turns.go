// Package turns shares what is scarce among addresses: jobs of which few run at a time
// are taken in turn, and uploads of which few fit make room for each other.
package turns

import (
	"container/list"
	"context"
	"net/netip"
	"sync"

	"podium/protocol/limits"
)

// Turns lets a bounded number of jobs run at the same time. Those that wait are
// taken from their addresses in turn: where one has a thousand, another's first
// waits for one of them. The addresses of an IPv6 /48 have the turn of one, and share
// it in turn. It is safe for concurrent use.
type Turns struct {
	mu    sync.Mutex // guards all below
	free  int
	queue *line // of the lines of networks, whose members are lines of jobs
}

// line is what waits of one network, served in turn: jobs, or narrower lines.
type line struct {
	within  *line
	key     netip.Prefix
	at      *list.Element // in within.order
	members map[netip.Prefix]*line
	order   *list.List // of *line, the one that is served next in front; or of chan struct{}, closed when the job may run
}

// NewTurns returns turns for n jobs at a time.
func NewTurns(n int) *Turns {
	return &Turns{free: n, queue: &line{order: list.New()}}
}

type addressKey struct{}

// WithAddress returns a context that says who a job is for, for Turns.
func WithAddress(ctx context.Context, addr netip.Addr) context.Context {
	return context.WithValue(ctx, addressKey{}, addr)
}

// AddressOf is the address that WithAddress put into the context, or none.
func AddressOf(ctx context.Context) netip.Addr {
	addr, _ := ctx.Value(addressKey{}).(netip.Addr)
	return addr
}

// Enter waits for a turn of the address that ctx names, until ctx ends. Each
// turn that was got is given back by one Leave.
func (t *Turns) Enter(ctx context.Context) error {
	addr := AddressOf(ctx)
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return nil
	}
	l, ready := t.queue, make(chan struct{})
	if wide := limits.Wide(addr); wide.IsValid() {
		l = l.member(wide)
	}
	l = l.member(limits.Key(addr))
	job := l.order.PushBack(ready)
	t.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-ready: // it came at the same moment, and is somebody else's
		t.nextLocked()
	default:
		l.order.Remove(job)
		l.tidy()
	}
	return ctx.Err()
}

// Leave gives a turn back.
func (t *Turns) Leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nextLocked()
}

// Waiting is the number of jobs that wait for a turn.
func (t *Turns) Waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.queue.len()
}

// nextLocked hands a turn to who is next, if anybody waits. mu must be held.
func (t *Turns) nextLocked() {
	l := t.queue
	for {
		front := l.order.Front()
		if front == nil {
			t.free++ // only the queue itself is ever empty
			return
		}
		if ready, ok := front.Value.(chan struct{}); ok {
			l.order.Remove(front)
			close(ready)
			l.tidy()
			return
		}
		l.order.MoveToBack(front)
		l = front.Value.(*line)
	}
}

// member is the line of key in l, made if need be. Turns.mu must be held, as in all
// methods.
func (l *line) member(key netip.Prefix) *line {
	m := l.members[key]
	if m == nil {
		m = &line{within: l, key: key, order: list.New()}
		m.at = l.order.PushBack(m)
		if l.members == nil {
			l.members = make(map[netip.Prefix]*line)
		}
		l.members[key] = m
	}
	return m
}

// len is the number of jobs in l.
func (l *line) len() int {
	if l.members == nil {
		if l.within == nil {
			return 0
		}
		return l.order.Len()
	}
	n := 0
	for _, m := range l.members {
		n += m.len()
	}
	return n
}

// tidy forgets l, and what it is in, where nobody waits in it.
func (l *line) tidy() {
	for l.within != nil && l.order.Len() == 0 {
		l.within.order.Remove(l.at)
		delete(l.within.members, l.key)
		l = l.within
	}
}
