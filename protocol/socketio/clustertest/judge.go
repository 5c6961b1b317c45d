package clustertest

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// Verdict is how what a client got differs from what the log has for it.
type Verdict struct {
	Missing, Doubled, Inversions, Foreign int
}

// Judge compares.
func Judge(got, want []int) (v Verdict) {
	place := make(map[int]int, len(want))
	for i, n := range want {
		place[n] = i
	}
	seen := make(map[int]bool, len(got))
	last := -1
	for _, n := range got {
		p, ok := place[n]
		switch {
		case !ok:
			v.Foreign++
		case seen[n]:
			v.Doubled++
		default:
			if p < last {
				v.Inversions++
			}
			last = max(last, p)
			seen[n] = true
		}
	}
	v.Missing = len(want) - len(seen)
	return v
}

// Add adds up verdicts.
func (v Verdict) Add(o Verdict) Verdict {
	return Verdict{v.Missing + o.Missing, v.Doubled + o.Doubled, v.Inversions + o.Inversions, v.Foreign + o.Foreign}
}

func (v Verdict) String() string {
	return fmt.Sprintf("%d missing, %d doubled, %d out of order, %d not meant for it", v.Missing, v.Doubled, v.Inversions, v.Foreign)
}

// check waits until a client has what it should, and tells how it differs if it never
// does.
func check(t testing.TB, c *client, want []int) {
	t.Helper()
	var got []int
	ok := within(15*time.Second, func() bool {
		got, _ = c.state()
		return len(got) >= len(want) && slices.Equal(got, want)
	})
	if !ok {
		sessions, recovered, refused := c.counts()
		t.Errorf("%s got %d of %d events: %s; %d sessions, %d recoveries, refused %q",
			c.name, len(got), len(want), Judge(got, want), sessions, recovered, refused)
	}
}
