package socketio

import (
	"fmt"
	"runtime/debug"
)

// onEvent hands an event to its handlers: in place where all of them are
// inline and nothing of the socket waits, else through the mailbox.
func (s *Socket) onEvent(in *incomingEvent, size int) {
	p, e := &in.packet, &in.event
	e.Socket, e.Name, e.Args, e.id = s, p.Event, p.Values, p.ID
	e.acked.Store(false)
	tables := s.nsp.tables(s)
	some, inline, keeps := handlersFor(tables, e.Name)
	if !some {
		return
	}
	if inline && !keeps && s.begin() {
		s.handle(e, tables)
		s.finish()
		return
	}
	kept := &Event{Socket: s, Name: e.Name, Args: e.Args.Clone(), id: e.id}
	if inline && keeps && s.begin() {
		s.handle(kept, tables)
		s.finish()
		return
	}
	handle := func() { s.handle(kept, s.nsp.tables(s)) }
	s.postEvent(handle, size+taskCost, max(s.nsp.server.opts.MaxPendingBytes, 0))
}

// handlersFor reports whether anyone in tables listens for the event, whether all
// that do run inline, and whether one of those may keep the event.
func handlersFor(tables [3]*hookTable, event string) (some, inline, keeps bool) {
	inline = true
	for _, t := range tables {
		if len(t.any) > 0 || len(t.middleware) > 0 {
			some, inline = true, false
		}
		for _, h := range t.events[event] {
			some = true
			inline = inline && h.inline
			keeps = keeps || h.keeps
		}
	}
	return some, inline, keeps
}

// handle calls listeners, middleware and handlers for an event. In place they are
// those that handlersFor looked at: others may block, or keep an event that is used
// again. Nobody hears of events of a socket that was put out, or never announced.
func (s *Socket) handle(e *Event, tables [3]*hookTable) {
	if !s.opened || s.expelled.Load() {
		return
	}
	srv := s.nsp.server
	defer func() {
		if r := recover(); r != nil {
			srv.panicked(s, r, debug.Stack())
		}
	}()
	for _, t := range tables {
		for _, l := range t.any {
			l.f(s, e.Name, e.Args)
		}
	}
	for _, t := range tables {
		for _, m := range t.middleware {
			if err := m.f(e); err != nil {
				s.report(fmt.Errorf("event %q: middleware: %w", e.Name, err))
				return
			}
		}
	}
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
