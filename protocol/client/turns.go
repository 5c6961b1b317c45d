package client

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
)

// turns runs functions one after another, in the order in which they were given. While
// there is nothing to run it is a few words: a goroutine exists only as long as needed.
type turns struct {
	work   *sync.WaitGroup
	logger *slog.Logger

	mu    sync.Mutex // guards what follows; no lock is taken under it
	queue []func()
	busy  bool // a goroutine runs the queue, or a caller of begin has the turn
}

// post runs f after everything given before, on another goroutine.
func (t *turns) post(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue = append(t.queue, f)
	if !t.busy {
		t.busy = true
		t.work.Go(t.run)
	}
}

// begin reserves the turn for the caller, who calls inPlace next, where nothing is
// waiting or running. Else it returns false.
func (t *turns) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.busy {
		return false
	}
	t.busy = true
	return true
}

// inPlace runs f here and now, after begin.
func (t *turns) inPlace(f func()) {
	t.guard(f)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) > 0 {
		t.work.Go(t.run)
	} else {
		t.busy = false
	}
}

// run is the goroutine that runs the queue.
func (t *turns) run() {
	for {
		t.mu.Lock()
		if len(t.queue) == 0 {
			t.queue, t.busy = nil, false
			t.mu.Unlock()
			return
		}
		f := t.queue[0]
		t.queue[0] = nil
		t.queue = t.queue[1:]
		t.mu.Unlock()
		t.guard(f)
	}
}

// guard runs f, and survives its panic.
func (t *turns) guard(f func()) {
	defer func() {
		if r := recover(); r != nil {
			t.logger.Error("client: handler panicked", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	f()
}
