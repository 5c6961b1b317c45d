package realtime

import (
	"context"
	"sync"
	"time"

	"podium/protocol/engineio"
	"podium/protocol/socketio"
)

// heart knows the clients that answer application heartbeats. Most never do:
// that they are there is known from Engine.IO's own pings.
type heart struct {
	mu       sync.Mutex            // guards answered
	answered map[string]lastAnswer // by connection: a socket's id outlives its connection
}

// lastAnswer is when a connection last answered.
type lastAnswer struct {
	socket  string
	at      time.Time
	stopped bool // it was told so
}

// patience is the part of the heartbeat timeout that a client may take for its
// pong before it counts as unhealthy: a third, 5 s of 15.
const patience = 3

// health counts unhealthy connections, no more than once in healthAge: it looks
// at every connection, and anybody may ask.
type health struct {
	mu        sync.Mutex // guards the fields below
	at        time.Time  // when it was counted
	unhealthy int
}

const healthAge = time.Second

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
		rt.heart.answered[e.Socket.ConnID()] = lastAnswer{socket: e.Socket.ID(), at: rt.o.Now()}
	}, socketio.Inline)
	// Whoever wants to know whether events arrive need not wait for the next beat.
	socketio.OnEvent(nsp, "heartbeat-request", func(e *socketio.Event) {
		_ = e.Socket.Emit("heartbeat-ping", rt.ping(rt.sequence.Load())) // it may be gone by now; who polls may be between two polls
	}, socketio.Inline)
	nsp.OnDisconnect(func(s *socketio.Socket, _ socketio.Reason) {
		rt.heart.mu.Lock()
		defer rt.heart.mu.Unlock()
		delete(rt.heart.answered, s.ConnID())
	})
}

// unhealthy counts the connections whose pong is overdue, or which answered
// application heartbeats and have stopped. The figure is up to healthAge old.
func (rt *Realtime) unhealthy() int {
	h := &rt.health
	h.mu.Lock()
	defer h.mu.Unlock()
	now := rt.o.Now()
	if age := now.Sub(h.at); age >= 0 && age < healthAge {
		return h.unhealthy
	}
	h.at, h.unhealthy = now, 0
	allowed := rt.o.HeartbeatTimeout / patience
	rt.io.Engine().Sessions(func(s *engineio.Session) bool {
		if s.Overdue() > allowed || rt.heart.hasStopped(s.ID()) {
			h.unhealthy++
		}
		return true
	})
	return h.unhealthy
}

func (h *heart) hasStopped(connection string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.answered[connection].stopped
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
		ping := rt.ping(rt.sequence.Add(1))
		rt.lastBeat.Store(ping.Timestamp)
		_ = rt.io.Of("/").Local().Volatile().Emit("heartbeat-ping", ping) // whoever misses one gets the next
		now := rt.o.Now()
		for _, a := range rt.heart.expire(now.Add(-rt.o.HeartbeatInterval - rt.o.HeartbeatTimeout)) {
			_ = rt.io.To(a.socket).Local().Emit("heartbeat-expired", heartbeatExpired{
				LastSeen: a.at.UnixMilli(), Timeout: rt.o.HeartbeatTimeout.Milliseconds(),
			}) // it may be gone by now
		}
	}
}

// ping is a heartbeat as of now.
func (rt *Realtime) ping(sequence int64) heartbeatPing {
	return heartbeatPing{
		Timestamp: time.Now().UnixMilli(), Sequence: sequence,
		ServerUptime: rt.o.Now().Sub(rt.started).Milliseconds(), ActiveConnections: rt.connections(),
	}
}

// connections counts those of all machines.
func (rt *Realtime) connections() int {
	n := rt.io.Connections()
	for _, other := range rt.Machines()[1:] {
		n += other.Active
	}
	return n
}

// expire marks and returns those who last answered before a time, once each.
func (h *heart) expire(before time.Time) []lastAnswer {
	h.mu.Lock()
	defer h.mu.Unlock()
	var gone []lastAnswer
	for connection, a := range h.answered {
		if a.at.Before(before) && !a.stopped {
			a.stopped = true
			h.answered[connection] = a
			gone = append(gone, a)
		}
	}
	return gone
}
