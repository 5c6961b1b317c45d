package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Instruments take what is measured as it happens; all else is read when
// somebody asks. They come before the rooms that use them. Methods are safe for
// concurrent use.
type Instruments struct {
	delivery, ping, commit prometheus.Histogram
	uploads, closed        *prometheus.CounterVec
}

// NewInstruments makes instruments on which nothing was measured yet.
func NewInstruments() *Instruments {
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "podium", Name: name, Help: help, Buckets: buckets})
	}
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "podium", Name: name, Help: help}, []string{label})
	}
	in := &Instruments{
		delivery: histogram("delivery_seconds", "From a commit until its events were written to or queued for every connection.",
			prometheus.ExponentialBuckets(0.0001, 2.5, 12)), // 100 µs to 2.4 s
		ping: histogram("ping_round_trip_seconds", "Round trip of Engine.IO pings.",
			prometheus.ExponentialBuckets(0.001, 2, 15)), // 1 ms to 16 s
		commit: histogram("store_commit_seconds", "Writing and syncing a transaction.",
			prometheus.ExponentialBuckets(0.0001, 2.5, 12)),
		uploads: counter("uploads_total", "Submissions stored, by where their picture is.", "storage"),
		closed:  counter("disconnections_total", "Real-time sessions that ended, by reason.", "reason"),
	}
	for _, method := range []string{"none", "local-primary", "local-fallback", "cloudinary"} {
		in.uploads.WithLabelValues(method)
	}
	return in
}

// Delivered notes how long the events of a commit took to be handed to every
// connection.
func (in *Instruments) Delivered(took time.Duration) { in.delivery.Observe(took.Seconds()) }

// Ponged notes the round trip of a ping.
func (in *Instruments) Ponged(took time.Duration) { in.ping.Observe(took.Seconds()) }

// Committed notes how long writing and syncing a transaction took.
func (in *Instruments) Committed(took time.Duration) { in.commit.Observe(took.Seconds()) }

// Uploaded notes a submission by where its picture is kept.
func (in *Instruments) Uploaded(storage string) { in.uploads.WithLabelValues(storage).Inc() }

// Disconnected notes the end of a session. reason is one of Engine.IO's few.
func (in *Instruments) Disconnected(reason string) { in.closed.WithLabelValues(reason).Inc() }

// collectors are the instruments, for a registry.
func (in *Instruments) collectors() []prometheus.Collector {
	return []prometheus.Collector{in.delivery, in.ping, in.commit, in.uploads, in.closed}
}
