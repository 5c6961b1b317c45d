package client

import (
	"math/rand/v2"
	"time"
)

// backoff is how long attempts to connect again wait.
type backoff struct {
	attempts int // since the last success
}

// next is the delay of the next attempt.
func (b *backoff) next(o *Options) time.Duration {
	d := o.ReconnectionDelayMax
	if b.attempts < 32 && o.ReconnectionDelay<<b.attempts>>b.attempts == o.ReconnectionDelay {
		d = min(d, o.ReconnectionDelay<<b.attempts)
	}
	b.attempts++
	if f := min(o.RandomizationFactor, 1); f > 0 {
		d += time.Duration(f * (2*rand.Float64() - 1) * float64(d)) // #nosec G404 -- spreads load
	}
	return max(0, min(d, o.ReconnectionDelayMax))
}
