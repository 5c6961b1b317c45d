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
)

// failures counts wrong passwords by who sent them (an address, or a browser
// that signed in before) and in total, and says who must wait. Somebody who
// has not failed yet is never told to wait, whatever others do.
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
// time count like tries sent one after the other. It returns how long to wait
// before trying when key may not try now.
func (f *failures) begin(key string, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, ok := f.byKey[key]
	if ok && now.Sub(e.Value.(*failing).last) > forgetAfter {
		f.recent.Remove(e)
		delete(f.byKey, key)
		ok = false
	}
	if !ok {
		if f.recent.Len() >= maxFailing {
			oldest := f.recent.Back()
			delete(f.byKey, oldest.Value.(*failing).key)
			f.recent.Remove(oldest)
		}
		f.byKey[key] = f.recent.PushFront(&failing{key: key, count: 1, last: now, allowed: now})
		return 0
	}
	r := e.Value.(*failing)
	if wait := r.allowed.Sub(now); wait > 0 {
		return wait
	}
	if wait := f.totalWait(now); wait > 0 {
		return wait
	}
	r.count++
	r.last = now
	if over := r.count - freeTries; over >= 0 {
		wait := maxWait
		if over < 16 {
			wait = min(maxWait, firstWait<<over)
		}
		r.allowed = now.Add(wait)
	}
	f.recent.MoveToFront(e)
	return 0
}

// failed counts a wrong password towards the total.
func (f *failures) failed(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refill(now)
	f.tokens = max(0, f.tokens-1)
}

// succeeded gives key a clean slate.
func (f *failures) succeeded(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
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
