package crash

import (
	"fmt"
	"podium/test/harness"
	"slices"
	"strings"
	"testing"
	"time"
)

func (c *crowd) absenceOf(i int) harness.Absence {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.absences[i]
	a.Refusals = slices.Clone(a.Refusals)
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
func (r *awayReport) add(t *testing.T, kind string, a harness.Absence, received, stored []string) {
	t.Helper()
	if r.longest == nil {
		r.longest = make(map[string]time.Duration)
	}
	if !slices.Contains(r.kinds, kind) {
		r.kinds = append(r.kinds, kind)
	}
	r.longest[kind] = max(r.longest[kind], a.Longest)
	r.silences += a.Silences
	for _, f := range a.Refusals {
		r.refused++
		had := -1
		if f.Before > 0 {
			had = slices.Index(stored, received[f.Before-1])
		}
		next := len(stored)
		if f.Before < len(received) {
			next = slices.Index(stored, received[f.Before])
		}
		t.Logf("refused: %s, away for %v, next event %d behind its last, the server said %q", kind, f.Away.Round(time.Millisecond), next-had-1, f.Why)
	}
}

// String is the longest time in which nothing came, by kind of client.
func (r *awayReport) String() string {
	var parts []string
	for _, kind := range r.kinds {
		parts = append(parts, fmt.Sprintf("%s %v", kind, r.longest[kind].Round(10*time.Millisecond)))
	}
	return fmt.Sprintf("longest without news: %s; %d times over %v", strings.Join(parts, ", "), r.silences, harness.Silence)
}
