package socketio

import "runtime/debug"

// onEvent hands an event to its handlers: in place where all of them are
// inline and nothing of the socket waits, else through the mailbox.
func (s *Socket) onEvent(in *incomingEvent, size int) {
	p, e := &in.packet, &in.event
	e.Socket, e.Name, e.Args, e.id = s, p.Event, p.Values, p.ID
	e.acked.Store(false)
	tables := s.nsp.tables(s)
	how := handlersFor(tables, e.Name)
	counted := "" // clients make names up
	if how.named {
		counted = e.Name
	}
	s.nsp.counts.of(counted).received.Add(1)
	if !how.some && !s.busy() { // what runs or waits may register somebody yet
		return
	}
	if how.some && how.inline && !how.keeps && s.begin() {
		s.handle(e, tables)
		s.finish()
		return
	}
	kept := &Event{Socket: s, Name: e.Name, Args: e.Args.Clone(), id: e.id}
	if how.some && how.inline && s.begin() {
		s.handle(kept, tables)
		s.finish()
		return
	}
	cost := size + taskCost
	handle := func() {
		tables := s.nsp.tables(s)
		if handlersFor(tables, kept.Name).concurrent {
			s.handleBeside(kept, cost)
			return
		}
		s.handle(kept, tables)
	}
	s.postEvent(handle, cost, max(s.nsp.server.opts.MaxPendingBytes, 0))
}

// handling says how an event is handled.
type handling struct {
	some       bool // somebody listens for it
	named      bool // somebody does by its name
	inline     bool // all that do run inline
	keeps      bool // one of those may keep the event
	concurrent bool // one that does lets the next events be handled meanwhile
}

// handlersFor says how those in tables handle the event.
func handlersFor(tables [3]*hookTable, event string) handling {
	how := handling{inline: true}
	for _, t := range tables {
		if len(t.any) > 0 || len(t.middleware) > 0 || len(t.intercept) > 0 {
			how.some, how.inline = true, false
		}
		for _, h := range t.events[event] {
			how.some, how.named = true, true
			how.inline = how.inline && h.inline && !h.concurrent
			how.keeps = how.keeps || h.keeps
			how.concurrent = how.concurrent || h.concurrent
		}
	}
	return how
}

// handleBeside handles an event on a goroutine of its own. While too many are handled
// so, the connection is not read, as where too many wait.
func (s *Socket) handleBeside(e *Event, cost int) {
	s.countBeside(cost)
	s.nsp.server.workers.start(func() {
		defer s.countBeside(-cost)
		s.handle(e, s.nsp.tables(s))
	})
}

func (s *Socket) countBeside(cost int) {
	limit := s.nsp.server.opts.MaxPendingBytes
	m := s.extras()
	s.mu.Lock()
	defer s.mu.Unlock()
	m.beside += cost
	m.tally.count(s, m.beside)
	switch {
	case limit > 0 && m.beside > limit && !m.besideFull:
		m.besideFull = true
		s.client.conn.Pause()
	case m.besideFull && m.beside <= limit/2:
		m.besideFull = false
		s.client.conn.Resume()
	}
}

// handle calls interceptors, listeners, middleware and handlers for an event. In place
// they are those that handlersFor looked at: others may block, or keep an event that is
// used again. Nobody hears of events of a socket that was put out, or never announced.
func (s *Socket) handle(e *Event, tables [3]*hookTable) {
	if st := s.life(); st != stateConnected && st != stateClosed {
		return
	}
	for _, t := range tables {
		if len(t.intercept) > 0 {
			s.intercepted(e, tables)
			return
		}
	}
	s.process(e, tables)
}

// process calls listeners, middleware and handlers. What fails is noted with the
// event; after a panic, or where middleware refuses, the rest is left out.
func (s *Socket) process(e *Event, tables [3]*hookTable) {
	stage := StageListener
	defer func() {
		if r := recover(); r != nil {
			e.failed(stage, &PanicError{r, debug.Stack()})
		}
	}()
	for _, t := range tables {
		for _, l := range t.any {
			l.f(s, e.Name, e.Args)
		}
	}
	stage = StageEventMiddleware
	for _, t := range tables {
		for _, m := range t.middleware {
			if err := m.f(e); err != nil {
				e.failed(stage, err)
				return
			}
		}
	}
	stage = StageHandler
	for _, t := range tables {
		for _, h := range t.events[e.Name] {
			if h.once {
				if h.used.Swap(true) {
					continue
				}
				h.remove()
			}
			h.run(e)
		}
	}
}

// caught calls f and returns its panic as an error.
func caught(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{r, debug.Stack()}
		}
	}()
	return f()
}
