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

func TestTheOrderedClockGoesForwardAtOnceAndNeverBack(t *testing.T) {
	began := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	var passed, stepped time.Duration
	wall := func() time.Time { return began.Add(passed + stepped) }
	c := newClock(wall, func() time.Duration { return passed })
	c.ahead = true
	last := c.Now()
	for _, step := range []time.Duration{time.Second, -time.Second, time.Minute, -time.Minute, time.Hour, -time.Hour, -2 * time.Hour, 3 * time.Hour, 30 * 365 * 24 * time.Hour} {
		stepped += step
		for range 10 {
			passed += time.Second
			now := c.Now()
			if !now.After(last) {
				t.Errorf("after a step of %v: %v follows %v", step, now, last)
			}
			if now.Before(wall()) {
				t.Errorf("after a step of %v: it is %v behind", step, wall().Sub(now))
			}
			last = now
		}
	}
	if stepped -= 30 * 365 * 24 * time.Hour; !c.Now().Equal(wall()) {
		t.Errorf("years ahead: it stays %v ahead", c.Now().Sub(wall()))
	}
}

func TestTheOrderedClockBeginsBehindWhatAnEarlierOneGaveOut(t *testing.T) {
	now := time.Now()
	if ahead := now.Add(time.Hour); !NewOrdered(ahead, time.Now).Now().After(ahead) {
		t.Error("an hour ahead: it went back")
	}
	if got := NewOrdered(now.Add(1000*time.Hour), time.Now).Now(); got.After(now.Add(time.Hour)) {
		t.Error("weeks ahead: it begins at", got)
	}
}

func TestAClockBeginsAnewWithAnother(t *testing.T) {
	off := 3 * time.Hour
	c := New()
	c.Follow(func() time.Time { return time.Now().Add(-off) })
	if d := time.Since(c.Now()); (d - off).Abs() > time.Minute {
		t.Errorf("it is %v behind, want %v", d, off)
	}
}
