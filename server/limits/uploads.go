package limits

import (
	"container/list"
	"errors"
	"net/netip"
	"sync"
)

// ErrCrowded ends an upload that made room for others.
var ErrCrowded = errors.New("too many uploads at once")

// Uploads bounds the bytes of uploads that have arrived and are not finished,
// per address and in total. Honest uploads last seconds. So when there is no
// room left, an upload is ended that began before the others: among those of
// the address that holds the most, so that whoever keeps many half-sent ones
// open loses those, and the crowd goes on. It is safe for concurrent use.
type Uploads struct {
	name           string
	address, limit int64

	mu                       sync.Mutex // guards all below and every Upload's fields
	held                     int64
	holding                  map[netip.Prefix]int64
	running                  *list.List // of *Upload, the oldest in front
	endedAddress, endedTotal uint64
}

// Upload is one running upload.
type Upload struct {
	all   *Uploads
	key   netip.Prefix
	place *list.Element // nil once it arrived or was ended
	bytes int64
	ended bool
	stop  func()
}

// NewUploads returns a bound called name, of limit bytes in total and address
// bytes of one address. A zero number is no limit.
func NewUploads(name string, address, limit int64) *Uploads {
	return &Uploads{name: name, address: address, limit: limit, running: list.New(), holding: make(map[netip.Prefix]int64)}
}

// Begin enters an upload of addr. stop is called, at most once and on another
// goroutine's stack, when the upload is ended for others; it must make the
// reading of its body return.
func (u *Uploads) Begin(addr netip.Addr, stop func()) *Upload {
	up := &Upload{all: u, key: Key(addr), stop: stop}
	u.mu.Lock()
	defer u.mu.Unlock()
	up.place = u.running.PushBack(up)
	return up
}

// Add counts n bytes that arrived. It returns ErrCrowded when the upload was
// ended.
func (up *Upload) Add(n int64) error {
	u := up.all
	u.mu.Lock()
	defer u.mu.Unlock()
	if up.ended {
		return ErrCrowded
	}
	up.bytes += n
	u.countLocked(up.key, n)
	for !up.ended && u.address > 0 && up.key.IsValid() && u.holding[up.key] > u.address && u.endOldestLocked(up.key) {
		u.endedAddress++
	}
	for !up.ended && u.limit > 0 && u.held > u.limit && u.endOldestLocked(u.heaviestLocked()) {
		u.endedTotal++
	}
	if up.ended {
		return ErrCrowded
	}
	return nil
}

// countLocked adds n bytes to what key holds. mu must be held.
func (u *Uploads) countLocked(key netip.Prefix, n int64) {
	u.held += n
	if u.holding[key] += n; u.holding[key] == 0 {
		delete(u.holding, key)
	}
}

// heaviestLocked is the address whose running uploads hold the most. mu must
// be held.
func (u *Uploads) heaviestLocked() (heaviest netip.Prefix) {
	bytes, most := make(map[netip.Prefix]int64), int64(-1)
	for e := u.running.Front(); e != nil; e = e.Next() {
		up := e.Value.(*Upload)
		if bytes[up.key] += up.bytes; bytes[up.key] > most {
			heaviest, most = up.key, bytes[up.key]
		}
	}
	return heaviest
}

// endOldestLocked ends the upload of key that began first, and reports whether
// there was one. mu must be held.
func (u *Uploads) endOldestLocked(key netip.Prefix) bool {
	for e := u.running.Front(); e != nil; e = e.Next() {
		if up := e.Value.(*Upload); up.key == key {
			u.endLocked(up)
			return true
		}
	}
	return false
}

// endLocked ends up and frees what it held. mu must be held.
func (u *Uploads) endLocked(up *Upload) {
	u.running.Remove(up.place)
	up.place, up.ended = nil, true
	u.countLocked(up.key, -up.bytes)
	up.bytes = 0
	up.stop()
}

// Arrived says that the body was read to its end: the upload is not ended any
// more for others, but still counts.
func (up *Upload) Arrived() error {
	u := up.all
	u.mu.Lock()
	defer u.mu.Unlock()
	if up.ended {
		return ErrCrowded
	}
	u.running.Remove(up.place)
	up.place = nil
	return nil
}

// Done frees what the upload held. It may be called after anything.
func (up *Upload) Done() {
	u := up.all
	u.mu.Lock()
	defer u.mu.Unlock()
	if up.place != nil {
		u.running.Remove(up.place)
		up.place = nil
	}
	u.countLocked(up.key, -up.bytes)
	up.bytes = 0
	up.ended = true
}

// Held is the number of bytes that unfinished uploads hold.
func (u *Uploads) Held() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.held
}

// Refusals says how many uploads were ended for others.
func (u *Uploads) Refusals() Refusals {
	u.mu.Lock()
	defer u.mu.Unlock()
	return Refusals{Limit: u.name, Address: u.endedAddress, Total: u.endedTotal, Held: u.held}
}
