package engineio

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// registry holds the open sessions by id, in shards, so that requests of
// different sessions seldom wait for each other.
type registry struct {
	seed   maphash.Seed
	count  atomic.Int64
	shards [64]shard
}

type shard struct {
	mu       sync.RWMutex // guards sessions
	sessions map[string]*Session
}

func newRegistry() *registry {
	r := &registry{seed: maphash.MakeSeed()}
	for i := range r.shards {
		r.shards[i].sessions = make(map[string]*Session)
	}
	return r
}

func (r *registry) shard(id string) *shard {
	return &r.shards[maphash.String(r.seed, id)%uint64(len(r.shards))]
}

func (r *registry) get(id string) *Session {
	sh := r.shard(id)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.sessions[id]
}

// add returns why the session must not be: its id is taken, or there are bound others.
// A bound of 0 is none.
func (r *registry) add(s *Session, bound int) *Error {
	sh := r.shard(s.id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.sessions[s.id] != nil {
		return ErrBadRequest
	}
	if n := r.count.Add(1); bound > 0 && n > int64(bound) {
		r.count.Add(-1)
		return errFull
	}
	sh.sessions[s.id] = s
	return nil
}

// remove reports whether this call was the one that removed the session.
func (r *registry) remove(s *Session) bool {
	sh := r.shard(s.id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	found := sh.sessions[s.id] == s
	if found {
		delete(sh.sessions, s.id)
		r.count.Add(-1)
	}
	return found
}

func (r *registry) len() int { return int(r.count.Load()) }

// each calls f without holding a lock, for the sessions of one shard after the
// other.
func (r *registry) each(f func(*Session) bool) {
	for i := range r.shards {
		sh := &r.shards[i]
		sh.mu.RLock()
		sessions := make([]*Session, 0, len(sh.sessions))
		for _, s := range sh.sessions {
			sessions = append(sessions, s)
		}
		sh.mu.RUnlock()
		for _, s := range sessions {
			if !f(s) {
				return
			}
		}
	}
}

// unused remembers the newest long-polling handshakes, to bound the sessions
// that were opened and never used.
type unused struct {
	mu   sync.Mutex // guards the fields below
	ring []string   // session ids
	next int
}

// note remembers id and returns the one that it displaces, or "".
func (u *unused) note(id string, bound int) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.ring) < bound {
		u.ring = append(u.ring, id)
		return ""
	}
	old := u.ring[u.next]
	u.ring[u.next] = id
	u.next = (u.next + 1) % len(u.ring)
	return old
}

// opened bounds the sessions that were opened and never used, after s.
func (srv *Server) opened(s *Session) {
	bound := srv.opts.MaxUnused
	if bound < 0 {
		return
	}
	old := srv.registry.get(srv.unused.note(s.id, bound))
	if old == nil {
		return
	}
	old.mu.Lock()
	used := old.used
	old.mu.Unlock()
	if !used {
		old.end(ReasonTransportClose, errUnused)
	}
}
