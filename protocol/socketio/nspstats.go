package socketio

import (
	"maps"
	"sync"
	"sync/atomic"
)

// NamespaceStats say what there is in a namespace on this server, and count its events
// since it was made.
type NamespaceStats struct {
	Sockets int
	Rooms   map[string]RoomStats // those that have members, without the sockets' own
	// Events are by name. Under "" is what has no place of its own: what clients
	// sent that no handler is registered for, and names beyond the first 1,000.
	Events map[string]EventStats
}

// RoomStats say how many sockets are in a room on this server, and count the events that
// were sent to it here, whichever server emitted them, since its first socket joined: a room
// that nobody is in any more is forgotten, and begins at 0 when it is joined again. An event
// to several rooms counts in each.
type RoomStats struct {
	Sockets int
	Events  uint64
}

// EventStats count an event.
type EventStats struct {
	Received uint64 // from clients, whether or not it was handled
	Emitted  uint64 // calls that emitted it on this server, to however many sockets
}

// Stats returns what there is and the counters. It looks at each room; [Namespace.RoomStats]
// looks at one. Of a namespace that stands for others it is those of its own: see
// [Server.OfPattern].
func (n *Namespace) Stats() NamespaceStats {
	out := NamespaceStats{Sockets: n.Count(), Rooms: make(map[string]RoomStats), Events: make(map[string]EventStats)}
	n.roster.mu.RLock()
	for name, rm := range n.roster.rooms {
		out.Rooms[name] = RoomStats{int(rm.members.count.Load()), rm.events.Load()}
	}
	n.roster.mu.RUnlock()
	for name, c := range n.counts.all() {
		out.Events[name] = EventStats{c.received.Load(), c.emitted.Load()}
	}
	return out
}

// RoomStats returns what there is and was in one room: nothing where nobody is in it.
func (n *Namespace) RoomStats(name string) RoomStats {
	n.roster.mu.RLock()
	defer n.roster.mu.RUnlock()
	rm := n.roster.rooms[name]
	if rm == nil {
		return RoomStats{}
	}
	return RoomStats{int(rm.members.count.Load()), rm.events.Load()}
}

// maxCountedEvents bounds the names that a namespace counts apart.
const maxCountedEvents = 1000

// eventCounts count events by name. They are read without a lock, and a name that is
// there costs no allocation. The zero value is ready to use.
type eventCounts struct {
	mu    sync.Mutex // serialises changes
	table atomic.Pointer[map[string]*eventCount]
}

type eventCount struct{ received, emitted atomic.Uint64 }

// all returns the counters, which nobody may change the map of.
func (c *eventCounts) all() map[string]*eventCount {
	if t := c.table.Load(); t != nil {
		return *t
	}
	return nil
}

// of returns the counter of a name, making it if need be.
func (c *eventCounts) of(name string) *eventCount {
	if one := c.all()[name]; one != nil {
		return one
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	table := c.all()
	if len(table) >= maxCountedEvents {
		name = ""
	}
	if one := table[name]; one != nil {
		return one
	}
	next := maps.Clone(table)
	if next == nil {
		next = make(map[string]*eventCount)
	}
	one := new(eventCount)
	next[name] = one
	c.table.Store(&next)
	return one
}
