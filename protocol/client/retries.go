package client

import (
	"fmt"
	"slices"
	"time"

	"podium/protocol/socketio/parser"
)

// queued is an event of a socket with SocketOptions.Retries. The first of the queue is
// on its way; it leaves the queue with its acknowledgement, or after the last try.
type queued struct {
	emitter Emitter
	event   string
	args    []any
	done    func(parser.Args, error) // nil where nobody waits

	// Guarded by Manager.mu.
	tries   int
	pending bool  // it was sent
	id      int64 // of the last try
}

// enqueue takes an event. Arguments must not be changed afterwards.
func (e Emitter) enqueue(event string, args []any, done func(parser.Args, error)) (*queued, error) {
	if _, err := e.encode(event, parser.NoID, args); err != nil {
		return nil, err // now, and not at a later try
	}
	q := &queued{emitter: e, event: event, args: slices.Clone(args), done: done}
	s := e.socket
	s.manager.mu.Lock()
	defer s.manager.mu.Unlock()
	if s.manager.closed {
		return nil, ErrClosed
	}
	s.queue = append(s.queue, q)
	s.drainLocked(false)
	return q, nil
}

// drainLocked sends the first event of the queue, where it is not on its way or again is
// set; Manager.mu must be held.
func (s *Socket) drainLocked(again bool) {
	if !s.connected || len(s.queue) == 0 {
		return
	}
	q := s.queue[0]
	if q.pending && !again {
		return
	}
	q.pending = true
	q.tries++
	q.id = s.ids.Add(1) - 1
	ms, err := q.emitter.encode(q.event, q.id, q.args)
	if err != nil {
		return // enqueue has tried it
	}
	w := &waiter{done: func(a parser.Args, err error) { s.tried(q, a, err) }}
	if d := q.emitter.ackTimeout(); d > 0 {
		id := q.id
		w.timer = time.AfterFunc(d, func() {
			if w := s.forget(id); w != nil {
				w.done(nil, fmt.Errorf("%w: after %v", ErrAckTimeout, d))
			}
		})
	}
	s.expectLocked(q.id, w)
	if !s.sendLocked(ms) {
		return // the connection has just ended, which clears its acknowledgements
	}
	if len(s.loadHooks().anyOut) > 0 {
		if args, err := parser.ArgsOf(q.args...); err == nil {
			s.outgoingLocked(q.event, args)
		}
	}
}

// tried takes the outcome of a try.
func (s *Socket) tried(q *queued, args parser.Args, err error) {
	var after later
	defer after.run()
	s.manager.mu.Lock()
	defer s.manager.mu.Unlock()
	if len(s.queue) == 0 || s.queue[0] != q {
		return
	}
	q.pending = false
	if err == nil || q.tries > s.opts.Retries {
		s.queue = s.queue[1:]
		if q.done != nil {
			after.add(func() { q.done(args, err) })
		}
	}
	s.drainLocked(false)
}

// abandon takes an event out of the queue that nobody waits for any more.
func (s *Socket) abandon(q *queued) {
	s.manager.mu.Lock()
	defer s.manager.mu.Unlock()
	s.queue = slices.DeleteFunc(s.queue, func(x *queued) bool { return x == q })
	if q.pending {
		s.takeAckLocked(q.id)
	}
	s.drainLocked(false)
}
