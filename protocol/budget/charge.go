package budget

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Charge is what is held for one client's connection or request. Its methods
// are safe for concurrent use, and may be called on nil, which charges nothing.
//
// Locks: shard.mu → Charge.mu. None is held while an evict function runs.
type Charge struct {
	share          *Share
	network        network
	shard          *shard
	next, previous *Charge // guarded by shard.mu
	opened         time.Duration

	mu    sync.Mutex // guards all below
	evict func()     // nil: it stays
	state state
	held  int64
	pace  pace
}

// state is the life of a charge.
type state uint8

const (
	open    state = iota // → evicted, closed
	evicted              // holds nothing more; → closed
	closed               // terminal
)

// Open opens a charge for the client at addr; an invalid Addr, as a local socket
// has, is an address like any other.
//
// evict is called at most once, by another caller's Hold, when the charge has to
// make room. It must make its holder drop what it keeps and call Close, soon: best
// at once, from within evict. It must not wait for a lock that anybody holds while
// calling Hold. It is not called where the charge's own Hold returns ErrEvicted.
// A nil evict is a charge that cannot be evicted, such as that of a decoder that
// cannot be stopped.
func (s *Share) Open(addr netip.Addr, evict func()) *Charge {
	if s == nil {
		return nil
	}
	b := s.budget
	c := &Charge{share: s, network: networkOf(addr), evict: evict, opened: b.now(), shard: &b.shards[b.turn.Add(1)%shardCount]}
	c.pace = pace{since: c.opened, counted: c.opened, allowance: gulp}
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.next = c.shard.first; c.next != nil {
		c.next.previous = c
	}
	c.shard.first = c
	return c
}

// Hold charges n more bytes, before they are allocated. It returns ErrEvicted or
// ErrFull where that may not be, and then n is not charged; after ErrEvicted the
// charge must be closed. It may call the evict functions of others.
func (c *Charge) Hold(n int64) error {
	if c == nil || n <= 0 {
		return nil
	}
	if n > c.share.limit { // a share's is no more than the budget's
		c.share.refused.Add(1)
		return ErrFull
	}
	c.mu.Lock()
	if c.state != open {
		c.mu.Unlock()
		return ErrEvicted
	}
	c.held += n
	c.mu.Unlock()
	share, all := &c.share.account, &c.share.budget.account
	inShare, inAll := share.held.Add(n), all.held.Add(n)
	if inShare <= share.high() && inAll <= all.high() {
		return nil
	}
	return c.makeRoom(n)
}

// TryHold is Hold that evicts nobody: where that were needed, it returns ErrFull. It
// is for those who can do without.
func (c *Charge) TryHold(n int64) error {
	if c == nil || n <= 0 {
		return nil
	}
	share, all := &c.share.account, &c.share.budget.account
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != open {
		return ErrEvicted
	}
	if inShare, inAll := share.held.Add(n), all.held.Add(n); inShare > share.high() || inAll > all.high() {
		share.held.Add(-n)
		all.held.Add(-n)
		return ErrFull
	}
	c.held += n
	return nil
}

// Claim is Hold for callers with locks that an evict function takes: it calls none.
// Where tight is true, Relieve must be called soon by somebody without such locks.
// ErrFull says that the limit itself is reached; the last of the room until then is for
// charges that hold little, since those who take most may claim it faster than they are
// evicted.
func (c *Charge) Claim(n int64) (tight bool, err error) {
	if c == nil || n <= 0 {
		return false, nil
	}
	share, all := &c.share.account, &c.share.budget.account
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != open {
		return false, ErrEvicted
	}
	inShare, inAll := share.held.Add(n), all.held.Add(n)
	if inShare > share.bound(c.held+n) || inAll > all.bound(c.held+n) {
		share.held.Add(-n)
		all.held.Add(-n)
		share.refused.Add(1)
		return true, ErrFull
	}
	c.held += n
	return inShare > share.high() || inAll > all.high(), nil
}

// Relieve evicts charges as Hold would, the own among them, where less than a
// sixteenth of a bound is free.
func (c *Charge) Relieve() {
	if c == nil {
		return
	}
	c.share.makeRoom(c.share.budget, c.share, nil)
	c.share.budget.makeRoom(c.share.budget, nil, nil)
}

