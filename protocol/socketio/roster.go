package socketio

import (
	"slices"
	"sync"
	"sync/atomic"
)

// roster holds the connected sockets of one namespace and their rooms.
//
// A socket's own room, named by its id, is no entry in rooms: the ids serve.
// Walking all sockets or one room takes no lock while it delivers.
type roster struct {
	// mu guards ids, rooms, claims, news, and slot and rooms of every socket of the
	// namespace. For the order of locks see locks.go.
	mu     sync.RWMutex
	ids    map[string]*Socket
	rooms  map[string]*room
	claims map[string]*Socket // sockets that are recovering under an id
	all    set
	news   roomNews
}

// room is a named set of sockets. It exists while it has members.
type room struct {
	name    string
	members set
	refs    int           // sockets that are in it, or will be once they are connected
	events  atomic.Uint64 // that were sent to it
}

// membership is a socket's place in a room.
type membership struct {
	room  *room
	since uint64 // log offset at which it joined
	slot  uint32
}

// add lets broadcasts reach s, with the rooms it joined so far: it is joined or
// replaying from now on. It returns false where s was closed, or its id
// claimed by a newer connection.
func (r *roster) add(s *Socket, as socketState) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if claimed := r.claims[s.id]; claimed != nil {
		if claimed != s {
			return false
		}
		delete(r.claims, s.id)
	}
	if !s.enter(as) {
		return false
	}
	if old := r.ids[s.id]; old != nil {
		r.detachLocked(old) // it is closing already
	}
	if r.ids == nil {
		r.ids = make(map[string]*Socket)
	}
	r.ids[s.id] = s
	r.openLocked(s.nsp, s.id)
	s.slot = r.all.add(s)
	for i, m := range s.rooms {
		s.rooms[i].slot = m.room.members.add(s)
	}
	return true
}

// remove takes s out of everything. The caller has set s closed.
func (r *roster) remove(s *Socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.claims[s.id] == s {
		delete(r.claims, s.id)
	}
	r.detachLocked(s)
}

// detachLocked does it.
func (r *roster) detachLocked(s *Socket) {
	member := r.ids[s.id] == s
	if member {
		delete(r.ids, s.id)
		r.closeLocked(s.nsp, s.id)
		r.all.remove(s.slot)
		if r.all.sparse() {
			r.all.rebuild(func(s *Socket, slot uint32) { s.slot = slot })
		}
	}
	for _, m := range s.rooms {
		if member {
			m.room.members.remove(m.slot)
		}
		r.leftLocked(s, m.room)
	}
	s.rooms = nil
}

// leftLocked counts s out of a room that it was taken out of.
func (r *roster) leftLocked(s *Socket, rm *room) {
	rm.refs--
	r.tidyLocked(rm)
	r.noteRoomLocked(s, RoomLeft, rm.name)
	if rm.refs == 0 {
		r.noteRoomLocked(s, RoomDeleted, rm.name)
		r.closeLocked(s.nsp, rm.name)
	}
}

// tidyLocked drops a room that has no member left, and shrinks one that
// became sparse.
func (r *roster) tidyLocked(rm *room) {
	if rm.refs == 0 {
		if r.rooms[rm.name] == rm {
			delete(r.rooms, rm.name)
		}
	} else if rm.members.sparse() {
		rm.members.rebuild(func(s *Socket, slot uint32) {
			if i := s.memberOf(rm); i >= 0 {
				s.rooms[i].slot = slot
			}
		})
	}
}

// claim notes that s recovers under id, and returns the sockets that have the id
// now: the one that is connected or closing, and one that is recovering too. One
// that is closed claims nothing: another of its client may have come after it.
func (r *roster) claim(id string, s *Socket) (olds []*Socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.life().ended() {
		return nil
	}
	for _, old := range []*Socket{r.ids[id], r.claims[id]} {
		if old != nil {
			olds = append(olds, old)
		}
	}
	if r.claims == nil {
		r.claims = make(map[string]*Socket)
	}
	r.claims[id] = s
	return olds
}

