// Package clock is the clock that ages are taken by, within a process and from one to
// the next: those of events, session ids, sign-ins and stored answers.
//
// The system's wall clock goes in; times come out that never jump. A clock that is set
// while the server runs (NTP after a boot, a virtual machine that resumes) would
// otherwise make what is seconds old hours old, or keep it for hours. The monotonic
// clock alone does not do, since stored times must mean something to the next process:
// so the time given out follows the wall clock slowly (as adjtime does), and what a
// restart meets is off by no more than what is left of the way.
package clock

import (
	"sync"
	"time"
)

// slew is the part of the time that passes by which the clock nears the wall clock:
// a twentieth, so that ages are right to five percent, and an hour is made up for in
// twenty.
const slew = 20

// Clock is a clock that never jumps. It is safe for concurrent use.
type Clock struct {
	wall    func() time.Time
	elapsed func() time.Duration // by the monotonic clock

	mu   sync.Mutex    // guards the fields below
	now  time.Time     // without a monotonic reading: what was given out last
	read time.Duration // elapsed then
}

// New returns a clock that begins with the system's time.
func New() *Clock {
	began := time.Now()
	return newClock(time.Now, func() time.Duration { return time.Since(began) })
}

func newClock(wall func() time.Time, elapsed func() time.Duration) *Clock {
	return &Clock{wall: wall, elapsed: elapsed, now: wall().Round(0), read: elapsed()}
}

// Now returns the time. Times of one clock are not to be compared with those of
// another, time.Now's included.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	read := c.elapsed()
	passed := read - c.read
	c.read = read
	c.now = c.now.Add(passed)
	off := c.wall().Round(0).Sub(c.now)
	c.now = c.now.Add(min(max(off, -passed/slew), passed/slew))
	return c.now
}