// Relief calls Relieve for those whose locks forbid it, on a goroutine of their own.
// The zero value is ready for use.
type Relief struct {
	due atomic.Bool // a goroutine is about to
}

// Start has c relieved on a goroutine that run starts, unless one is about to look
// anyway.
func (r *Relief) Start(run func(func()), c *Charge) {
	if !r.due.CompareAndSwap(false, true) {
		return
	}
	run(func() {
		r.due.Store(false) // before it looks: who comes from now on starts another
		c.Relieve()
	})
}

// makeRoom evicts whoever it takes for n bytes that are charged already, or takes
// them back.
func (c *Charge) makeRoom(n int64) error {
	full := !c.share.makeRoom(c.share.budget, c.share, c) || !c.share.budget.makeRoom(c.share.budget, nil, c)
	c.mu.Lock()
	out := c.state != open
	c.mu.Unlock()
	switch {
	case out:
		c.Free(n)
		return ErrEvicted
	case full:
		c.Free(n)
		return ErrFull
	}
	return nil
}

// Progress says that the client gave n bytes: that they arrived from it, or that
// it took them.
func (c *Charge) Progress(n int64) {
	if c == nil || n <= 0 {
		return
	}
	now := c.share.budget.now()
	c.mu.Lock()
	c.pace.add(now, n)
	c.mu.Unlock()
}

// Pin makes the charge one that is not evicted, because what it holds has arrived
// and is worked on. It returns ErrEvicted where it was evicted before.
func (c *Charge) Pin() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != open {
		return ErrEvicted
	}
	c.evict = nil
	return nil
}

// Free gives back n bytes, or all where fewer are held.
func (c *Charge) Free(n int64) {
	if c == nil {
		return
	}
	c.mu.Lock()
	n = min(n, c.held)
	c.held -= n
	leaving := c.state == evicted
	c.mu.Unlock()
	c.release(n, leaving)
}

// Held is how many bytes are charged.
func (c *Charge) Held() int64 {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

// Evicted reports whether the charge was evicted or closed.
func (c *Charge) Evicted() bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state != open
}

// Close gives back everything. After the first call it does nothing.
func (c *Charge) Close() {
	if c == nil {
		return
	}
	c.mu.Lock()
	was, n := c.state, c.held
	c.state, c.held, c.evict = closed, 0, nil
	c.mu.Unlock()
	if was == closed {
		return
	}
	c.release(n, was == evicted)
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if c.previous != nil {
		c.previous.next = c.next
	} else {
		c.shard.first = c.next
	}
	if c.next != nil {
		c.next.previous = c.previous
	}
}

// release takes n bytes off what is held.
func (c *Charge) release(n int64, leaving bool) {
	if n == 0 {
		return
	}
	for _, a := range [...]*account{&c.share.account, &c.share.budget.account} {
		a.held.Add(-n)
		if leaving {
			a.leaving.Add(-n)
		}
	}
}

// network is the part of an address that charges are weighed by.
type network struct {
	bits uint64 // the first 64 of an IPv6 address, or all 32 of an IPv4 address
	size int8   // 32 for IPv4, 64, 56 or 48 for IPv6, 0 for no address
}

// networkOf is the /64 of an IPv6 address, or an IPv4 address.
func networkOf(addr netip.Addr) network {
	addr = addr.Unmap()
	switch {
	case addr.Is4():
		a := addr.As4()
		return network{uint64(a[0])<<24 | uint64(a[1])<<16 | uint64(a[2])<<8 | uint64(a[3]), 32}
	case addr.Is6():
		a := addr.As16()
		n := network{size: 64}
		for _, b := range a[:8] {
			n.bits = n.bits<<8 | uint64(b)
		}
		return n
	}
	return network{}
}

// masked is the network of that many bits that n is in. That of an IPv4 address
// is itself.
func (n network) masked(bits int) network {
	if n.size != 64 || bits >= 64 || bits <= 0 {
		return n
	}
	shift := 64 - bits
	return network{n.bits >> shift << shift, int8(bits)}
}