// rename gives s the id that it claimed. Nobody but the claim knows s yet; the
// lock is for one that is closed meanwhile.
func (r *roster) rename(s *Socket, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.id = id
}

// namesRoom reports whether t names a room, and not only sockets.
func (r *roster) namesRoom(t target) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, names := range [2][]string{t.rooms, t.except} {
		for _, name := range names {
			if r.ids[name] == nil || r.rooms[name] != nil {
				return true
			}
		}
	}
	return false
}

// holders returns the sockets here that have an id, or claim it.
func (r *roster) holders(id string) (list []*Socket) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, s := range []*Socket{r.ids[id], r.claims[id]} {
		if s != nil {
			list = append(list, s)
		}
	}
	return list
}

// release undoes a claim that came to nothing.
func (r *roster) release(id string, s *Socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.claims[id] == s {
		delete(r.claims, id)
	}
}

// join puts s into rooms at a log offset, up to a number of them (0: any), and
// returns how many it left out. Before s is connected they are only noted.
func (r *roster) join(s *Socket, names []string, since uint64, most int) (refused int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range names {
		if most > 0 && len(s.rooms) >= most && name != s.id && !s.inRoom(name) {
			refused++
			continue
		}
		r.joinLocked(s, name, since)
	}
	return refused
}

// joinIfBelow is join for one room that has fewer than limit members, those included
// that will be in it once they are connected.
func (r *roster) joinIfBelow(s *Socket, name string, limit int, since uint64, most int) (in, refused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name == s.id || s.inRoom(name) {
		return true, false
	}
	if most > 0 && len(s.rooms) >= most {
		return false, true
	}
	members := 0
	if rm := r.rooms[name]; rm != nil {
		members = rm.refs
	}
	if members >= limit {
		return false, false
	}
	r.joinLocked(s, name, since)
	return s.inRoom(name), false
}

// inRoom reports whether s is in a room of that name. roster.mu must be held.
func (s *Socket) inRoom(name string) bool {
	return slices.ContainsFunc(s.rooms, func(m membership) bool { return m.room.name == name })
}

// rejoin puts s into the rooms of its session.
func (r *roster) rejoin(s *Socket, rooms []RoomRecord) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rm := range rooms {
		r.joinLocked(s, rm.Name, rm.Since)
	}
}

func (r *roster) joinLocked(s *Socket, name string, since uint64) {
	if s.life().ended() || name == s.id {
		return
	}
	rm := r.rooms[name]
	if rm == nil {
		rm = &room{name: name}
		if r.rooms == nil {
			r.rooms = make(map[string]*room)
		}
		r.rooms[name] = rm
		r.noteRoomLocked(s, RoomCreated, name)
		r.openLocked(s.nsp, name)
	} else if s.memberOf(rm) >= 0 {
		return
	}
	m := membership{room: rm, since: since}
	rm.refs++
	if r.ids[s.id] == s {
		m.slot = rm.members.add(s)
	}
	s.rooms = append(s.rooms, m)
	r.noteRoomLocked(s, RoomJoined, name)
}

// leave takes s out of rooms.
func (r *roster) leave(s *Socket, names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	connected := r.ids[s.id] == s
	for _, name := range names {
		i := slices.IndexFunc(s.rooms, func(m membership) bool { return m.room.name == name })
		if i < 0 {
			continue
		}
		m := s.rooms[i]
		s.rooms = slices.Delete(s.rooms, i, i+1)
		if connected {
			m.room.members.remove(m.slot)
		}
		r.leftLocked(s, m.room)
	}
	if len(s.rooms) == 0 {
		s.rooms = nil
	}
}

// memberOf returns the index of rm among the socket's rooms, or -1. The
// roster's lock must be held.
func (s *Socket) memberOf(rm *room) int {
	for i := range s.rooms {
		if s.rooms[i].room == rm {
			return i
		}
	}
	return -1
}

