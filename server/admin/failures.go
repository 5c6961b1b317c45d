package admin

import (
	"container/list"
	"sync"
	"time"
)

const (
	// freeTries is how many wrong passwords an address may send before it has
	// to wait: people mistype.
	freeTries = 5
	// firstWait follows the first wrong password after those; each further one
	// doubles it up to maxWait.
	firstWait = 2 * time.Second
	maxWait   = 5 * time.Minute
	// forgetAfter is how long after its last try an address has a clean slate.
	forgetAfter = time.Hour
	// maxFailing bounds the addresses that are remembered. The one whose last
	// try is longest ago is forgotten first.
	maxFailing = 10_000
	// neighbours is how many tries a network (an IPv6 /56 or /48) has within
	// forgetAfter whose first one from each of its addresses is free of what
	// everybody failed together: who has a network has addresses without end.
	neighbours = 20
)

// failures counts wrong passwords by who sent them (an address, or a browser
// that signed in before), by the networks around that, and in total, and says who
// must wait. Somebody who has not failed yet is never told to wait, whatever others
// do, unless many of the same network failed just now.
type failures struct {
	mu     sync.Mutex // guards all below
	byKey  map[string]*list.Element
	recent *list.List // of *failing, the last try in front

	// Wrong passwords of everybody: a bucket that holds a minute's worth.
	perMinute float64
	tokens    float64
	filledAt  time.Time
}

// failing is one key's record.
type failing struct {
	key     string
	count   int
	last    time.Time
	allowed time.Time // when it may try again
}

func newFailures(perMinute float64) *failures {
	return &failures{byKey: make(map[string]*list.Element), recent: list.New(), perMinute: perMinute, tokens: perMinute}
}

// begin notes a try of key as if it had failed, so that tries sent at the same
// time count like tries sent one after the other, and one of each network around
// it. It returns how long to wait before trying when key may not try now.
func (f *failures) begin(key string, networks []string, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if wait := f.waitLocked(key, networks, now); wait > 0 {
		return wait
	}
	for _, network := range networks {
		f.countLocked(network, now)
	}
	r := f.countLocked(key, now)
	if over := r.count - freeTries; over >= 0 {
		wait := maxWait
		if over < 16 {
			wait = min(maxWait, firstWait<<over)
		}
		r.allowed = now.Add(wait)
	}
	return 0
}

// wait is how long key has to wait before it may try, and notes nothing.
func (f *failures) wait(key string, networks []string, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.waitLocked(key, networks, now)
}

// waitLocked is how long key has to wait before it may try. mu must be held.
func (f *failures) waitLocked(key string, networks []string, now time.Time) time.Duration {
	r := f.recordLocked(key, now)
	if r != nil {
		if wait := r.allowed.Sub(now); wait > 0 {
			return wait
		}
	}
	if r != nil || f.crowdedLocked(networks, now) {
		return f.totalWait(now)
	}
	return 0
}

// crowdedLocked reports whether one of the networks has had its neighbours' tries.
// mu must be held.
func (f *failures) crowdedLocked(networks []string, now time.Time) bool {
	for _, network := range networks {
		if r := f.recordLocked(network, now); r != nil && r.count >= neighbours {
			return true
		}
	}
	return false
}

// recordLocked is key's record, or nil where it has none that counts. mu must be held.
func (f *failures) recordLocked(key string, now time.Time) *failing {
	e, ok := f.byKey[key]
	if !ok {
		return nil
	}
	r := e.Value.(*failing)
	if now.Sub(r.last) > forgetAfter {
		f.recent.Remove(e)
		delete(f.byKey, key)
		return nil
	}
	return r
}

// countLocked counts a try of key. mu must be held.
func (f *failures) countLocked(key string, now time.Time) *failing {
	if r := f.recordLocked(key, now); r != nil {
		r.count++
		r.last = now
		f.recent.MoveToFront(f.byKey[key])
		return r
	}
	if f.recent.Len() >= maxFailing {
		oldest := f.recent.Back()
		delete(f.byKey, oldest.Value.(*failing).key)
		f.recent.Remove(oldest)
	}
	r := &failing{key: key, count: 1, last: now, allowed: now}
	f.byKey[key] = f.recent.PushFront(r)
	return r
}

// failed counts a wrong password towards the total.
func (f *failures) failed(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refill(now)
	f.tokens = max(0, f.tokens-1)
}

// succeeded gives key a clean slate, and takes its try off the networks around it.
func (f *failures) succeeded(key string, networks []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, network := range networks {
		if e, ok := f.byKey[network]; ok {
			r := e.Value.(*failing)
			r.count = max(0, r.count-1)
		}
	}
	if e, ok := f.byKey[key]; ok {
		delete(f.byKey, key)
		f.recent.Remove(e)
	}
}

// totalWait is how long somebody who failed before has to wait because of what
// everybody failed together. mu must be held.
func (f *failures) totalWait(now time.Time) time.Duration {
	if f.perMinute <= 0 {
		return 0
	}
	f.refill(now)
	if f.tokens >= 1 {
		return 0
	}
	return time.Duration((1 - f.tokens) / f.perMinute * float64(time.Minute))
}

// refill adds the tokens of the time that passed. mu must be held.
func (f *failures) refill(now time.Time) {
	if !f.filledAt.IsZero() {
		f.tokens = min(f.perMinute, f.tokens+now.Sub(f.filledAt).Minutes()*f.perMinute)
	}
	f.filledAt = now
}
