package observe

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"podium/contest"
	"podium/server/answer"
	"podium/server/realtime"
)

const (
	// historyStep is the time between two points of the charts.
	historyStep = 10 * time.Second
	// historyLength is how many there are: an hour.
	historyLength = 360
)

// point is the state at one moment.
type point struct {
	connections, delivered int
	average, p95           float64 // ms
	submissions, errors    int
	heap                   uint64
}

// history is the last hour.
type history struct {
	mu     sync.Mutex // guards the fields below
	points []point    // oldest first
	end    time.Time
	total  int // of the submissions at the end, or when the server started
}

// record notes a point every step.
func (ob *Observer) record(ctx context.Context) {
	ticker := time.NewTicker(historyStep)
	defer ticker.Stop()
	before, err := ob.totals(ob.o.Realtime.Stats())
	if err == nil {
		ob.history.begin(before.submissions)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			before = ob.note(before)
		}
	}
}

// totals are counters that grow, of which the charts show the steps.
type totals struct {
	delivered, errors uint64
	submissions       int
	known             bool
}

// totals are the counters as they are.
func (ob *Observer) totals(f realtime.Stats) (totals, error) {
	counts, err := ob.o.Contest.Counts()
	if err != nil {
		return totals{}, err
	}
	return totals{f.Delivered, ob.failed[0].Load() + ob.failed[1].Load(), counts.Total(), true}, nil
}

func (ob *Observer) note(before totals) totals {
	f := ob.o.Realtime.Stats()
	now, err := ob.totals(f)
	if err != nil {
		return before
	}
	p := point{connections: realtime.Sum(ob.o.Realtime.Machines()).Active, average: f.Latency.Average, p95: f.Latency.P95, heap: memory()["heapUsed"]}
	if before.known {
		p.delivered = int(now.delivered - before.delivered)
		p.errors = int(now.errors - before.errors)
		p.submissions = max(0, now.submissions-before.submissions)
	}
	ob.history.mu.Lock()
	defer ob.history.mu.Unlock()
	ob.history.points = append(ob.history.points, p)
	if extra := len(ob.history.points) - historyLength; extra > 0 {
		ob.history.points = ob.history.points[extra:]
	}
	ob.history.end, ob.history.total = ob.o.Now(), now.submissions
	return now
}

// series are the points as columns.
func (h *history) series() map[string]any {
	h.mu.Lock()
	defer h.mu.Unlock()
	column := func(value func(point) any) []any {
		out := make([]any, 0, len(h.points))
		for _, p := range h.points {
			out = append(out, value(p))
		}
		return out
	}
	var end int64
	if !h.end.IsZero() {
		end = h.end.UnixMilli()
	}
	return map[string]any{
		"step": historyStep.Seconds(), "end": end,
		"connections":    column(func(p point) any { return p.connections }),
		"delivered":      column(func(p point) any { return p.delivered }),
		"latencyAverage": column(func(p point) any { return p.average }),
		"latencyP95":     column(func(p point) any { return p.p95 }),
		"submissions":    column(func(p point) any { return p.submissions }),
		"errors":         column(func(p point) any { return p.errors }),
		"heap":           column(func(p point) any { return p.heap }),
	}
}

// begin notes how many submissions there were before the first point.
func (h *history) begin(submissions int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.total = submissions
}

// lastHour is how many submissions came in the time of the charts, and since, up
// to a total of now.
func (h *history) lastHour(now int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := max(0, now-h.total)
	for _, p := range h.points {
		n += p.submissions
	}
	return n
}

// peak is the most connections that there were at any point of the charts.
func (h *history) peak() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	most := 0
	for _, p := range h.points {
		most = max(most, p.connections)
	}
	return most
}

// Dashboard answers GET /api/dashboard.
func (ob *Observer) Dashboard(w http.ResponseWriter, _ *http.Request) error {
	f, machines := ob.o.Realtime.Stats(), ob.o.Realtime.Machines()
	all := realtime.Sum(machines)
	counts, err := ob.o.Contest.Counts()
	if err != nil {
		return err
	}
	stats, err := ob.o.Contest.Stats()
	if err != nil {
		return err
	}
	byCategory, byStatus := map[string]int{}, map[contest.Status]int{}
	for category, statuses := range counts {
		for status, n := range statuses {
			byCategory[category] += n
			byStatus[status] += n
		}
	}
	var limited uint64
	for _, r := range ob.o.Refusals() {
		limited += r.Address + r.Total
	}
	free, total := diskSpace(ob.o.DataDir)
	m := memory()
	backups := ob.o.Backups.Stats()
	sentences, codes := ob.reasons(f)
	answer.JSON(w, http.StatusOK, map[string]any{
		"timestamp": ob.o.Now().UTC().Format(time.RFC3339), "uptime": ob.o.Now().Sub(ob.started).Seconds(),
		"health": map[string]any{"status": ob.status(f), "reasons": sentences, "codes": codes},
		"connections": map[string]any{
			"active": all.Active, "total": all.Total, "websocket": all.WebSocket, "polling": all.Polling, "sse": all.Streams,
			"peak": max(all.Active, ob.history.peak()),
		},
		"messages": map[string]any{
			"delivered": all.Delivered, "published": f.LogLast, "perSecond": f.PerSecond, "queued": f.LogLength, "dropped": f.Dropped,
			"queuedBytes": ob.o.Realtime.Queued(),
		},
		"latency":    f.Latency,
		"recoveries": map[string]any{"recovered": f.Recovered, "refused": f.Refused, "missedEvents": f.Replayed},
		"submissions": map[string]any{
			"total": counts.Total(), "approved": byStatus[contest.Approved], "waiting": byStatus[contest.Waiting],
			"hidden": byStatus[contest.Hidden], "lastHour": ob.history.lastHour(counts.Total()), "byCategory": byCategory,
		},
		"errors": map[string]any{
			"http5xx": ob.failed[1].Load(), "http4xx": ob.failed[0].Load(), "rateLimited": limited, "pingTimeouts": f.PingTimeouts,
		},
		"memory":     map[string]any{"heap": m["heapUsed"], "system": m["rss"], "limit": ob.o.MemoryLimit},
		"disk":       map[string]any{"free": free, "total": total, "database": stats.Bytes, "uploads": ob.uploadsBytes()},
		"backups":    map[string]any{"count": backups.Count, "last": moment(backups.Last), "failures": backups.Failures},
		"cloudinary": ob.o.Pictures.CloudState(), "bucket": ob.o.Pictures.BucketState(),
		// Connections and deliveries are those of all machines; latency, errors, memory
		// and the disk are this one's.
		"machine":  map[string]any{"name": ob.o.Machine, "shared": ob.o.Contest.Shared()},
		"machines": machines,
		"series":   ob.history.series(),
	})
	return nil
}

// status is the server's, by the words of the real-time service.
func (ob *Observer) status(f realtime.Stats) string {
	if ob.unready().there() {
		return realtime.Unavailable
	}
	if ob.warning().there() {
		return realtime.Degraded
	}
	return f.Status
}

// reasons say what is wrong, in sentences and by their codes.
func (ob *Observer) reasons(f realtime.Stats) (sentences, codes []string) {
	sentences, codes = []string{}, []string{}
	for _, t := range []trouble{ob.unready(), ob.warning(), {f.Code, f.Warning}} {
		if t.there() && !slices.Contains(codes, t.code) {
			sentences, codes = append(sentences, t.sentence), append(codes, t.code)
		}
	}
	return sentences, codes
}
