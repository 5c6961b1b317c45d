package socketio

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// SessionRecord is what is kept of a session that is in rooms, has data, or
// may not be recovered. It marshals as JSON.
type SessionRecord struct {
	ID        string          `json:"id"`               // the socket's id, the key
	Namespace string          `json:"nsp"`              // "/" or "/name"
	Rooms     []RoomRecord    `json:"rooms,omitempty"`  // without the socket's own
	Data      json.RawMessage `json:"data,omitempty"`   // nil for none
	Denied    bool            `json:"denied,omitempty"` // the client may not come back
	At        time.Time       `json:"at"`               // when the record was made
	PID       string          `json:"pid,omitempty"`    // what the client holds, for a [SharedSessions]
	Away      bool            `json:"away,omitempty"`   // the client had gone when the record was made
	Offset    uint64          `json:"offset,omitempty"` // the log's, up to which it knows of joins and leaves by the log

	live any // Data before it was marshalled, where the process still has it
}

// RoomRecord is a room of a session, and the log offset at which it joined:
// earlier events of the room are not for it.
type RoomRecord struct {
	Name  string `json:"name"`
	Since uint64 `json:"since"`
}

// SessionStore keeps session records beyond the process. All methods are safe
// for concurrent use; they may block, and are not called while events are
// delivered.
type SessionStore interface {
	// SaveSessions stores records, replacing those of the same ids.
	SaveSessions(ctx context.Context, records []SessionRecord) error
	// LoadSession returns the record of a socket id, and whether there is one.
	LoadSession(ctx context.Context, id string) (SessionRecord, bool, error)
	// TrimSessions drops the records saved before a time, by their At or by the
	// store's own clock, and the oldest ones beyond the number to keep. In a store that drops records by itself, by their
	// age, it may do nothing.
	TrimSessions(ctx context.Context, before time.Time, keep int) error
}

// saver keeps session records, and saves them in batches.
type saver struct {
	server  *Server
	options Recovery
	store   SessionStore // nil: records stay in memory

	// flushing is held while records are saved. Lock order: flushing → mu;
	// mu → nothing.
	flushing sync.Mutex

	// mu guards the fields below.
	mu      sync.Mutex
	recent  map[string]SessionRecord // not in the store, or not yet
	order   []string                 // ids of recent, oldest first; some may be gone
	changed map[*Socket]struct{}     // connected sockets whose record is stale
	left    int                      // of recent, those that left by themselves since the last save
	timer   *time.Timer              // armed while something waits to be saved
	trimmed time.Time
	renewed time.Time
	stopped bool
	failing bool        // the last saving by the timer failed
	waiting atomic.Bool // there is what the store has not: in recent or changed, or being saved
}

// Records of connected sockets are saved again now and then, so that trimming
// by age never takes one that is needed.
const (
	trimEvery  = time.Minute
	renewEvery = maxTicketAge / 4
)

// maxLeft bounds the records, between two saves, of clients that left by themselves:
// a client can go in and out of a namespace a hundred times a second, and a
// thousand of them must not fill memory and store with that. Beyond it a client
// that left would be let back in with its old session, which harms nobody else.
const maxLeft = 1000

func newSaver(srv *Server, r Recovery) *saver {
	r = r.withDefaults()
	return &saver{
		server: srv, options: r, store: r.Sessions,
		recent: make(map[string]SessionRecord), changed: make(map[*Socket]struct{}),
		trimmed: r.Now(), renewed: r.Now(),
	}
}

// sessionChanged notes that the rooms or data of s changed.
func (srv *Server) sessionChanged(s *Socket) {
	v := srv.sessions
	if v == nil || s.Protocol() == 3 {
		return
	}
	s.tracked.Store(true)
	if v.store == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if s.life().ended() { // rememberSession has the last word
		return
	}
	v.changed[s] = struct{}{}
	v.armLocked()
}

// armLocked has waiting records saved in time.
func (v *saver) armLocked() {
	v.waiting.Store(true)
	if v.timer == nil && !v.stopped {
		wait := v.options.SaveEvery
		if v.failing {
			wait = max(wait, retryInterval)
		}
		v.timer = time.AfterFunc(wait, v.saveWaiting)
	}
}

// saveWaiting is what the timer does. A store that stays away is reported once.
func (v *saver) saveWaiting() {
	err := v.flush()
	v.mu.Lock()
	first := err != nil && !v.failing
	v.failing = err != nil
	v.mu.Unlock()
	if first {
		v.server.opts.Logger.Error("socket.io recovery: save sessions", "error", err)
	}
}

// rememberSession keeps the record of a socket that closes.
func (srv *Server) rememberSession(s *Socket, reason Reason) {
	v := srv.sessions
	if v == nil || s.Protocol() == 3 {
		return
	}
	if s.superseded.Load() {
		v.forget(s)
		return // its record is another server's to keep
	}
	denied := !reason.recoverable()
	if !denied && !s.tracked.Load() {
		return
	}
	rec, ok := v.record(s)
	if !ok && !denied {
		return // a newer connection took the session over
	}
	rec.Denied, rec.Away = denied, true
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.changed, s)
	if reason == ReasonClientDisconnect && v.store != nil {
		if v.left >= maxLeft && !s.tracked.Load() {
			return
		}
		v.left++
	}
	v.keepLocked(rec)
}

// unsaved returns the record of a session that is not here any more, where the store
// has not got it yet.
func (v *saver) unsaved(id, nsp string) *SessionRecord {
	v.mu.Lock()
	defer v.mu.Unlock()
	rec, ok := v.recent[id]
	if !ok || rec.Namespace != nsp {
		return nil
	}
	return &rec
}

// forget gives up the changes of a socket.
func (v *saver) forget(s *Socket) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.changed, s)
}

