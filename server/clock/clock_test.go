package clock

import (
	"testing"
	"time"
)

func TestTheClockFollowsTheWallClockWithoutJumping(t *testing.T) {
	for _, step := range []time.Duration{-time.Hour, -time.Second, -time.Millisecond, 0, time.Second, time.Hour, 30 * 365 * 24 * time.Hour} {
		began := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
		var passed, stepped time.Duration
		c := newClock(func() time.Time { return began.Add(passed + stepped) }, func() time.Duration { return passed })
		stepped = step
		last := c.Now()
		for range 26 * 3600 {
			passed += time.Second
			now := c.Now()
			if d := now.Sub(last); d < 950*time.Millisecond || d > 1050*time.Millisecond {
				t.Fatalf("a step of %v: a second took %v", step, d)
			}
			last = now
		}
		if left := began.Add(passed + stepped).Sub(last); left != 0 && step.Abs() <= time.Hour {
			t.Errorf("a step of %v: %v are left after a day", step, left)
		}
	}
}
