package socketio

import "slices"

// RoomEventKind says what happened to a room.
type RoomEventKind string

// The kinds, by the names that the official adapter has for them.
const (
	RoomCreated RoomEventKind = "create-room" // its first socket is about to join
	RoomJoined  RoomEventKind = "join-room"
	RoomLeft    RoomEventKind = "leave-room"
	RoomDeleted RoomEventKind = "delete-room" // its last socket has left
)

// RoomEvent is a change in the life of a room on this server.
type RoomEvent struct {
	Kind   RoomEventKind
	Room   string
	Socket *Socket // that joined or left
}

// roomHook is told of rooms.
type roomHook struct{ f func(RoomEvent) }

// OnRoom registers f to be told of the rooms of the namespace on this server: that they
// are created and deleted, and which sockets join and leave them. A socket's own room
// is not among them; a room that middleware joins is, also where the client is refused
// and leaves it again. The events of a namespace come one at a time and in order, a
// moment after what they tell of. f may do what it likes, but while it blocks the
// events behind it wait in memory.
func (n *Namespace) OnRoom(f func(e RoomEvent)) (remove func()) {
	h := &roomHook{f}
	n.hooks.change(func(t *hookTable) { t.rooms = with(t.rooms, h) })
	return func() { n.hooks.change(func(t *hookTable) { t.rooms = without(t.rooms, h) }) }
}

// roomNews are the events that nobody was told of yet, of one roster.
type roomNews struct {
	events  []RoomEvent
	telling bool // a goroutine does it
}

// noteRoomLocked has the hooks told of a change. roster.mu must be held.
func (r *roster) noteRoomLocked(s *Socket, kind RoomEventKind, room string) {
	listens := func(t *hookTable) bool { return len(t.rooms) > 0 }
	if tables := s.nsp.tables(nil); !slices.ContainsFunc(tables[:], listens) {
		return
	}
	r.news.events = append(r.news.events, RoomEvent{kind, room, s})
	if !r.news.telling {
		r.news.telling = true
		s.nsp.server.workers.start(func() { s.nsp.tellRoomEvents() })
	}
}

// tellRoomEvents tells the hooks until there is no more news.
func (n *Namespace) tellRoomEvents() {
	for {
		n.roster.mu.Lock()
		events := n.roster.news.events
		n.roster.news.events = nil
		n.roster.news.telling = len(events) > 0
		n.roster.mu.Unlock()
		if len(events) == 0 {
			return
		}
		for _, e := range events {
			for _, t := range n.tables(nil) {
				for _, h := range t.rooms {
					n.server.guard(e.Socket, StageListener, func() { h.f(e) })
				}
			}
		}
	}
}
