package limits

import (
	"container/list"
	"context"
	"net/netip"
	"sync"
)

// Turns lets a bounded number of jobs run at the same time. Those that wait are
// taken from their addresses in turn: where one has a thousand, another's first
// waits for one of them. It is safe for concurrent use.
type Turns struct {
	mu    sync.Mutex // guards all below
	free  int
	lines map[netip.Prefix]*line
	order *list.List // of *line, the one that is served next in front
}

// line is what waits of one address.
type line struct {
	key  netip.Prefix
	jobs *list.List    // of chan struct{}, closed when the job may run
	at   *list.Element // in Turns.order
}

// NewTurns returns turns for n jobs at a time.
func NewTurns(n int) *Turns {
	return &Turns{free: n, lines: make(map[netip.Prefix]*line), order: list.New()}
}

type addressKey struct{}

// WithAddress returns a context that says whom a job is for, for Turns.
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
	l, ready := t.lineLocked(Key(addr)), make(chan struct{})
	job := l.jobs.PushBack(ready)
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
		l.jobs.Remove(job)
		t.tidyLocked(l)
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
func (t *Turns) Waiting() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.lines {
		n += l.jobs.Len()
	}
	return n
}

// lineLocked is the line of key, made if need be. mu must be held.
func (t *Turns) lineLocked(key netip.Prefix) *line {
	l := t.lines[key]
	if l == nil {
		l = &line{key: key, jobs: list.New()}
		l.at = t.order.PushBack(l)
		t.lines[key] = l
	}
	return l
}

// nextLocked hands a turn to who is next, if anybody waits. mu must be held.
func (t *Turns) nextLocked() {
	front := t.order.Front()
	if front == nil {
		t.free++
		return
	}
	l := front.Value.(*line)
	close(l.jobs.Remove(l.jobs.Front()).(chan struct{}))
	t.order.MoveToBack(front)
	t.tidyLocked(l)
}

// tidyLocked forgets a line in which nobody waits. mu must be held.
func (t *Turns) tidyLocked(l *line) {
	if l.jobs.Len() == 0 {
		t.order.Remove(l.at)
		delete(t.lines, l.key)
	}
}
