package socketio

import (
	"context"
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

// orders remembers the newest orders of the log. What a session has not seen of older
// ones is read as it asks for them.
type orders struct {
	// loading is held by who reads older ones, so that no two read the same. Only such
	// readers take it.
	loading sync.Mutex

	// mu guards the fields below. No other lock is taken under it.
	mu    sync.Mutex
	list  []order // by offset; readers may keep slices of it
	from  uint64  // list holds every order after this offset
	begun int     // how often it began anew
}

// restart begins anew with what comes after an offset, in another history.
func (o *orders) restart(from uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list, o.from = nil, from
	o.begun++
}

func (o *orders) add(e *Entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, orderOf(e))
	if drop := len(o.list) - maxOrders; drop > 0 {
		o.from = o.list[drop-1].offset
		o.list = shift(o.list, drop)
	}
}

func orderOf(e *Entry) order {
	return order{e.Offset, namespaceOf(e), target{e.Rooms, e.Except}, e.Kind, e.Names}
}

// after returns the orders after an offset, and whether those are all.
func (o *orders) after(offset uint64) ([]order, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i, _ := slices.BinarySearchFunc(o.list, offset+1, func(a order, want uint64) int {
		if a.offset < want {
			return -1
		}
		return 1
	})
	return o.list[i:len(o.list):len(o.list)], offset >= o.from
}

// begin returns where the list begins, for extend.
func (o *orders) begin() (from uint64, begun int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.from, o.begun
}

// extend puts in front of the list what was found between two offsets, unless it begins
// elsewhere by now.
func (o *orders) extend(found []order, from, until uint64, begun int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.from == until && o.begun == begun {
		o.list, o.from = slices.Concat(found, o.list), from
	}
}

// ordersAfter returns the orders after an offset. Those that this server has not seen, it
// reads from the log, the newest first: what was read stays where reading fails, so that
// a server whose log answers slowly gets there too.
func (p *publisher) ordersAfter(offset uint64) ([]order, error) {
	if !p.ordered() {
		return nil, nil
	}
	if list, all := p.orders.after(offset); all {
		return list, nil
	}
	p.orders.loading.Lock()
	defer p.orders.loading.Unlock()
	ctx, cancel := p.patience()
	defer cancel()
	for step := uint64(publishBatch); ; step *= 4 {
		if list, all := p.orders.after(offset); all {
			return list, nil
		}
		if err := p.loadOrders(ctx, offset, step); err != nil {
			return nil, err
		}
	}
}

// loadOrders reads the orders in front of those that are known, back to an offset: at
// most that many offsets, and where they are few some more, for whoever comes next.
func (p *publisher) loadOrders(ctx context.Context, back, most uint64) error {
	h := p.history.Load()
	until, begun := p.orders.begin()
	from := min(max(back, until-min(until, most)), until-min(until, publishBatch))
	var found []order
	for after := from; after < until; {
		entries, at, err := p.log.Read(ctx, after, publishBatch)
		if err != nil {
			return err
		}
		if at.Epoch != h.epoch {
			return ErrEpoch
		}
		for i := range entries {
			if e := &entries[i]; e.Offset <= until && isOrder(e.Kind) {
				found = append(found, orderOf(e))
			}
		}
		if len(entries) < publishBatch {
			break
		}
		after = entries[len(entries)-1].Offset
	}
	p.orders.extend(found, from, until, begun)
	return nil
}

func isOrder(k Kind) bool { return k == KindJoin || k == KindLeave || k == KindDisconnect }

// obeyLocked does what an entry that is no event asks for. publisher.mu must be held.
func (p *publisher) obeyLocked(e *Entry) {
	rec := p.encode(*e)
	p.keepLocked(rec)
	n := p.server.existing(rec.nsp)
	switch {
	case isOrder(e.Kind):
		p.orders.add(e)
	case e.Kind == KindNothing:
		return
	case e.Kind == KindClaim:
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
	n.roster.each(rec.target, 0, func(s *Socket) {
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

// viewOf begins with a session's record; pending are the orders that came since.
func viewOf(id, nsp string, rooms []RoomRecord, pending []order) *view {
	return &view{id: id, nsp: nsp, rooms: slices.Clone(rooms), pending: pending}
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
