package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// absence is how long nothing came to a client, and the sessions that it
// offered when it was back and that were not taken up.
type absence struct {
	last      time.Time // when something came last
	longest   time.Duration
	silences  int // longer than silence
	refusals  []refusal
	explained int // refusals that belong to earlier connections
}

// silence is a time without news that no server that is started again explains:
// the client did not come back before its own heartbeat gave up.
const silence = 30 * time.Second

// refusal is a session that was not taken up.
type refusal struct {
	away   time.Duration // since something came
	before int           // events that had come
	why    string        // what the server said
}

// heard notes that something came, and returns whether anything had come before
// and how long ago.
func (a *absence) heard() (again bool, away time.Duration) {
	now := time.Now()
	if again = !a.last.IsZero(); again {
		away = now.Sub(a.last)
		a.longest = max(a.longest, away)
		if away > silence {
			a.silences++
		}
	}
	a.last = now
	return again, away
}

func (a *absence) refuse(r refusal) { a.refusals = append(a.refusals, r) }

func (c *crowd) absenceOf(i int) absence {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.absences[i]
	a.refusals = slices.Clone(a.refusals)
	return a
}

// awayReport is what a line of figures says of absences.
type awayReport struct {
	refused  int
	silences int
	kinds    []string // of client, in the order they were added
	longest  map[string]time.Duration
}

// add takes in a client, and prints each of its refusals.
func (r *awayReport) add(t *testing.T, kind string, a absence, received, stored []string) {
	t.Helper()
	if r.longest == nil {
		r.longest = make(map[string]time.Duration)
	}
	if !slices.Contains(r.kinds, kind) {
		r.kinds = append(r.kinds, kind)
	}
	r.longest[kind] = max(r.longest[kind], a.longest)
	r.silences += a.silences
	for _, f := range a.refusals {
		r.refused++
		had := -1
		if f.before > 0 {
			had = slices.Index(stored, received[f.before-1])
		}
		next := len(stored)
		if f.before < len(received) {
			next = slices.Index(stored, received[f.before])
		}
		t.Logf("refused: %s, away for %v, next event %d behind its last, the server said %q", kind, f.away.Round(time.Millisecond), next-had-1, f.why)
	}
}

// String is the longest time in which nothing came, by kind of client.
func (r *awayReport) String() string {
	var parts []string
	for _, kind := range r.kinds {
		parts = append(parts, fmt.Sprintf("%s %v", kind, r.longest[kind].Round(10*time.Millisecond)))
	}
	return fmt.Sprintf("longest without news: %s; %d times over %v", strings.Join(parts, ", "), r.silences, silence)
}
