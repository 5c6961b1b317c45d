// Package clock is the clock that ages are taken by, within a process and from one to
// the next: those of events, session ids, sign-ins and stored answers.
//
// The system's wall clock goes in; times come out that never jump. A clock that is set
// while the server runs (NTP after a boot, a virtual machine that resumes) would
// otherwise make what is seconds old hours old, or keep it for hours. The monotonic
// clock alone will not do, since stored times must mean something to the next process:
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
	elapsed func() time.Duration // by the monotonic clock
	ahead   bool                 // follows the wall clock at once where that is ahead

	mu   sync.Mutex // guards the fields below
	wall func() time.Time
	now  time.Time     // without a monotonic reading: what was given out last
	read time.Duration // elapsed then
}

// far is how far behind the wall clock must be for an ordered clock to follow it: what
// is corrected then is an error that nobody wants to be shown for weeks.
const far = 24 * time.Hour

// New returns a clock that begins with the system's time.
func New() *Clock { return follow(time.Now) }

// follow returns a clock that follows wall, from what that says now.
func follow(wall func() time.Time) *Clock {
	began := time.Now()
	return newClock(wall, func() time.Duration { return time.Since(began) })
}

// Follow has the clock begin anew with another wall clock, as one that several machines
// have in common: nothing may have been aged by it yet.
func (c *Clock) Follow(wall func() time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.now, c.read = wall, wall().Round(0), c.elapsed()
}

// NewOrdered returns a clock of another kind, for times that people are shown and that
// things are sorted by: it goes forward with a wall clock, such as [time.Now], at once, and where that
// is set back, by less than a day, it nears it as slowly as the other does. It begins
// behind last, what an earlier clock gave out, as if it had been that one.
func NewOrdered(last time.Time, wall func() time.Time) *Clock {
	c := follow(wall)
	c.ahead = true
	if by := last.Sub(c.now); by > 0 && by < far {
		c.now = last.Round(0)
	}
	return c
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
	if c.ahead && (off > 0 || off < -far) {
		c.now = c.now.Add(off)
		return c.now
	}
	c.now = c.now.Add(min(max(off, -passed/slew), passed/slew))
	return c.now
}
