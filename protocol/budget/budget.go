package budget

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrEvicted is returned by Hold when the charge was evicted for others, or
	// closed.
	ErrEvicted = errors.New("budget: evicted to make room for others")
	// ErrFull is returned by Hold when there is no room and evicting others would
	// not make any. What was held before is still held.
	ErrFull = errors.New("budget: no memory left")
)

// Budget is a bound on bytes that all its shares hold together. It is safe for
// concurrent use.
type Budget struct {
	account
	now func() time.Duration // since some moment; read by Open, Progress and evictions

	shards [shardCount]shard
	turn   atomic.Uint32 // which shard the next charge goes into

	mu     sync.Mutex // guards shares
	shares []*Share
}

// shardCount is how many lists the charges are in, so that those who open and
// close them at the same time rarely wait for each other.
const shardCount = 16

// shard is a list of open charges.
type shard struct {
	mu    sync.Mutex // guards first and every member's next and previous
	first *Charge
}

// account is a bound and what is held of it.
type account struct {
	limit         int64
	held, leaving atomic.Int64 // leaving is the part of held whose charges were evicted

	evicted, refused atomic.Uint64

	evicting sync.Mutex    // held while victims are chosen; guards retry
	retry    time.Duration // no victims are looked for before: there were none
}

// high is what may be held before anybody is evicted.
func (a *account) high() int64 { return a.limit - a.limit/16 }

// little is what a charge may hold that has all of the room.
const little = 64 << 10

// bound is what may be held at all where a charge that holds so much claims more.
func (a *account) bound(held int64) int64 {
	if held <= little {
		return a.limit
	}
	return a.limit - a.limit/64
}

// low is down to what is evicted.
func (a *account) low() int64 { return a.limit - a.limit/8 }

// New returns a budget of limit bytes. Zero is no limit.
func New(limit int64) *Budget {
	start := time.Now()
	return &Budget{account: account{limit: unlimited(limit)}, now: func() time.Duration { return time.Since(start) }}
}

// unlimited makes the zero limit one that is not reached.
func unlimited(limit int64) int64 {
	if limit <= 0 {
		return 1 << 62
	}
	return limit
}

// Share is one kind of use of a budget: messages, say, or uploads. Its methods
// are safe for concurrent use, and may be called on nil, which charges nothing.
type Share struct {
	account
	budget *Budget
	name   string
}

// Share adds a share called name, its label in metrics, of at most limit bytes.
// Zero is as much as the budget has. All shares together may be larger than the
// budget. On a nil budget it returns nil.
func (b *Budget) Share(name string, limit int64) *Share {
	if b == nil {
		return nil
	}
	s := &Share{account: account{limit: min(unlimited(limit), b.limit)}, budget: b, name: name}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shares = append(b.shares, s)
	return s
}

// Usage is what a budget or a share holds and did so far.
type Usage struct {
	Name        string
	Held, Limit int64 // bytes
	Evicted     uint64
	Refused     uint64 // calls of Hold that returned ErrFull
}

func (a *account) usage(name string) Usage {
	return Usage{Name: name, Held: a.held.Load(), Limit: a.limit, Evicted: a.evicted.Load(), Refused: a.refused.Load()}
}

// Usage returns the figures of the whole budget, called "total", and then of each
// share. Those of the whole count only what was done because the whole was full.
func (b *Budget) Usage() []Usage {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	all := []Usage{b.usage("total")}
	for _, s := range b.shares {
		all = append(all, s.usage(s.name))
	}
	return all
}

// Usage returns the share's figures.
func (s *Share) Usage() Usage {
	if s == nil {
		return Usage{}
	}
	return s.usage(s.name)
}

// Held is how many bytes the whole budget holds.
func (b *Budget) Held() int64 {
	if b == nil {
		return 0
	}
	return b.held.Load()
}

// HeldBy is how many bytes are held for the address's network of that many
// bits: 64, 56 or 48 for IPv6; for IPv4 it is always the address. It looks at
// every charge, so it is for reports and tests.
func (b *Budget) HeldBy(addr netip.Addr, bits int) (held int64) {
	if b == nil {
		return 0
	}
	key := networkOf(addr).masked(bits)
	b.each(func(c *Charge) {
		if c.network.masked(bits) == key {
			c.mu.Lock()
			held += c.held
			c.mu.Unlock()
		}
	})
	return held
}

// each calls f for every open charge. The charge's shard is locked meanwhile.
func (b *Budget) each(f func(*Charge)) {
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.Lock()
		for c := s.first; c != nil; c = c.next {
			f(c)
		}
		s.mu.Unlock()
	}
}
