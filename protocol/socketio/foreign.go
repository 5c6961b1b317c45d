package socketio

import "context"

// OffsetFormat is a [Log] whose offsets clients get in a form of its own, since servers
// that are not of this package read them too. Such a log keeps what it has handed out:
// what a client offers is looked for in it.
type OffsetFormat interface {
	Log
	// FormatOffset writes an offset.
	FormatOffset(offset uint64) string
	// ParseOffset reads what FormatOffset writes, and refuses anything else.
	ParseOffset(text string) (offset uint64, ok bool)
}

// SharedSessions is a [SessionStore] that servers which are not of this package read and
// write too. Its records are found by what the client holds, their PID, and there is one
// of every session, not only of those in rooms or with data: what has none cannot be
// taken up. A record that is Denied is removed.
type SharedSessions interface {
	SessionStore
	// TakeSession returns the record of a PID, and whether there is one. It may remove
	// it: whoever takes a session up saves it again.
	TakeSession(ctx context.Context, pid string) (SessionRecord, bool, error)
}

// foreignTicket makes a ticket of a session that another kind of server began, which
// continues at the offset that the client offers.
func (p *publisher) foreignTicket(s *Socket, h *history, o sessionOffer) (t ticket, rec SessionRecord, ok bool) {
	m, hasOffset := h.parse(o.offset)
	if p.shared == nil || !hasOffset {
		return t, rec, false
	}
	ctx, cancel := p.patience()
	defer cancel()
	rec, ok, err := p.shared.TakeSession(ctx, o.pid)
	if err != nil {
		p.server.opts.Logger.Error("socket.io recovery: read a session", "error", err)
	}
	if !ok || err != nil || rec.ID == "" || rec.Namespace != "" && rec.Namespace != s.nsp.name {
		return t, rec, false
	}
	knowsUpTo(&rec, m)
	return ticket{id: rec.ID, begin: m, issued: p.now()}, rec, true
}

// knowsUpTo completes a record that does not say of which joins and leaves it knows: of
// those before the last event that the client had.
func knowsUpTo(rec *SessionRecord, m mark) {
	if rec.Offset == 0 {
		rec.Offset = m.offset
	}
}

// takeShared returns the record of a session that this kind of server began, of a client
// that had everything up to a mark.
func (p *publisher) takeShared(s *Socket, pid, id string, m mark) (SessionRecord, bool, error) {
	if rec := p.server.sessions.unsaved(id, s.nsp.name); rec != nil {
		return *rec, true, nil
	}
	ctx, cancel := p.patience()
	defer cancel()
	rec, ok, err := p.shared.TakeSession(ctx, pid)
	knowsUpTo(&rec, m)
	return rec, ok && rec.ID == id, err
}

// keepPID notes what the client holds, where the record is found by that, and has it
// saved.
func (p *publisher) keepPID(s *Socket, pid string) {
	if p != nil && p.shared != nil && pid != "" {
		m := s.extras()
		s.mu.Lock()
		m.pid = pid
		s.mu.Unlock()
		s.tracked.Store(true)
	}
}

// pid returns what the client holds, where it is noted.
func (s *Socket) pid() string {
	m := s.more.Load()
	if m == nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return m.pid
}
