package limits

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// maxBuckets bounds the addresses a Rate remembers. At about 200 bytes each
// that is 2 MB a limit when somebody owns very many addresses. The one that
// asked longest ago is forgotten first, and so gets a full bucket again: what
// such an attacker meets is the limit in total.
const maxBuckets = 10_000

// Rate limits how often something happens, per address and in total, with
// token buckets; an IPv6 /48 has twice what an address has. It is safe for concurrent use. A nil Rate limits nothing.
type Rate struct {
	name           string
	address, total size

	mu                           sync.Mutex // guards all below
	all                          bucket
	buckets                      map[netip.Prefix]*list.Element
	recent                       *list.List // of *bucket, the one that asked last in front
	refusedAddress, refusedTotal uint64
}

// PerSecond are the numbers of one Rate. A zero number is no limit; a zero
// burst is one second's worth, at least 1.
type PerSecond struct {
	Address, Total           float64
	AddressBurst, TotalBurst int
}

// size is how fast tokens come back, and how many there are at most. Where perSecond
// is 0 there is no limit.
type size struct{ perSecond, burst float64 }

// bucket has the tokens of one address, or of all together. Below 0 they are owed.
type bucket struct {
	key    netip.Prefix
	tokens float64
	at     time.Time // of tokens
}

// NewRate returns a limit called name, which is its label in the metrics.
func NewRate(name string, n PerSecond) *Rate {
	r := &Rate{
		name:    name,
		address: sizeOf(n.Address, n.AddressBurst),
		total:   sizeOf(n.Total, n.TotalBurst),
		buckets: make(map[netip.Prefix]*list.Element),
		recent:  list.New(),
	}
	r.all.tokens = r.total.burst
	return r
}

func sizeOf(perSecond float64, burst int) size {
	if burst <= 0 {
		burst = max(1, int(perSecond))
	}
	return size{max(perSecond, 0), float64(burst)}
}

// Allow takes a token for addr. It returns 0 when there was one, and otherwise
// the time after which to try again; nothing is taken then. An invalid addr (a
// local socket) is limited in total only.
func (r *Rate) Allow(addr netip.Addr, now time.Time) (wait time.Duration) {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	own, wide := r.bucketsLocked(addr, now)
	if wait := max(own.missing(1, r.address), wide.missing(1, r.wide())); wait > 0 {
		r.refusedAddress++
		return wait
	}
	r.all.refill(now, r.total)
	if wait := r.all.missing(1, r.total); wait > 0 {
		r.refusedTotal++
		return wait
	}
	own.take(1)
	wide.take(1)
	r.all.take(1)
	return 0
}

// Take takes n tokens for something that has happened, whether or not they are there,
// and returns for how long nothing more may happen. It is for what cannot be refused,
// only slowed down: messages that have arrived.
func (r *Rate) Take(addr netip.Addr, n int, now time.Time) (wait time.Duration) {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	own, wide := r.bucketsLocked(addr, now)
	r.all.refill(now, r.total)
	own.take(n)
	wide.take(n)
	r.all.take(n)
	byAddress, inTotal := max(own.missing(0, r.address), wide.missing(0, r.wide())), r.all.missing(0, r.total)
	switch {
	case byAddress > inTotal:
		r.refusedAddress++
	case inTotal > 0:
		r.refusedTotal++
	}
	return max(byAddress, inTotal)
}

// wide is the size of the bucket of an IPv6 /48.
func (r *Rate) wide() size { return size{wideTimes * r.address.perSecond, wideTimes * r.address.burst} }

// bucketsLocked returns the tokens of addr and of its /48 as of now, or nil for what is
// not limited by itself. mu must be held.
func (r *Rate) bucketsLocked(addr netip.Addr, now time.Time) (own, wide *bucket) {
	if r.address.perSecond == 0 || !addr.IsValid() {
		return nil, nil
	}
	own = r.bucketLocked(Key(addr), r.address, now)
	if network := Wide(addr); network.IsValid() {
		wide = r.bucketLocked(network, r.wide(), now)
	}
	return own, wide
}

// bucketLocked returns the tokens of key as of now, making room for them if need be. mu
// must be held.
func (r *Rate) bucketLocked(key netip.Prefix, s size, now time.Time) *bucket {
	if e, ok := r.buckets[key]; ok {
		r.recent.MoveToFront(e)
		b := e.Value.(*bucket)
		b.refill(now, s)
		return b
	}
	if r.recent.Len() >= maxBuckets {
		oldest := r.recent.Back()
		delete(r.buckets, oldest.Value.(*bucket).key)
		r.recent.Remove(oldest)
	}
	b := &bucket{key: key, tokens: s.burst, at: now}
	r.buckets[key] = r.recent.PushFront(b)
	return b
}

// refill adds the tokens that came back until now. A clock that was set back adds none.
func (b *bucket) refill(now time.Time, s size) {
	if passed := now.Sub(b.at); passed > 0 {
		b.tokens = min(s.burst, b.tokens+passed.Seconds()*s.perSecond)
	}
	b.at = now
}

// missing is the time after which there are n tokens, 0 where they are there.
func (b *bucket) missing(n float64, s size) time.Duration {
	if b == nil || s.perSecond == 0 || b.tokens >= n {
		return 0
	}
	return max(1, time.Duration((n-b.tokens)/s.perSecond*float64(time.Second)))
}

func (b *bucket) take(n int) {
	if b != nil {
		b.tokens -= float64(n)
	}
}

// Refusals says what was refused so far, or slowed down.
func (r *Rate) Refusals() Refusals {
	if r == nil {
		return Refusals{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return Refusals{Limit: r.name, Address: r.refusedAddress, Total: r.refusedTotal}
}

// Refusals are the times a limit said no, by which of its two numbers, and
// what it holds now where it counts that.
type Refusals struct {
	Limit          string
	Address, Total uint64
	Held           int64
}
