package limits

import (
	"net/netip"
	"sync"

	"podium/protocol/budget"
)

// Gate limits how many of something exist at the same time, per address and in
// total; an IPv6 /48 has twice what an address has. It is safe for concurrent use. It remembers only addresses that hold
// something, so its size is bounded by the limit in total. A nil Gate limits nothing.
type Gate struct {
	name           string
	address, total int

	mu                           sync.Mutex     // guards all below
	charge                       *budget.Charge // for all places together; nil charges nothing
	size                         int64          // of one place
	count                        int
	counts                       map[netip.Prefix]int
	refusedAddress, refusedTotal uint64
}

// NewGate returns a gate called name, which is its label in the metrics. A
// zero number is no limit.
func NewGate(name string, address, total int) *Gate {
	return &Gate{name: name, address: address, total: total, counts: make(map[netip.Prefix]int)}
}

// Charge makes every place take size bytes of memory's budget; where there is no
// room for them, there is no place. Those that are taken already take it too.
func (g *Gate) Charge(memory *budget.Share, size int64) *Gate {
	charge := memory.Open(netip.Addr{}, nil)
	g.mu.Lock()
	defer g.mu.Unlock()
	_ = charge.Hold(int64(g.count) * size) // they are there, whether there is room or not
	g.charge, g.size = charge, size
	return g
}

// Enter takes a place for addr and reports whether there was one. Each place
// taken is given back by one Leave.
func (g *Gate) Enter(addr netip.Addr) bool { return g.EnterN(addr, 1) }

// EnterN takes n places, which may be bytes, all of them or none.
func (g *Gate) EnterN(addr netip.Addr, n int) bool {
	if g == nil {
		return true
	}
	// Without the lock: making room ends others, who may leave by this gate.
	g.mu.Lock()
	charge, size := g.charge, int64(n)*g.size
	g.mu.Unlock()
	full := charge.Hold(size) != nil
	g.mu.Lock()
	defer g.mu.Unlock()
	if full {
		g.refusedTotal++
		return false
	}
	if !g.roomLocked(addr, n) {
		charge.Free(size)
		return false
	}
	g.count += n
	g.counts[Key(addr)] += n
	if wide := Wide(addr); wide.IsValid() {
		g.counts[wide] += n
	}
	return true
}

// roomLocked reports whether there are n places for addr, and counts a refusal
// where there are not. mu must be held.
func (g *Gate) roomLocked(addr netip.Addr, n int) bool {
	if g.total > 0 && g.count > g.total-n {
		g.refusedTotal++
		return false
	}
	if g.address <= 0 || !addr.IsValid() {
		return true
	}
	if wide := Wide(addr); g.counts[Key(addr)] > g.address-n || wide.IsValid() && g.counts[wide] > wideTimes*g.address-n {
		g.refusedAddress++
		return false
	}
	return true
}

// Room reports whether Enter would find a place for addr now, and counts a
// refusal where it would not. It takes none meanwhile.
func (g *Gate) Room(addr netip.Addr) bool {
	if g == nil {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.roomLocked(addr, 1)
}

// Full reports whether all places are taken.
func (g *Gate) Full() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.total > 0 && g.count >= g.total
}

// Leave gives back a place that Enter took for addr.
func (g *Gate) Leave(addr netip.Addr) { g.LeaveN(addr, 1) }

// LeaveN gives back n places.
func (g *Gate) LeaveN(addr netip.Addr, n int) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.charge.Free(int64(n) * g.size)
	g.count -= n
	g.takeOffLocked(Key(addr), n)
	if wide := Wide(addr); wide.IsValid() {
		g.takeOffLocked(wide, n)
	}
}

// takeOffLocked takes n off what key holds. mu must be held.
func (g *Gate) takeOffLocked(key netip.Prefix, n int) {
	if g.counts[key] -= n; g.counts[key] <= 0 {
		delete(g.counts, key)
	}
}

// Count is the number of places taken.
func (g *Gate) Count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count
}

// Refusals says what was refused so far.
func (g *Gate) Refusals() Refusals {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Refusals{Limit: g.name, Address: g.refusedAddress, Total: g.refusedTotal, Held: int64(g.count)}
}
