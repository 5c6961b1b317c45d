package adminui

import (
	"context"
	"os"
	"time"

	"podium/protocol/engineio"
)

// maxNamespaces bounds the namespaces that figures name: those of patterns have names that
// clients make up.
const maxNamespaces = 1000

// serverStats is the payload of server_stats.
type serverStats struct {
	ServerID            string           `json:"serverId"`
	Hostname            string           `json:"hostname"`
	PID                 int              `json:"pid"`
	Uptime              float64          `json:"uptime"` // seconds
	ClientsCount        int              `json:"clientsCount"`
	PollingClientsCount int              `json:"pollingClientsCount"`
	AggregatedEvents    []aggregate      `json:"aggregatedEvents"`
	Namespaces          []namespaceStats `json:"namespaces"`
}

type namespaceStats struct {
	Name         string `json:"name"`
	SocketsCount int    `json:"socketsCount"`
}

// aggregate is how often something happened since the figures before.
type aggregate struct {
	Timestamp int64  `json:"timestamp"` // ms
	Type      string `json:"type"`
	SubType   string `json:"subType,omitempty"`
	Count     uint64 `json:"count"`
}

// sendStats sends the figures to the admins of all servers. Whether there are any at the
// others it cannot know.
func (ui *UI) sendStats(ctx context.Context) {
	ticker := time.NewTicker(statsEvery)
	defer ticker.Stop()
	before := ui.server.Engine().Stats()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := ui.server.Engine().Stats()
		_ = ui.namespace.Volatile().Emit("server_stats", ui.stats(aggregates(before, now))) // the next follows soon
		before = now
	}
}

// stats are the figures now.
func (ui *UI) stats(happened []aggregate) serverStats {
	e := ui.server.Engine().Stats()
	s := serverStats{
		ServerID: ui.o.ServerID, Hostname: ui.hostname, PID: os.Getpid(), Uptime: time.Since(ui.began).Seconds(),
		ClientsCount: e.Sessions, PollingClientsCount: max(0, e.Sessions-e.WebSocket.Connections),
		AggregatedEvents: happened, Namespaces: []namespaceStats{},
	}
	if happened == nil {
		s.AggregatedEvents = []aggregate{}
	}
	for _, name := range ui.server.Namespaces() {
		if n := ui.server.Lookup(name); n != nil && len(s.Namespaces) < maxNamespaces {
			s.Namespaces = append(s.Namespaces, namespaceStats{name, n.Count()})
		}
	}
	return s
}

// aggregates are what happened between two looks at the counters. The official server has each
// second by itself.
func aggregates(before, now engineio.Stats) []aggregate {
	at := time.Now().Truncate(time.Second).UnixMilli()
	opened := now.Opened - before.Opened
	closed := max(0, int64(opened)-int64(now.Sessions-before.Sessions))
	var all []aggregate
	for _, one := range []struct {
		name  string
		count uint64
	}{
		{"rawConnection", opened},
		{"rawDisconnection", uint64(closed)},
		{"packetsIn", now.Received - before.Received},
		{"packetsOut", now.Sent - before.Sent},
		{"bytesIn", now.PollIn + now.WebSocket.BytesIn - before.PollIn - before.WebSocket.BytesIn},
		{"bytesOut", now.PollOut + now.WebSocket.BytesOut - before.PollOut - before.WebSocket.BytesOut},
	} {
		if one.count > 0 {
			all = append(all, aggregate{Timestamp: at, Type: one.name, Count: one.count})
		}
	}
	return all
}
