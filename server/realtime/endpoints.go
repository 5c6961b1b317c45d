package realtime

import (
	"net/http"
	"slices"
	"time"

	"podium/protocol/engineio"
	"podium/server/answer"
)

// The statuses of the service.
const (
	Healthy     = "healthy"
	Degraded    = "degraded"
	Unavailable = "unavailable"
)

// maxAverageLatency is the average round trip, in milliseconds, from which the
// service counts as degraded.
const maxAverageLatency = 1000

// pollInterval is how often pages without any stream should poll, in ms.
const pollInterval = 5000

// Stats say how the service does.
type Stats struct {
	Status  string
	Warning string // why it is not healthy
	// Code names the warning for pages that say it in another language.
	Code string

	Counts                    // of this machine; Unhealthy are those whose pong is overdue, or who stopped answering application heartbeats
	Upgraded, Received        uint64
	PerSecond                 float64
	LogLength, LogLast        uint64
	Trimmed                   uint64
	Attempts, Refused         uint64
	Replayed, Dropped         uint64
	BytesIn, BytesOut         uint64 // over WebSocket
	PollBytesIn, PollBytesOut uint64
	StreamBytesOut            uint64
	Latency                   Latency
	Parked                    int // polls that wait without a goroutine
	Uptime                    time.Duration
	Started                   time.Time
	LastHeartbeat             int64 // ms
}

// RecoveryRefusals counts the sessions that were offered and not taken up, by why.
func (rt *Realtime) RecoveryRefusals() map[string]uint64 {
	counts := make(map[string]uint64)
	for why, n := range rt.io.Stats().Refused {
		counts[string(why)] = n
	}
	return counts
}

// Queued is the number of bytes that wait for clients. It looks at every session.
func (rt *Realtime) Queued() int { return rt.io.Engine().Buffered() }

// counts are the figures of this machine that are summed over all.
func (rt *Realtime) counts() Counts {
	engine, recovery := rt.io.Engine().Stats(), rt.io.Stats()
	c := Counts{
		Active: engine.Sessions, WebSocket: engine.WebSocket.Connections, Streams: int(rt.streams.Load()),
		Total: engine.Opened, Delivered: engine.Sent, Recovered: recovery.Recovered, PingTimeouts: rt.pingTimeouts.Load(),
	}
	c.Unhealthy = min(rt.unhealthy(), c.Active) // the two were counted at different moments
	c.Polling = max(0, c.Active-c.WebSocket)
	return c
}

// Stats returns the figures of this moment.
func (rt *Realtime) Stats() Stats {
	engine, recovery := rt.io.Engine().Stats(), rt.io.Stats()
	f := Stats{
		Status: Healthy, Counts: rt.counts(), Upgraded: engine.Upgraded,
		Received: engine.Received, PerSecond: rt.rates.perSecond(),
		Trimmed: rt.trimmed.Load(), Attempts: recovery.Attempts,
		Replayed: recovery.Replayed, Dropped: recovery.Dropped,
		BytesIn: engine.WebSocket.BytesIn, BytesOut: engine.WebSocket.BytesOut,
		PollBytesIn: engine.PollIn, PollBytesOut: engine.PollOut, StreamBytesOut: rt.streamBytes.Load(),
		Latency: rt.latency.stats(), Uptime: rt.o.Now().Sub(rt.started), Started: rt.started,
		LastHeartbeat: rt.lastBeat.Load(),
	}
	for _, n := range recovery.Refused {
		f.Refused += n
	}
	f.Parked = engine.Parked
	first, last, err := rt.o.Contest.EventRange()
	f.LogLength, f.LogLast = last+1-first, last
	switch {
	case rt.state.Load() != running:
		f.Status, f.Warning, f.Code = Unavailable, "The server is shutting down.", "stopping"
	case err != nil:
		f.Status, f.Warning, f.Code = Unavailable, "The event log cannot be read.", "unreadable"
		f.LogLength, f.LogLast = 0, 0
	case f.Latency.Average > maxAverageLatency:
		f.Status, f.Warning, f.Code = Degraded, "Clients answer slowly: the network or the machine is overloaded.", "slow"
	}
	return f
}

