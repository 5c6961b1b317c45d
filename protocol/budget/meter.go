package budget

import (
	"net/netip"
	"sync"
	"time"
)

// Meter paces work that is dear for who does it and cheap for who asks for it, such as
// inflating, by the network that asks: so many units a second for an IPv6 /64 or an
// IPv4 address, two and four times as many for a /56 and a /48, and sixteen times as
// many for all together. What was done counts when it is known how much it was; who
// has gone over waits until time has made up for it. It is safe for concurrent use,
// and remembers only networks that had work done in the last seconds.
type Meter struct {
	perSecond float64
	now       func() time.Duration

	mu    sync.Mutex // guards the fields below
	dues  map[network]time.Duration
	all   time.Duration
	sweep int // so many networks are remembered when those that need not be are forgotten
}

// A due is the moment at which a network that had kept to its rate would have had done
// what it has had done: the generic cell rate algorithm (ITU-T I.371). It may be
// meterBurst ahead, and meterEase without the wider networks being looked at.
const (
	meterBurst = 8 * time.Second
	meterEase  = meterBurst / 32
)

// NewMeter returns a meter of that rate.
func NewMeter(perSecond int64) *Meter {
	start := time.Now()
	return &Meter{
		perSecond: float64(perSecond), now: func() time.Duration { return time.Since(start) },
		dues: make(map[network]time.Duration), sweep: 1024,
	}
}

// wider are the networks beyond its own by which an address is paced, and how many
// times the rate they have.
var wider = [...]struct {
	bits  int
	times float64
}{{56, 2}, {48, 4}}

const allTimes = 16

// Wait is how long the client at addr has to wait before work is done for it; 0 for
// not at all. For work that is not large, one who had little done does not wait for
// what its neighbours had.
func (m *Meter) Wait(addr netip.Addr, large bool) time.Duration {
	if m == nil {
		return 0
	}
	own := networkOf(addr)
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	ahead := m.dues[own] - now
	if large || ahead > meterEase {
		for _, w := range wider {
			if n := own.masked(w.bits); n != own {
				ahead = max(ahead, m.dues[n]-now)
			}
		}
		ahead = max(ahead, m.all-now)
	}
	return max(0, ahead-meterBurst)
}

// Spend says that n units of work were done for the client at addr.
func (m *Meter) Spend(addr netip.Addr, n int64) {
	if m == nil || n <= 0 {
		return
	}
	own := networkOf(addr)
	m.mu.Lock()
	defer m.mu.Unlock()
	now, cost := m.now(), float64(n)/m.perSecond*float64(time.Second)
	m.dues[own] = max(m.dues[own], now) + time.Duration(cost)
	for _, w := range wider {
		if n := own.masked(w.bits); n != own {
			m.dues[n] = max(m.dues[n], now) + time.Duration(cost/w.times)
		}
	}
	m.all = max(m.all, now) + time.Duration(cost/allTimes)
	if len(m.dues) <= m.sweep {
		return
	}
	for n, due := range m.dues {
		if due <= now {
			delete(m.dues, n)
		}
	}
	m.sweep = max(1024, 2*len(m.dues))
}
