package admin

import (
	"encoding/hex"
	"encoding/json"
	"time"
)

// settingFailures keeps the wrong passwords that machines count together.
const settingFailures = "admin.failures"

// maxSharedFailing bounds the records that are kept in the store: they are written
// anew with each try.
const maxSharedFailing = 1000

// begin notes a try as failures.begin does. Where other processes use the store as
// well it counts for all of them, so that who asks several machines has no more
// tries. Who has to wait here already does not trouble the store.
func (a *Admin) begin(key string, networks []string) (wait time.Duration, err error) {
	now := a.now()
	if !a.options.Shared {
		return a.failures.begin(key, networks, now), nil
	}
	if wait := a.failures.wait(key, networks, now); wait > 0 {
		return wait, nil
	}
	err = a.changeFailures(func(f *failures) bool {
		wait = f.begin(a.shareKey(key), a.shareKeys(networks), now)
		return wait == 0
	})
	if err != nil || wait > 0 {
		return wait, err
	}
	return a.failures.begin(key, networks, now), nil
}

// wrong notes that a password was wrong.
func (a *Admin) wrong() {
	now := a.now()
	a.failures.failed(now)
	a.shareOutcome(func(f *failures) { f.failed(now) })
}

// right notes that the password was right.
func (a *Admin) right(key string, networks []string) {
	a.failures.succeeded(key, networks)
	a.shareOutcome(func(f *failures) { f.succeeded(a.shareKey(key), a.shareKeys(networks)) })
}

// shareOutcome notes what became of a try for all machines. The try itself is
// noted already, so that nobody gains from its failing.
func (a *Admin) shareOutcome(note func(*failures)) {
	if !a.options.Shared {
		return
	}
	if err := a.changeFailures(func(f *failures) bool { note(f); return true }); err != nil {
		a.log.Warn("the outcome of a sign-in could not be recorded for the other machines", "error", err)
	}
}

// changeFailures runs change on what is kept for all machines, and keeps the outcome
// where it says so.
func (a *Admin) changeFailures(change func(*failures) bool) error {
	return a.store.ChangeSetting(settingFailures, func(kept []byte) ([]byte, error) {
		f := readFailures(kept, a.options.FailuresPerMinute, a.now())
		if !change(f) {
			return kept, nil
		}
		return f.encode()
	})
}

// shareKey is a key as it is kept: what is in the store names no address.
func (a *Admin) shareKey(key string) string {
	return hex.EncodeToString(a.sign("failures " + key)[:12])
}

func (a *Admin) shareKeys(keys []string) (shared []string) {
	for _, key := range keys {
		shared = append(shared, a.shareKey(key))
	}
	return shared
}

// keptFailures are failures in the store. Times are milliseconds since the epoch.
type keptFailures struct {
	Tokens   float64       `json:"tokens"`
	FilledAt int64         `json:"filledAt"`
	Failing  []keptFailing `json:"failing"` // the last try first
}

type keptFailing struct {
	Key     string `json:"key"`
	Count   int    `json:"n"`
	Last    int64  `json:"last"`
	Allowed int64  `json:"allowed"`
}

// readFailures reads what encode made, on whatever machine: a clock that is ahead of
// this one makes nobody wait longer than one that is right. What cannot be read
// counts as none.
func readFailures(data []byte, perMinute float64, now time.Time) *failures {
	f := newFailures(perMinute)
	var kept keptFailures
	if len(data) == 0 || json.Unmarshal(data, &kept) != nil {
		return f
	}
	f.tokens = max(0, min(perMinute, kept.Tokens))
	f.filledAt = earlier(time.UnixMilli(kept.FilledAt), now)
	for _, one := range kept.Failing {
		last := earlier(time.UnixMilli(one.Last), now)
		if _, twice := f.byKey[one.Key]; twice || now.Sub(last) > forgetAfter {
			continue
		}
		allowed := earlier(time.UnixMilli(one.Allowed), now.Add(maxWait))
		f.byKey[one.Key] = f.recent.PushBack(&failing{key: one.Key, count: one.Count, last: last, allowed: allowed})
	}
	return f
}

func earlier(t, bound time.Time) time.Time {
	if t.After(bound) {
		return bound
	}
	return t
}

// encode makes failures into what is kept of them: the newest that still count.
func (f *failures) encode() ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	kept := keptFailures{Tokens: f.tokens, FilledAt: f.filledAt.UnixMilli(), Failing: []keptFailing{}}
	for e := f.recent.Front(); e != nil && len(kept.Failing) < maxSharedFailing; e = e.Next() {
		r := e.Value.(*failing)
		kept.Failing = append(kept.Failing, keptFailing{r.key, r.count, r.last.UnixMilli(), r.allowed.UnixMilli()})
	}
	return json.Marshal(kept)
}