// Health answers GET /api/realtime-health. What is counted is counted over all
// machines; the status, the uptime and the latency are this one's.
func (rt *Realtime) Health(w http.ResponseWriter, _ *http.Request) error {
	f, machines := rt.Stats(), rt.Machines()
	all := Sum(machines)
	status := http.StatusOK
	if f.Status == Unavailable {
		status = http.StatusServiceUnavailable
	}
	body := map[string]any{
		"status": f.Status, "timestamp": time.Now().UTC().Format(time.RFC3339), "uptime": f.Uptime.Milliseconds(),
		"activeConnections": all.Active, "totalConnected": all.Total, "messageQueueSize": f.LogLength,
		"averageLatency": f.Latency.Average, "lastHeartbeat": f.LastHeartbeat,
		"metrics": map[string]any{
			"activeConnections": all.Active, "totalConnections": all.Total, "healthyClients": all.Active - all.Unhealthy,
			"messagesQueued": f.LogLength, "messagesDelivered": all.Delivered,
			"heartbeatFailures": all.PingTimeouts, "reconnections": all.Recovered,
		},
		"config": map[string]any{
			"heartbeatInterval": rt.o.HeartbeatInterval.Milliseconds(), "heartbeatTimeout": rt.o.HeartbeatTimeout.Milliseconds(),
			"maxQueueSize": rt.o.MaxMissed, "enableQueueing": true, "enableHeartbeat": true,
		},
	}
	if f.Status != Healthy {
		body["warning"] = f.Warning
	}
	if rt.o.Contest.Shared() {
		body["machines"] = machines
	}
	answer.JSON(w, status, body)
	return nil
}

// Metrics answers GET /api/realtime-metrics. Connections and messages are those of
// all machines, and the rest is this one's.
func (rt *Realtime) Metrics(w http.ResponseWriter, _ *http.Request) error {
	f, machines := rt.Stats(), rt.Machines()
	all := Sum(machines)
	rate := 1.0
	if f.Attempts > 0 {
		rate = float64(f.Recovered) / float64(f.Attempts)
	}
	body := map[string]any{
		"timestamp":   time.Now().UTC().Format(time.RFC3339),
		"connections": map[string]any{"active": all.Active, "total": all.Total, "healthy": all.Active - all.Unhealthy, "unhealthy": all.Unhealthy},
		"messages":    map[string]any{"queued": f.LogLength, "delivered": all.Delivered, "queuedTotal": f.LogLast},
		"messaging":   map[string]any{"queueSize": f.LogLength, "totalQueued": f.LogLast, "totalDelivered": all.Delivered},
		"performance": map[string]any{
			"averageLatency": f.Latency.Average, "minLatency": f.Latency.Min, "maxLatency": f.Latency.Max,
			"p95Latency": f.Latency.P95, "jitter": f.Latency.Jitter, "messagesPerSecond": f.PerSecond,
		},
		"reliability": map[string]any{
			"heartbeatFailures": f.PingTimeouts, "reconnections": f.Recovered, "reconnectAttempts": f.Attempts,
			"failureCount": f.PingTimeouts + f.Refused, "successRate": rate,
		},
		"uptime": map[string]any{"seconds": f.Uptime.Seconds(), "startTime": f.Started.UTC().Format(time.RFC3339)},
	}
	if rt.o.Contest.Shared() {
		body["machines"] = machines
	}
	answer.JSON(w, http.StatusOK, body)
	return nil
}

// Fallback answers GET /api/realtime-fallback: what a page should use.
func (rt *Realtime) Fallback(w http.ResponseWriter, _ *http.Request) error {
	f := rt.Stats()
	status, mode, reason := http.StatusOK, engineio.TransportWebSocket, "The real-time service works."
	recommendations := []string{"Connect with Socket.IO; nothing else is needed."}
	if rt.o.Transports != nil && !slices.Contains(rt.o.Transports, engineio.TransportWebSocket) {
		mode, reason = engineio.TransportPolling, "The real-time service works; WebSocket is turned off."
	}
	if f.Status != Healthy {
		mode, reason = engineio.TransportPolling, f.Warning
		recommendations = []string{
			"Keep the Socket.IO connection's own reconnection running.",
			"Meanwhile read /api/events, or /api/feed every 5 seconds with If-None-Match.",
		}
	}
	if f.Status == Unavailable {
		status = http.StatusServiceUnavailable
	}
	recommended := f.Status != Healthy
	answer.JSON(w, status, map[string]any{
		"available": f.Status != Unavailable, "degraded": f.Status == Degraded,
		"fallbackRecommended": recommended, "fallbackMode": mode, "reason": reason, "recommendations": recommendations,
		"alternatives": []map[string]any{
			{"method": "polling", "interval": pollInterval, "url": "/api/feed", "recommended": recommended},
			{"method": "server-sent-events", "url": "/api/events", "recommended": recommended && f.Status != Unavailable},
		},
		"degradationThreshold": map[string]any{
			"maxQueueSize": rt.o.MaxMissed, "minHealthyConnections": 0, "maxAverageLatency": maxAverageLatency,
		},
	})
	return nil
}
