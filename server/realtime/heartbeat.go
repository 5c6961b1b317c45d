package realtime

import (
	"context"
	"sync"
	"time"

	"podium/protocol/socketio"
)

// heart knows the clients that answer application heartbeats. Most never do:
// that they are there is known from Engine.IO's own pings.
type heart struct {
	mu   sync.Mutex           // guards seen
	seen map[string]time.Time // socket id → last answer
}

// heartbeatPing is the payload of heartbeat-ping.
type heartbeatPing struct {
	Timestamp         int64 `json:"timestamp"` // ms
	Sequence          int64 `json:"sequence"`
	ServerUptime      int64 `json:"serverUptime"` // ms
	ActiveConnections int   `json:"activeConnections"`
}

// heartbeatExpired is the payload of heartbeat-expired.
type heartbeatExpired struct {
	LastSeen int64 `json:"lastSeen"` // ms
	Timeout  int64 `json:"timeout"`  // ms
}

// listen registers what clients may send.
func (rt *Realtime) listen() {
	nsp := rt.io.Of("/")
	socketio.OnEvent(nsp, "heartbeat-pong", func(e *socketio.Event) {
		rt.heart.mu.Lock()
		defer rt.heart.mu.Unlock()
		rt.heart.seen[e.Socket.ID()] = rt.o.Now()
	}, socketio.Inline)
	nsp.OnDisconnect(func(s *socketio.Socket, _ socketio.Reason) {
		rt.heart.mu.Lock()
		defer rt.heart.mu.Unlock()
		delete(rt.heart.seen, s.ID())
	})
}

// beat sends heartbeat-ping every interval, and heartbeat-expired to those who
// have stopped answering.
func (rt *Realtime) beat(ctx context.Context) {
	ticker := time.NewTicker(rt.o.HeartbeatInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := rt.o.Now()
		rt.lastBeat.Store(now.UnixMilli())
		_ = rt.io.Of("/").Volatile().Emit("heartbeat-ping", heartbeatPing{
			Timestamp: now.UnixMilli(), Sequence: rt.sequence.Add(1),
			ServerUptime: now.Sub(rt.started).Milliseconds(), ActiveConnections: rt.io.Connections(),
		}) // whoever misses one gets the next
		for id, seen := range rt.heart.expire(now.Add(-rt.o.HeartbeatInterval - rt.o.HeartbeatTimeout)) {
			_ = rt.io.To(id).Volatile().Emit("heartbeat-expired", heartbeatExpired{
				LastSeen: seen.UnixMilli(), Timeout: rt.o.HeartbeatTimeout.Milliseconds(),
			}) // it may be gone by now
		}
	}
}

// expire forgets and returns those who last answered before a time.
func (h *heart) expire(before time.Time) map[string]time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	gone := make(map[string]time.Time)
	for id, seen := range h.seen {
		if seen.Before(before) {
			gone[id] = seen
			delete(h.seen, id)
		}
	}
	return gone
}
