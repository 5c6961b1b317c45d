package limits

import (
	"container/list"
	"errors"
	"sync"
)

// ErrCrowded ends an upload that made room for others.
var ErrCrowded = errors.New("too many uploads at once")

// Uploads bounds the bytes of uploads that have arrived and are not finished.
// Honest uploads last seconds. So when there is no room left, the upload that
// began first is ended: whoever keeps many half-sent ones open loses those,
// and the crowd goes on. It is safe for concurrent use.
type Uploads struct {
	name  string
	limit int64

	mu      sync.Mutex // guards all below and every Upload's fields
	held    int64
	running *list.List // of *Upload, the oldest in front
	ended   uint64
}

// Upload is one running upload.
type Upload struct {
	all   *Uploads
	place *list.Element // nil once it arrived or was ended
	bytes int64
	ended bool
	stop  func()
}

// NewUploads returns a bound of limit bytes called name.
func NewUploads(name string, limit int64) *Uploads {
	return &Uploads{name: name, limit: limit, running: list.New()}
}

// Begin enters an upload. stop is called, at most once and on another
// goroutine's stack, when the upload is ended for others; it must make the
// reading of its body return.
func (u *Uploads) Begin(stop func()) *Upload {
	up := &Upload{all: u, stop: stop}
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
	u.held += n
	for u.limit > 0 && u.held > u.limit && u.running.Len() > 0 {
		oldest := u.running.Front().Value.(*Upload)
		u.endLocked(oldest)
		if oldest == up {
			return ErrCrowded
		}
	}
	return nil
}

// endLocked ends up and frees what it held. mu must be held.
func (u *Uploads) endLocked(up *Upload) {
	u.running.Remove(up.place)
	up.place, up.ended = nil, true
	u.held -= up.bytes
	up.bytes = 0
	u.ended++
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
	u.held -= up.bytes
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
	return Refusals{Limit: u.name, Total: u.ended}
}
