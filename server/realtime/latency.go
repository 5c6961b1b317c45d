package realtime

import (
	"context"
	"slices"
	"sync"
	"time"
)

// latencyWindow is how many round trips the figures are taken from.
const latencyWindow = 1024

// latencies is a window over the newest round trips of Engine.IO pings. Every
// client answers those.
type latencies struct {
	mu     sync.Mutex // guards the fields below
	values [latencyWindow]time.Duration
	count  int // ever added
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.values[l.count%latencyWindow] = d
	l.count++
}

// Latency are figures over the newest round trips, in milliseconds.
type Latency struct {
	Average float64 `json:"average"`
	Min     float64 `json:"min"`
	Max     float64 `json:"max"`
	P95     float64 `json:"p95"`
	Jitter  float64 `json:"jitter"` // mean difference of neighbours
}

func (l *latencies) stats() Latency {
	l.mu.Lock()
	n := min(l.count, latencyWindow)
	values := slices.Clone(l.values[:n])
	l.mu.Unlock()
	if n == 0 {
		return Latency{}
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	var sum, differences time.Duration
	for i, v := range values {
		sum += v
		if i > 0 {
			differences += (v - values[i-1]).Abs()
		}
	}
	f := Latency{Average: ms(sum / time.Duration(n))}
	if n > 1 {
		f.Jitter = ms(differences / time.Duration(n-1))
	}
	slices.Sort(values)
	f.Min, f.Max, f.P95 = ms(values[0]), ms(values[n-1]), ms(values[(n*95-1)/100])
	return f
}

// rateStep is how often the rates are measured.
const rateStep = 10 * time.Second

// rates are what happens a second, measured over the last rateStep.
type rates struct {
	mu        sync.Mutex // guards the fields below
	delivered float64
	lastSent  uint64
	lastAt    time.Time
}

// measure keeps the rates up to date.
func (rt *Realtime) measure(ctx context.Context) {
	ticker := time.NewTicker(rateStep)
	defer ticker.Stop()
	rt.rates.note(rt.io.Engine().Stats().Sent, rt.o.Now())
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			rt.rates.note(rt.io.Engine().Stats().Sent, rt.o.Now())
		}
	}
}

func (r *rates) note(sent uint64, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if seconds := now.Sub(r.lastAt).Seconds(); !r.lastAt.IsZero() && seconds > 0 {
		r.delivered = float64(sent-r.lastSent) / seconds
	}
	r.lastSent, r.lastAt = sent, now
}

func (r *rates) perSecond() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.delivered
}
