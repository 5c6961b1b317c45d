package turns

import (
	"errors"
	"net/netip"
	"sync"

	"podium/protocol/budget"
	"podium/protocol/limits"
)

// ErrCrowded ends an upload that made room for others.
var ErrCrowded = errors.New("too many uploads at once")

// Uploads bounds the bytes of uploads that have arrived and are not finished,
// per address and in total. Honest uploads last seconds. So when there is no
// room left, those end that hold the most and bring the least (package budget
// says how that is weighed), whoever else is behind their address: whoever keeps
// many half-sent ones open loses those, and the crowd goes on. Of an address that
// has too much, its own do. It is safe for concurrent use.
type Uploads struct {
	name    string
	address int64
	share   *budget.Share

	mu      sync.Mutex // guards all below
	holding map[netip.Prefix]int64
	ended   uint64 // for others of their address
}

// Upload is one running upload. Its methods are called by one goroutine.
type Upload struct {
	all    *Uploads
	addr   netip.Addr
	charge *budget.Charge
	bytes  int64
}

// NewUploads returns a bound called name, of limit bytes in total and address
// bytes of one address. A zero number is no limit.
func NewUploads(name string, address, limit int64) *Uploads {
	return &Uploads{name: name, address: address, share: budget.New(limit).Share(name, 0), holding: make(map[netip.Prefix]int64)}
}

// Begin enters an upload of addr. stop is called, at most once and on another
// goroutine's stack, when the upload is ended for others; it must make the
// reading of its body return.
func (u *Uploads) Begin(addr netip.Addr, stop func()) *Upload {
	return &Upload{all: u, addr: addr, charge: u.share.Open(addr, stop)}
}

// Add counts n bytes that arrived. It returns ErrCrowded when the upload was
// ended.
func (up *Upload) Add(n int64) error {
	u := up.all
	up.charge.Progress(n)
	if err := up.charge.Hold(n); err != nil {
		return ErrCrowded
	}
	up.bytes += n
	if u.count(up.addr, n) <= u.address || u.address <= 0 || !up.addr.IsValid() {
		return up.Ended()
	}
	before := u.share.Usage().Evicted
	u.share.Trim(up.addr, u.address, up.charge)
	ended := u.share.Usage().Evicted - before
	u.mu.Lock()
	u.ended += ended
	u.mu.Unlock()
	return up.Ended()
}

// Ended returns ErrCrowded when the upload was ended.
func (up *Upload) Ended() error {
	if up.charge.Evicted() {
		return ErrCrowded
	}
	return nil
}

// count adds n bytes to what addr holds, and returns that.
func (u *Uploads) count(addr netip.Addr, n int64) int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	key := limits.Key(addr)
	u.holding[key] += n
	held := u.holding[key]
	if held == 0 {
		delete(u.holding, key)
	}
	return held
}

// Arrived says that the body was read to its end: the upload is not ended any
// more for others, but still counts.
func (up *Upload) Arrived() error {
	if up.charge.Pin() != nil {
		return ErrCrowded
	}
	return nil
}

// Done frees what the upload held. It may be called after anything.
func (up *Upload) Done() {
	up.charge.Close()
	up.all.count(up.addr, -up.bytes)
	up.bytes = 0
}

// Held is the number of bytes that unfinished uploads hold.
func (u *Uploads) Held() int64 { return u.share.Usage().Held }

// Refusals says how many uploads were ended for others.
func (u *Uploads) Refusals() limits.Refusals {
	usage := u.share.Usage()
	u.mu.Lock()
	defer u.mu.Unlock()
	return limits.Refusals{Limit: u.name, Address: u.ended, Total: usage.Evicted + usage.Refused - u.ended, Held: usage.Held}
}