// roomNames returns the rooms of s, its own first, which it has while it is
// connected.
func (r *roster) roomNames(s *Socket) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := make([]string, 0, 1+len(s.rooms))
	if r.ids[s.id] == s {
		out = append(out, s.id)
	}
	for _, m := range s.rooms {
		out = append(out, m.room.name)
	}
	return out
}

// memberships returns the rooms of s without its own, and whether s is
// connected.
func (r *roster) memberships(s *Socket) ([]RoomRecord, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var out []RoomRecord
	for _, m := range s.rooms {
		out = append(out, RoomRecord{m.room.name, m.since})
	}
	return out, r.ids[s.id] == s
}

func (r *roster) get(id string) *Socket {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.ids[id]
}

// target says who a packet is for: everybody where rooms is empty.
type target struct {
	rooms, except []string
}

// each calls f once for every connected socket that t addresses. The common
// cases, everybody or one room with at most socket ids excepted, take no lock
// while f runs and allocate nothing. The rooms that t names count the events that f
// sends: none where it does something else.
func (r *roster) each(t target, events uint64, f func(*Socket)) {
	var only *Socket
	walk := &r.all
	r.mu.RLock()
	simple := len(t.rooms) <= 1
	for _, name := range t.except {
		if r.rooms[name] != nil {
			simple = false
		}
	}
	if simple && len(t.rooms) == 1 {
		name := t.rooms[0]
		only, walk = r.ids[name], nil
		if rm := r.rooms[name]; rm != nil {
			walk, simple = &rm.members, only == nil
			if simple {
				rm.events.Add(events)
			}
		}
	}
	r.mu.RUnlock()
	switch {
	case !simple:
		r.eachSelected(t, events, f)
	case only != nil:
		if !slices.Contains(t.except, only.id) {
			f(only)
		}
	case walk == nil:
	case len(t.except) == 0:
		walk.each(f)
	default:
		walk.each(func(s *Socket) {
			if !slices.Contains(t.except, s.id) {
				f(s)
			}
		})
	}
}

var selections = sync.Pool{New: func() any { return new([]*Socket) }}

// eachSelected handles several rooms and excepted rooms: it picks the sockets
// under the lock, and calls f after it.
func (r *roster) eachSelected(t target, events uint64, f func(*Socket)) {
	buf := selections.Get().(*[]*Socket)
	picked := (*buf)[:0]
	r.mu.RLock()
	except := r.roomsLocked(t.except)
	pick := func(s *Socket, seen []*room) {
		for _, rm := range seen {
			if s.memberOf(rm) >= 0 {
				return
			}
		}
		for _, rm := range except {
			if s.memberOf(rm) >= 0 {
				return
			}
		}
		if !slices.Contains(t.except, s.id) {
			picked = append(picked, s)
		}
	}
	if len(t.rooms) == 0 {
		r.all.each(func(s *Socket) { pick(s, nil) })
	}
	rooms := r.roomsLocked(t.rooms)
	for i, rm := range rooms {
		rm.events.Add(events)
		rm.members.each(func(s *Socket) { pick(s, rooms[:i]) })
	}
	for i, name := range t.rooms {
		if s := r.ids[name]; s != nil && !slices.Contains(t.rooms[:i], name) {
			pick(s, rooms)
		}
	}
	r.mu.RUnlock()
	for _, s := range picked {
		f(s)
	}
	clear(picked)
	if *buf = picked[:0]; cap(picked) <= 1<<16 {
		selections.Put(buf)
	}
}

// roomsLocked returns the rooms that exist of names, each once.
func (r *roster) roomsLocked(names []string) []*room {
	var out []*room
	for _, name := range names {
		if rm := r.rooms[name]; rm != nil && !slices.Contains(out, rm) {
			out = append(out, rm)
		}
	}
	return out
}
