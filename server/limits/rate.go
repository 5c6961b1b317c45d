package limits

import (
	"container/list"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// maxBuckets bounds the addresses a Rate remembers. At about 200 bytes each
// that is 2 MB a limit when somebody owns very many addresses. The one that
// asked longest ago is forgotten first, and so gets a full bucket again: what
// such an attacker meets is the limit in total.
const maxBuckets = 10_000

// Rate limits how often something happens, per address and in total, with
// token buckets; an IPv6 /48 has twice what an address has. It is safe for concurrent use.
type Rate struct {
	name    string
	total   *rate.Limiter // nil: no limit in total
	address rate.Limit    // 0: no limit per address
	burst   int

	// mu guards the two below, and is held while tokens are taken and given back:
	// a limiter gives back nothing for which somebody else came after.
	mu      sync.Mutex
	buckets map[netip.Prefix]*list.Element
	recent  *list.List // of *bucket, the one that asked last in front

	refusedAddress, refusedTotal atomic.Uint64
}

// bucket is one address's tokens.
type bucket struct {
	key     netip.Prefix
	limiter *rate.Limiter
}

// PerSecond are the numbers of one Rate. A zero number is no limit; a zero
// burst is one second's worth, at least 1.
type PerSecond struct {
	Address, Total           float64
	AddressBurst, TotalBurst int
}

// NewRate returns a limit called name, which is its label in the metrics.
func NewRate(name string, n PerSecond) *Rate {
	r := &Rate{
		name:    name,
		address: rate.Limit(n.Address),
		burst:   burst(n.AddressBurst, n.Address),
		buckets: make(map[netip.Prefix]*list.Element),
		recent:  list.New(),
	}
	if n.Total > 0 {
		r.total = rate.NewLimiter(rate.Limit(n.Total), burst(n.TotalBurst, n.Total))
	}
	return r
}

// burst is the number of tokens a bucket holds.
func burst(n int, perSecond float64) int {
	if n > 0 {
		return n
	}
	return max(1, int(perSecond))
}

// Allow takes a token for addr. It returns 0 when there was one, and otherwise
// the time after which to try again; nothing is taken then. An invalid addr (a
// local socket) is limited in total only.
func (r *Rate) Allow(addr netip.Addr, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var buckets []*rate.Limiter
	if r.address > 0 && addr.IsValid() {
		var room [3]*rate.Limiter
		buckets = append(room[:0], r.bucketLocked(Key(addr), 1))
		if wide := Wide(addr); wide.IsValid() {
			buckets = append(buckets, r.bucketLocked(wide, wideTimes))
		}
	}
	if r.total != nil {
		buckets = append(buckets, r.total)
	}
	var taken [3]*rate.Reservation
	for i, b := range buckets {
		taken[i] = b.ReserveN(now, 1)
		wait := taken[i].DelayFrom(now)
		if wait <= 0 {
			continue
		}
		for _, back := range slices.Backward(taken[:i+1]) {
			back.CancelAt(now)
		}
		if b == r.total {
			r.refusedTotal.Add(1)
		} else {
			r.refusedAddress.Add(1)
		}
		return wait
	}
	return 0
}

// bucketLocked returns the tokens of key, which gets times those of an address, making
// room for them if need be. mu must be held.
func (r *Rate) bucketLocked(key netip.Prefix, times int) *rate.Limiter {
	if e, ok := r.buckets[key]; ok {
		r.recent.MoveToFront(e)
		return e.Value.(*bucket).limiter
	}
	if r.recent.Len() >= maxBuckets {
		oldest := r.recent.Back()
		delete(r.buckets, oldest.Value.(*bucket).key)
		r.recent.Remove(oldest)
	}
	b := &bucket{key: key, limiter: rate.NewLimiter(r.address*rate.Limit(times), r.burst*times)}
	r.buckets[key] = r.recent.PushFront(b)
	return b.limiter
}

// Refusals says what was refused so far.
func (r *Rate) Refusals() Refusals {
	return Refusals{Limit: r.name, Address: r.refusedAddress.Load(), Total: r.refusedTotal.Load()}
}

// Refusals are the times a limit said no, by which of its two numbers, and
// what it holds now where it counts that.
type Refusals struct {
	Limit          string
	Address, Total uint64
	Held           int64
}
