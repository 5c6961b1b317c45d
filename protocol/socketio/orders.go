package socketio

import (
	"slices"
	"sync"
)

// Joins, leaves and disconnects that are meant for the sockets of all servers stand
// in a shared log with the events. Each server obeys them as it delivers; to a
// session that is away they apply when it comes back, at their place among the
// events that it missed.

// order is such an entry.
type order struct {
	offset uint64
	nsp    string
	target target
	kind   Kind
	names  []string
}

// maxOrders bounds the orders that are remembered.
const maxOrders = 10_000

// orders remembers the orders of the log.
type orders struct {
	// mu guards the fields below. No other lock is taken under it.
	mu     sync.Mutex
	list   []order // by offset; readers may keep slices of it
	loaded bool    // what was in the log before this server read it is in list
}

// forget begins anew, with another history.
func (o *orders) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list, o.loaded = nil, false
}

func (o *orders) add(e *Entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, orderOf(e))
	if len(o.list) > maxOrders {
		o.list = shift(o.list, len(o.list)-maxOrders)
	}
}

func orderOf(e *Entry) order {
	return order{e.Offset, namespaceOf(e), target{e.Rooms, e.Except}, e.Kind, e.Names}
}

// after returns the orders after an offset.
func (o *orders) after(offset uint64) []order {
	o.mu.Lock()
	defer o.mu.Unlock()
	i, _ := slices.BinarySearchFunc(o.list, offset+1, func(a order, want uint64) int {
		if a.offset < want {
			return -1
		}
		return 1
	})
	return o.list[i:len(o.list):len(o.list)]
}

// loadOrders reads the orders that were in the log before this server read it. The
// first session that comes back asks for them.
func (p *publisher) loadOrders() error {
	if !p.ordered() || p.orders.isLoaded() {
		return nil
	}
	p.reading.Lock()
	defer p.reading.Unlock()
	if p.orders.isLoaded() {
		return nil
	}
	ctx, cancel := p.patience()
	defer cancel()
	h, until := p.history.Load(), p.last.Load()
	var found []order
	for after := uint64(0); ; {
		entries, at, err := p.log.Read(ctx, after, publishBatch)
		if err != nil {
			return err
		}
		if at.Epoch != h.epoch {
			return ErrEpoch
		}
		for i := range entries {
			if e := &entries[i]; e.Offset <= until && e.Kind != KindEvent {
				found = append(found, orderOf(e))
			}
		}
		if len(entries) < publishBatch || entries[len(entries)-1].Offset >= until {
			break
		}
		after = entries[len(entries)-1].Offset
	}
	p.orders.load(found)
	return nil
}

func (o *orders) isLoaded() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.loaded
}

// load puts what was found in front of what came since.
func (o *orders) load(found []order) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(found) > 0 && len(o.list) > 0 && found[len(found)-1].offset >= o.list[0].offset {
		found = found[:len(found)-1]
	}
	o.list, o.loaded = slices.Concat(found, o.list), true
}

// obeyLocked does what an entry that is no event asks for. publisher.mu must be held.
func (p *publisher) obeyLocked(e *Entry) {
	rec := p.encode(*e)
	p.keepLocked(rec)
	n := p.server.existing(rec.nsp)
	switch e.Kind {
	case KindJoin, KindLeave, KindDisconnect:
		p.orders.add(e)
	case KindNothing:
		return
	case KindClaim:
		if n != nil {
			p.claimedLocked(n, e)
		}
		return
	default:
		p.deadLetter(e, errKind)
		return
	}
	if n == nil {
		return
	}
	n.roster.each(rec.target, func(s *Socket) {
		switch e.Kind {
		case KindJoin:
			n.joinAt(s, e.Names, e.Offset)
		case KindLeave:
			s.Leave(e.Names...)
		case KindDisconnect:
			// Its hooks may block, and may emit, which would wait for this delivery.
			s.barred.Store(true)
			p.server.workers.start(func() { s.Disconnect(e.Close) })
		}
	})
}

// view is who a session was while the log went on: it follows the orders.
type view struct {
	id      string
	nsp     string
	rooms   []RoomRecord
	pending []order // those that are not followed yet
	out     bool    // it was disconnected
}

// viewOf begins with a session's record, which knows of everything up to an offset.
func (p *publisher) viewOf(id, nsp string, rooms []RoomRecord, upTo uint64) *view {
	return &view{id: id, nsp: nsp, rooms: slices.Clone(rooms), pending: p.orders.after(upTo)}
}

// addresses reports whether the event at an offset was for the session. Offsets that
// are asked for rise.
func (v *view) addresses(t target, offset uint64) bool {
	v.advance(offset)
	return addresses(t, offset, v.id, v.rooms)
}

// advance follows the orders up to an offset.
func (v *view) advance(offset uint64) {
	for len(v.pending) > 0 && v.pending[0].offset <= offset {
		v.follow(&v.pending[0])
		v.pending = v.pending[1:]
	}
}

func (v *view) follow(o *order) {
	if o.nsp != v.nsp || !addresses(o.target, o.offset, v.id, v.rooms) {
		return
	}
	switch o.kind {
	case KindJoin:
		for _, name := range o.names {
			if !slices.ContainsFunc(v.rooms, func(r RoomRecord) bool { return r.Name == name }) {
				v.rooms = append(v.rooms, RoomRecord{name, o.offset})
			}
		}
	case KindLeave:
		// A room that it joined since, by itself, it is in.
		v.rooms = slices.DeleteFunc(v.rooms, func(r RoomRecord) bool {
			return r.Since < o.offset && slices.Contains(o.names, r.Name)
		})
	case KindDisconnect:
		v.out = true
	}
}
