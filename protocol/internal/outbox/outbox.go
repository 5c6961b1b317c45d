// Package outbox sends what many goroutines hand over, in the order they do so, many at
// a time: whoever waits for an answer of the database waits together with others.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrClosed is returned for what is handed over after Close.
var ErrClosed = errors.New("the server has left the cluster")

// Outbox is where items wait. All methods are safe for concurrent use.
type Outbox[T any] struct {
	send func(ctx context.Context, batch []T) []error
	life context.Context // ends a moment after Close
	end  context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	waiting []*letter[T]
	sending bool
	closed  bool
}

type letter[T any] struct {
	item T
	done chan error
}

// How many items leave together, and how long that may take.
const (
	most    = 256
	timeout = 5 * time.Second
)

// New returns an outbox. send sends a batch and returns what became of each item: one
// error for each, or none at all where all were sent. It is called by one goroutine at
// a time.
func New[T any](send func(ctx context.Context, batch []T) []error) *Outbox[T] {
	o := &Outbox[T]{send: send}
	o.life, o.end = context.WithCancel(context.Background())
	return o
}

// Do returns when an item was sent behind those that were handed over before, or when
// ctx ends; it may be sent all the same then.
func (o *Outbox[T]) Do(ctx context.Context, item T) error {
	l := &letter[T]{item, make(chan error, 1)}
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return ErrClosed
	}
	o.waiting = append(o.waiting, l)
	if !o.sending {
		o.sending = true
		o.work.Go(o.dispatch)
	}
	o.mu.Unlock()
	select {
	case err := <-l.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("not sent in time: %w", context.Cause(ctx))
	}
}

// dispatch sends what waits until that is nothing.
func (o *Outbox[T]) dispatch() {
	for {
		o.mu.Lock()
		batch := o.waiting[:min(len(o.waiting), most)]
		o.waiting = o.waiting[len(batch):]
		if len(batch) == 0 {
			o.waiting, o.sending = nil, false
			o.mu.Unlock()
			return
		}
		o.mu.Unlock()
		o.sendAll(batch)
	}
}

func (o *Outbox[T]) sendAll(batch []*letter[T]) {
	ctx, cancel := context.WithTimeout(o.life, timeout)
	defer cancel()
	items := make([]T, len(batch))
	for i, l := range batch {
		items[i] = l.item
	}
	errs := o.send(ctx, items)
	for i, l := range batch {
		if i < len(errs) {
			l.done <- errs[i]
		} else {
			l.done <- nil
		}
	}
}

// grace is how long Close lets what was handed over be sent.
const grace = 250 * time.Millisecond

// Close refuses what comes from now on, and returns when what was handed over is sent, or
// was given up because that took long.
func (o *Outbox[T]) Close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	timer := time.AfterFunc(grace, o.end)
	o.work.Wait()
	timer.Stop()
	o.end()
}