// keepLocked puts a record in front of the store.
func (v *saver) keepLocked(rec SessionRecord) {
	if _, ok := v.recent[rec.ID]; !ok {
		v.order = append(v.order, rec.ID)
	}
	v.recent[rec.ID] = rec
	if v.store != nil {
		v.armLocked()
		return
	}
	for len(v.order) > 0 {
		id := v.order[0]
		old, ok := v.recent[id]
		if ok && len(v.recent) <= v.options.MaxSessions && rec.At.Sub(old.At) <= maxTicketAge {
			break
		}
		delete(v.recent, id)
		v.order = v.order[1:]
	}
}

// record makes the record of s as it is now. It returns false where s is no
// longer in its namespace's roster.
func (v *saver) record(s *Socket) (SessionRecord, bool) {
	// The offset first: the rooms are at least as new.
	rec := SessionRecord{ID: s.id, Namespace: s.nsp.name, At: v.now(), Offset: v.server.offset(), PID: s.pid()}
	rooms, ok := s.nsp.roster.memberships(s)
	rec.Rooms = rooms
	if rec.live = s.Data(); rec.live != nil {
		raw, err := json.Marshal(rec.live)
		if err != nil {
			s.report(fmt.Errorf("socketio: encode the data of a session: %w", err))
		}
		rec.Data = raw
	}
	return rec, ok
}

// now is the time by the log's clock.
func (v *saver) now() time.Time {
	if p := v.server.publisher; p != nil {
		return p.now()
	}
	return v.options.Now()
}

// load returns the record of a socket id.
func (v *saver) load(id, nsp string) (rec SessionRecord, known bool, err error) {
	v.mu.Lock()
	rec, known = v.recent[id]
	v.mu.Unlock()
	if !known && v.store != nil {
		if rec, known, err = v.store.LoadSession(context.Background(), id); err != nil {
			return rec, false, fmt.Errorf("load session: %w", err)
		}
	}
	if known && rec.Namespace != nsp {
		return SessionRecord{}, false, nil
	}
	return rec, known, nil
}

// storeRooms saves the record of a socket that has changed before an acknowledgement
// leaves, where several servers share a log: the client that is told that it joined a
// room is in it wherever it comes back, also where this server dies at this moment.
func (srv *Server) storeRooms(s *Socket) {
	if !srv.publisher.ordered() || !srv.sessions.stale(s) {
		return
	}
	if err := srv.sessions.flush(); err != nil {
		srv.opts.Logger.Error("socket.io recovery: save sessions before an acknowledgement", "error", err)
	}
}

// stale reports whether the store has an older record of s than there is.
func (v *saver) stale(s *Socket) bool {
	if v.store == nil || !s.tracked.Load() {
		return false
	}
	v.flushing.Lock() // where it is being saved, that is waited for
	defer v.flushing.Unlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	_, changed := v.changed[s]
	return changed
}

// SaveSessions saves the session records that wait for it, and returns when
// they are stored.
func (srv *Server) SaveSessions() error {
	if srv.sessions == nil {
		return nil
	}
	return srv.sessions.flush()
}

// flush saves what waits.
func (v *saver) flush() error {
	if v.store == nil || !v.waiting.Load() {
		return nil
	}
	v.flushing.Lock()
	defer v.flushing.Unlock()
	if !v.waiting.Load() {
		return nil // it was saved by the call that this one waited for
	}
	v.mu.Lock()
	if v.timer != nil {
		v.timer.Stop()
		v.timer = nil
	}
	changed := v.changed
	v.changed = make(map[*Socket]struct{})
	batch := make([]SessionRecord, 0, len(changed)+len(v.recent))
	for _, rec := range v.recent {
		batch = append(batch, rec)
	}
	v.left = 0
	v.mu.Unlock()
	for s := range changed {
		if rec, ok := v.record(s); ok {
			batch = append(batch, rec)
		}
	}
	err := v.save(batch)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		for s := range changed {
			v.changed[s] = struct{}{}
		}
		v.armLocked()
		return err
	}
	for _, rec := range batch {
		if now, ok := v.recent[rec.ID]; ok && now.At.Equal(rec.At) && now.Denied == rec.Denied {
			delete(v.recent, rec.ID)
		}
	}
	if len(v.recent) == 0 { // what they grew to is given back
		v.recent, v.order = make(map[string]SessionRecord), nil
	}
	v.waiting.Store(len(v.recent)+len(v.changed) > 0)
	return nil
}

// save stores a batch, and trims and renews now and then.
func (v *saver) save(batch []SessionRecord) error {
	ctx := context.Background()
	if len(batch) > 0 {
		if err := v.store.SaveSessions(ctx, batch); err != nil {
			return fmt.Errorf("save sessions: %w", err)
		}
	}
	now := v.now()
	if now.Sub(v.trimmed) >= trimEvery {
		v.trimmed = now
		if err := v.store.TrimSessions(ctx, now.Add(-maxTicketAge), v.options.MaxSessions); err != nil {
			return fmt.Errorf("trim sessions: %w", err)
		}
	}
	if now.Sub(v.renewed) >= renewEvery {
		v.renewed = now
		v.renew()
	}
	return nil
}

// renew has the records of connected sockets saved again.
func (v *saver) renew() {
	for _, name := range v.server.Namespaces() {
		if n := v.server.existing(name); n != nil {
			n.roster.all.each(func(s *Socket) {
				if s.tracked.Load() {
					v.server.sessionChanged(s)
				}
			})
		}
	}
}

// stop saves everything. No socket is connected any more.
func (v *saver) stop(context.Context) error {
	v.mu.Lock()
	v.stopped = true
	v.mu.Unlock()
	err := v.flush()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.timer != nil {
		v.timer.Stop()
		v.timer = nil
	}
	return err
}
