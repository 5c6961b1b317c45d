package socketio

import (
	"sync/atomic"
)

// mailbox holds what a socket has to do, in order. It exists only while there
// is something: a goroutine takes the tasks one by one and ends with the last.
type mailbox struct {
	tasks []task
	bytes int // of events that wait
}

type task struct {
	run  func()
	cost int
}

// taskCost is what a waiting event costs beyond its bytes.
const taskCost = 256

// post runs f after everything that was posted before it, off the caller's
// goroutine. It returns false where more than limit bytes wait (no limit: 0).
func (s *Socket) post(f func(), size, limit int) bool {
	s.mu.Lock()
	if b := s.box; b != nil {
		defer s.mu.Unlock()
		if limit > 0 && b.bytes+size > limit {
			return false
		}
		b.tasks = append(b.tasks, task{f, size})
		b.bytes += size
		return true
	}
	b := &mailbox{tasks: []task{{f, size}}, bytes: size}
	s.box = b
	s.mu.Unlock()
	s.client.server.workers.start(func() { s.work(b) })
	return true
}

// postBehind is post where something of the socket waits or runs. It returns
// false, and does nothing, where that is not so.
func (s *Socket) postBehind(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.box == nil {
		return false
	}
	s.box.tasks = append(s.box.tasks, task{run: f})
	return true
}

// work runs the tasks until none is left. It owns b's tasks at the front.
func (s *Socket) work(b *mailbox) {
	for {
		s.mu.Lock()
		if len(b.tasks) == 0 {
			s.box = nil
			s.mu.Unlock()
			return
		}
		t := b.tasks[0]
		b.tasks[0] = task{}
		b.tasks = b.tasks[1:]
		b.bytes -= t.cost
		s.mu.Unlock()
		t.run()
	}
}

// busy reports whether something of the socket waits or runs.
func (s *Socket) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.box != nil
}

// workers counts the goroutines of a server, so that Shutdown can wait.
type workers struct {
	running atomic.Int64
	closing atomic.Bool
	idle    chan struct{} // closed-over signal, capacity 1
}

func (w *workers) start(f func()) {
	w.running.Add(1)
	go func() {
		defer func() {
			if w.running.Add(-1) == 0 && w.closing.Load() {
				select {
				case w.idle <- struct{}{}:
				default:
				}
			}
		}()
		f()
	}()
}

// wait returns when no worker runs, or done is closed.
func (w *workers) wait(done <-chan struct{}) bool {
	w.closing.Store(true)
	for w.running.Load() > 0 {
		select {
		case <-w.idle:
		case <-done:
			return false
		}
	}
	return true
}
