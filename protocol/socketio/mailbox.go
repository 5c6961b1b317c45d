package socketio

import (
	"sync/atomic"
)

// mailbox holds what a socket has to do, in order. It exists only while there
// is something: a goroutine takes the tasks one by one and ends with the last.
type mailbox struct {
	tasks []task
	bytes int  // of events that wait
	full  bool // they are enough: the connection is paused

	tally tally // what is charged for them
}

type task struct {
	run  func()
	cost int
}

// taskCost is what a waiting event costs beyond its bytes.
const taskCost = 256

// post runs f after everything that was posted before it, off the caller's
// goroutine.
func (s *Socket) post(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.postLocked(task{run: f})
}

// postEvent is post for an event. One of a socket that is closed is dropped: its
// disconnect hooks may have been called. Where more than limit bytes wait (no limit: 0)
// the connection is not read any more, until half of them were handled.
func (s *Socket) postEvent(f func(), size, limit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life().ended() {
		return
	}
	s.postLocked(task{f, size})
	s.box.tally.count(s, s.box.bytes)
	if b := s.box; limit > 0 && b.bytes > limit && !b.full {
		b.full = true
		s.client.conn.Pause()
	}
}

// busy reports whether something of the socket waits or runs.
func (s *Socket) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.box != nil || s.inPlace
}

// postBehind is post where something of the socket waits or runs. It returns
// false, and does nothing, where that is not so.
func (s *Socket) postBehind(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.box == nil && !s.inPlace {
		return false
	}
	s.postLocked(task{run: f})
	return true
}

// postFirst is post in front of what waits behind the caller, which runs in place.
func (s *Socket) postFirst(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.postLocked(task{})
	tasks := s.box.tasks
	copy(tasks[1:], tasks)
	tasks[0] = task{run: f}
}

// postLocked puts t into the mailbox, making it if need be. mu must be held.
func (s *Socket) postLocked(t task) {
	if b := s.box; b != nil {
		b.tasks = append(b.tasks, t)
		b.bytes += t.cost
		return
	}
	b := &mailbox{tasks: []task{t}, bytes: t.cost}
	s.box = b
	s.client.server.workers.expect()
	if !s.inPlace { // else finish starts it
		s.client.server.workers.run(func() { s.work(b) })
	}
}

// begin lets the caller run something of the socket in place: what is posted until
// finish waits behind it. It returns false where something of the socket waits or
// runs, or the socket is closed.
func (s *Socket) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.box != nil || s.inPlace || s.life().ended() {
		return false
	}
	s.inPlace = true
	return true
}

// finish ends what begin began.
func (s *Socket) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inPlace = false
	if b := s.box; b != nil {
		s.client.server.workers.run(func() { s.work(b) })
	}
}

// work runs the tasks until none is left. It owns b's tasks at the front.
func (s *Socket) work(b *mailbox) {
	for {
		s.mu.Lock()
		if len(b.tasks) == 0 {
			b.tally.count(s, 0)
			s.box = nil
			s.mu.Unlock()
			return
		}
		t := b.tasks[0]
		b.tasks[0] = task{}
		b.tasks = b.tasks[1:]
		b.tally.count(s, b.bytes) // with the one that is handled
		b.bytes -= t.cost
		if b.full && b.bytes <= s.client.server.opts.MaxPendingBytes/2 {
			b.full = false
			s.client.conn.Resume()
		}
		s.mu.Unlock()
		t.run()
	}
}

// workers counts the goroutines of a server, so that Shutdown can wait.
type workers struct {
	running atomic.Int64
	closing atomic.Bool
	idle    chan struct{} // closed-over signal, capacity 1
}

func (w *workers) start(f func()) {
	w.expect()
	w.run(f)
}

// expect counts a goroutine that run will start.
func (w *workers) expect() { w.running.Add(1) }

func (w *workers) run(f func()) {
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
