package budget

import (
	"container/heap"
	"net/netip"
	"slices"
	"time"
)

const (
	// fast is a pace, in bytes a second, that is good enough: faster is no better.
	fast = 64 << 10
	// slowest is the pace below which slower is no worse.
	slowest = fast / 32
	// window is the time over which pace is counted: the running one and the one before.
	window = 2 * time.Second
	// gulp is how many bytes count at once, and more only as twice the fast pace allows it:
	// pace is what somebody gives again and again.
	gulp = fast / 4
	// presumed is what a charge younger than a window gave, if not more: little more than
	// who gave much at once and then crawls, who is not to stay longer than who just came.
	presumed = gulp * 3 / 2
	// pause is how long victims are not looked for where none, or hardly any, were found,
	// so that refusing costs no search.
	pause = 50 * time.Millisecond
)

// pace counts what was given in the running window and in the one before.
type pace struct {
	since          time.Duration // when the running window began
	running, whole int64
	counted        time.Duration // when allowance was
	allowance      int64         // what would count at once
}

// add counts n bytes, or what of them counts.
func (p *pace) add(now time.Duration, n int64) {
	p.roll(now)
	p.allowance = min(gulp, p.allowance+int64(2*fast*min(time.Second, now-p.counted)/time.Second))
	p.counted = now
	n = min(n, p.allowance)
	p.allowance -= n
	p.running += n
}

// roll begins a new window where the running one is over.
func (p *pace) roll(now time.Duration) {
	switch over := now - p.since; {
	case over < window:
	case over < 2*window:
		p.whole, p.running, p.since = p.running, 0, p.since+window
	default:
		p.whole, p.running, p.since = 0, 0, now
	}
}

// perSecond is the pace in bytes a second, between slowest and fast, of a charge that was
// opened then. A whole window counts from the beginning: who is fast is so after a
// second, and a newcomer is taken for one who gave what is presumed.
func (p *pace) perSecond(now, opened time.Duration) float64 {
	p.roll(now)
	age, given := now-opened, p.running+p.whole
	if age < window {
		given = max(given, presumed)
	}
	counted := max(window, min(age, now-p.since+window))
	return min(fast, max(slowest, float64(given)/counted.Seconds()))
}

// candidate is a charge that may be evicted.
type candidate struct {
	charge *Charge
	held   int64
	rank   float64
}

// candidates is a heap, the one to go first on top.
type candidates []candidate

func (c candidates) Len() int { return len(c) }
func (c candidates) Less(i, j int) bool {
	if c[i].rank == c[j].rank {
		return c[i].charge.opened < c[j].charge.opened
	}
	return c[i].rank > c[j].rank
}
func (c candidates) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *candidates) Push(x any)   { *c = append(*c, x.(candidate)) }
func (c *candidates) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// makeRoom evicts charges where more than a's high mark is held, those of share
// only where it is not nil, and reports whether what is held is within the limit.
// own is the charge that asks: it is told by what its Hold returns.
func (a *account) makeRoom(b *Budget, share *Share, own *Charge) bool {
	for _, evict := range a.victims(b, share, own) {
		evict()
	}
	if a.held.Load() <= a.limit {
		return true
	}
	a.refused.Add(1)
	return false
}

// victims chooses who is evicted and returns their evict functions.
func (a *account) victims(b *Budget, share *Share, own *Charge) (evict []func()) {
	a.evicting.Lock()
	defer a.evicting.Unlock()
	now, staying := b.now(), a.held.Load()-a.leaving.Load()
	if staying <= a.high() || now < a.retry {
		return nil
	}
	all := b.candidates(share, now, staying)
	var evictable int64
	for _, one := range all {
		evictable += one.held
	}
	need := staying - a.low()
	if evictable < need {
		// What cannot be evicted takes nearly everything: the rest need not go for that.
		need = staying - a.limit
		a.retry = now + pause
	}
	if need <= 0 || evictable < need {
		return nil
	}
	return a.leave(all, need, own)
}

// leave evicts of all in their order until need bytes will be free, and returns
// their evict functions but that of own.
func (a *account) leave(all candidates, need int64, own *Charge) (evict []func()) {
	heap.Init(&all)
	for need > 0 && len(all) > 0 {
		one := heap.Pop(&all).(candidate)
		freed, f := one.charge.leave()
		need -= freed
		if freed > 0 {
			a.evicted.Add(1)
		}
		if f != nil && one.charge != own {
			evict = append(evict, f)
		}
	}
	return evict
}

// Trim evicts charges of the share that are for addr's network (an IPv6 /64, or
// an IPv4 address), in the order in which they would go if all were full, until
// they hold no more than limit bytes together. It looks at every charge. own is
// the caller's, or nil: where it is evicted, its function is not called, and its
// next Hold says so.
func (s *Share) Trim(addr netip.Addr, limit int64, own *Charge) {
	if s == nil {
		return
	}
	key, held := networkOf(addr), int64(0)
	s.evicting.Lock()
	all := s.budget.candidates(s, s.budget.now(), max(1, s.held.Load()))
	all = slices.DeleteFunc(all, func(one candidate) bool { return one.charge.network != key })
	for _, one := range all {
		held += one.held
	}
	functions := s.leave(all, held-limit, own)
	s.evicting.Unlock()
	for _, evict := range functions {
		evict()
	}
}

// leave evicts the charge, and returns how much it will free and its function.
func (c *Charge) leave() (freed int64, evict func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != open || c.evict == nil {
		return 0, nil
	}
	c.state, evict, c.evict = evicted, c.evict, nil
	c.share.leaving.Add(c.held)
	c.share.budget.leaving.Add(c.held)
	return c.held, evict
}

// levels are the networks that an IPv6 address is weighed by.
var levels = [...]int{64, 56, 48}

// candidates returns the charges that can be evicted, ranked, of which staying
// bytes are held in all.
func (b *Budget) candidates(share *Share, now time.Duration, staying int64) candidates {
	var all candidates
	held := make(map[network]int64)
	b.each(func(c *Charge) {
		if share != nil && c.share != share {
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.state != open || c.held == 0 {
			return
		}
		held[c.network] += c.held
		if c.network.size == 64 {
			held[c.network.masked(56)] += c.held
			held[c.network.masked(48)] += c.held
		}
		if c.evict != nil {
			slower := fast / c.pace.perSecond(now, c.opened)
			all = append(all, candidate{c, c.held, float64(c.held) * slower * slower * slower})
		}
	})
	for i := range all {
		weight := 1.0
		for _, bits := range levels {
			weight += float64(held[all[i].charge.network.masked(bits)]) / float64(staying) / float64(len(levels))
		}
		all[i].rank *= weight
	}
	return all
}
