package main

import "errors"

// outcome is one measurement of a row: a value for each of its figures, lower is
// better in all.
type outcome struct {
	Values  []float64 `json:"values,omitempty"`
	Lost    int       `json:"lost,omitempty"`    // messages
	Failed  string    `json:"failed,omitempty"`  // why there are no values
	Absent  string    `json:"absent,omitempty"`  // the server has no such thing
	AtLeast bool      `json:"atLeast,omitempty"` // not everything was waited for
	Note    string    `json:"note,omitempty"`    // what is to be said beside the values
}

// errAbsent says that a server lacks what the row measures.
var errAbsent = errors.New("does not have it")

// errLost ends a measurement early: messages were lost, and the row says so.
var errLost = errors.New("lost messages")

// figure is one line of the table.
type figure struct {
	what string  // with its unit
	aim  float64 // the ratio to Node that is aimed at; 0: none
	// short is the line's name in the README's table, "" where it is left out there.
	short string
}

// row is a part of the benchmark that can be run alone.
type row struct {
	name    string
	rounds  int // at most this many; 0: as many as asked for
	figures []figure
	flags   []string                                // that every server gets
	start   func(peer, ...string) (*running, error) // nil: start
	run     func(*running) (outcome, error)
	limit   bool // there is a limit that a server cannot go below, which the peer of that name shows
	// nodes is in place of start and run where the row is about several servers as one: it
	// starts them itself.
	nodes func(peer) (outcome, error)
}

// servers are the peers that the row is about, the one that its ratios refer to first.
func (row row) servers() []peer {
	if row.nodes != nil {
		return clusterPeers
	}
	return peers
}

// rows are in the order in which they are run.
var rows = []row{
	{name: "idle", limit: true, rounds: 2, run: idle, figures: []figure{
		{"idle WebSocket connection with session and socket, KB (8,000)", 1. / 6, "idle WebSocket connection, KB"}}},
	{name: "idle-polling", limit: true, rounds: 2, run: idlePolling, figures: []figure{
		{"idle long-polling session, its poll pending, KB (4,000)", 1. / 2, "idle long-polling session, KB"}}},
	{name: "broadcast", limit: true, run: broadcasts(1, 25), figures: []figure{
		{"broadcasts one at a time to 2,000, CPU µs a delivery", 0.6, "single broadcast to 2,000, µs a delivery"}}},
	{name: "burst", limit: true, run: broadcasts(20, 4), figures: []figure{
		{"bursts of 20 to 2,000, CPU µs a delivery", 1. / 10, "burst of 20 to 2,000, µs a delivery"}}},
	{name: "broadcast-polling", limit: true, run: broadcastPolling, figures: []figure{
		{"broadcasts to 1,000 over long-polling, CPU µs a delivery", 1. / 2, "broadcast over long-polling, µs a delivery"}}},
	{name: "limit-polling", run: broadcastPolling, start: startBare, figures: []figure{
		{"the same by net/http alone: a handler that waits on a channel", 0, ""}}},
	{name: "echo", limit: true, run: echo(64, 1, 500), figures: []figure{
		{"event and acknowledgement, 64 connections, CPU µs", 1. / 2, "event and acknowledgement, µs"}}},
	{name: "pipeline", limit: true, run: echo(1, 16, 4000), figures: []figure{
		{"the same, 16 in flight on one connection, CPU µs", 1. / 8, "the same, 16 in flight, µs"}}},
	{name: "echo-polling", limit: true, run: echoPolling, figures: []figure{
		{"event and acknowledgement over long-polling, 64 clients, CPU µs", 1 / 1.5, "the same over long-polling, µs"}}},
	{name: "connect-default", limit: true, run: connectDefault, figures: []figure{
		{"connecting by default transports (polling, then upgrade), CPU µs", 1. / 3, "connecting by default transports, µs"}}},
	{name: "connect", limit: true, run: connect, figures: []figure{
		{"connecting, websocket only, CPU µs", 1. / 3, "connecting, websocket only, µs"}}},
	{name: "idle-tls", rounds: 2, start: startTLS, run: idle, figures: []figure{
		{"idle WebSocket connection under TLS, KB (8,000)", 0.3, "idle WebSocket connection under TLS, KB"}}},
	{name: "broadcast-tls", start: startTLS, run: broadcasts(1, 25), figures: []figure{
		{"broadcasts one at a time to 2,000 under TLS, CPU µs a delivery", 0.6, "single broadcast to 2,000 under TLS, µs a delivery"}}},
	{name: "echo-tls", start: startTLS, run: echo(64, 1, 500), figures: []figure{
		{"event and acknowledgement under TLS, 64 connections, CPU µs", 1. / 2, "event and acknowledgement under TLS, µs"}}},
	{name: "connect-tls", start: startTLS, run: connect, figures: []figure{
		{"connecting, websocket only, with a TLS handshake, CPU µs", 0.6, "connecting under TLS, µs"}}},
	{name: "idle-polling-tls", rounds: 2, start: startTLS, run: idlePolling, figures: []figure{
		{"idle long-polling session under TLS (HTTP/1.1), KB (4,000)", 0, ""}}},
	{name: "idle-polling-h2", rounds: 2, start: startTLS, run: idlePolling2, figures: []figure{
		{"idle long-polling session by HTTP/2, on a connection of its own, KB (2,000)", 0, ""}}},
	{name: "recovery", limit: true, rounds: 3, run: recovery, flags: []string{"--recovery"}, figures: []figure{
		{"reconnecting with recovery of 100 missed events, CPU µs a client (5,000)", 1. / 5, "recovery of 100 missed events, µs a client"},
		{"the same: most memory above that before, MB", 0, ""}}},
	{name: "latency", rounds: 1, run: latency, start: contestOrPeer, figures: []figure{
		{"broadcast to 5,000 while 200 submissions a second arrive, ms p50", 0, ""},
		{"the same, p99", 1. / 3, "p99 of a broadcast to 5,000 under 200 submissions/s, ms"},
		{"the same, p99.9", 0, ""}}},
	{name: "rooms", limit: true, rounds: 2, run: rooms, figures: []figure{
		{"10,000 sockets in 1,000 rooms: joins, leaves, deliveries, CPU µs each", 1. / 3, "rooms: a join, leave or delivery, µs"}}},
	{name: "binary", limit: true, run: binary64, figures: []figure{
		{"64 KB binary broadcasts to 200, CPU µs a delivery", 1. / 2, "64 KB binary broadcast, µs a delivery"}}},
	{name: "deflate", limit: true, run: deflated, flags: []string{"--deflate"}, figures: []figure{
		{"4 KB of text to 500 with permessage-deflate, CPU µs a delivery", 1. / 2, "permessage-deflate, 4 KB of text, µs a delivery"}}},
	{name: "submit", rounds: 1, run: submit, start: contests, figures: []figure{
		{"POST /api/submit, 50 KB JPEG, 16 at a time, ms each at 1,000 entries", 1. / 10, "`POST /api/submit` at 1,000 entries, ms"},
		{"the same at 10,000 entries", 0, ""},
		{"the same at 100,000 entries", 0, "`POST /api/submit` at 100,000 entries, ms"}}},
	{name: "limit-submit", rounds: 3, run: filesAlone, start: startNothing, figures: []figure{
		{"the files of it alone: written, synced, renamed, 16 at a time, ms each", 0, ""}}},
	{name: "feed", rounds: 3, run: feed, start: contests, figures: []figure{
		{"GET /api/feed at 10,000 entries, after a change, ms", 0, ""},
		{"the same, nothing changed since, CPU µs", 1. / 10, "`GET /api/feed` at 10,000 entries, unchanged, µs"},
		{"the same, answered with 304, CPU µs", 0, ""}}},
	{name: "rush", rounds: 1, run: rush, start: contests, figures: []figure{
		{"1,000 phones load the feed of 10,000 entries while 50 arrive a second, CPU µs a phone", 0, "the feed to a phone while 50 entries a second arrive, CPU µs"},
		{"the same, ms p50", 0, ""},
		{"the same, ms p99", 0, ""}}},
	{name: "weight", rounds: 1, run: weight, start: contests, figures: []figure{
		{"the program as it is deployed, MB", 0, ""},
		{"building it with an empty cache, CPU s", 0, ""},
		{"from its start to its first answer, ms", 0, ""},
		{"at rest, resident MB", 0, ""},
		{"after 2,000 photos and 3,000 loads of the feed, resident MB", 0, ""}}},
	{name: "databases", rounds: 1, run: databases, start: startNothing, figures: []figure{
		{"submit as above at 1,000 entries, kept in a file, ms each", 0, ""},
		{"feed after a change at 1,000 entries, kept in a file, ms", 0, ""},
		{"submit at 1,000 entries, one machine on PostgreSQL, ms each", 0, ""},
		{"feed after a change, one machine on PostgreSQL, ms", 0, ""},
		{"an idle machine on PostgreSQL, resident MB", 0, ""},
		{"the same, transactions a second", 0, ""},
		{"submit at 1,000 entries, three machines on PostgreSQL, ms each", 0, ""},
		{"feed at one machine after a change at another, ms", 0, ""},
		{"an idle machine of three, resident MB", 0, ""},
		{"the same, transactions a second of each", 0, ""},
		{"submit at 100,000 entries, kept in a file, ms each", 0, ""},
		{"feed after a change at 100,000 entries, kept in a file, ms", 0, ""},
		{"submit at 100,000 entries, one machine on PostgreSQL, ms each", 0, ""},
		{"feed after a change, one machine on PostgreSQL, ms", 0, ""},
		{"submit at 100,000 entries, three machines on PostgreSQL, ms each", 0, ""},
		{"feed at one machine after a change at another, ms", 0, ""}}},
	{name: "clients", rounds: 2, run: clients, start: startClients, figures: []figure{
		{"10,000 clients in one process over WebSocket, KB each", 0, "a client, of 10,000 in one process, KB"},
		{"the same, CPU µs a connection", 0, ""},
		{"the same, CPU µs an event and its acknowledgement", 0, ""},
		{"the same, CPU µs a received event", 0, "an event that a client receives, µs"}}},
	{name: "cluster-emits", rounds: 3, nodes: clusterEmits, figures: []figure{
		{"64 emitters at one node, a client at another: µs an event by the clock (50: 20,000 a second)", 1. / 2, "64 emitters at one of several servers, µs an event by the clock"},
		{"the same, CPU µs of the node that emits", 1. / 2, "the same, CPU µs of that server"},
		{"64 emitters at each of two nodes, a client at a third: µs an event by the clock", 1. / 2, ""},
		{"the same, CPU µs of the two nodes", 1. / 2, ""},
		{"the engine's CPU µs an event, one node emitting", 0, ""},
		{"the same, two nodes emitting", 0, ""}}},
	{name: "cluster-latency", rounds: 3, nodes: clusterLatency, figures: []figure{
		{"from the emit at one node to a client at another, 200 a second, ms p50", 0, ""},
		{"the same, p99", 0, "from an emit to a client at another node, ms p99"}}},
	{name: "cluster-recovery", rounds: 3, nodes: clusterRecovery, figures: []figure{
		{"coming back at another node with recovery of 100 missed events, CPU µs a client (1,000)", 1. / 2, "recovery of 100 missed events at another node, µs a client"},
		{"the same: most memory above that before, MB", 0, ""}}},
	{name: "cluster-growth", rounds: 2, nodes: clusterGrowth, figures: []figure{
		{"an event to a client at each node, CPU µs of all nodes and the engine: 1 node", 1. / 2, ""},
		{"the same, 2 nodes", 1. / 2, ""},
		{"the same, 3 nodes", 1. / 2, ""},
		{"the same, 4 nodes", 1. / 2, "an event to a client at each of 4 nodes, CPU µs of all and Redis"},
		{"bytes an event that Redis reads and writes: 1 node", 0, ""},
		{"the same, 2 nodes", 0, ""},
		{"the same, 3 nodes", 0, ""},
		{"the same, 4 nodes", 0, ""}}},
	{name: "capacity", limit: true, rounds: 1, run: capacity, figures: []figure{
		{"19,000 connections, a broadcast a second to each, resident MB", 0, "19,000 connections, a broadcast a second, resident MB"},
		{"the same, KB a connection", 0, ""}}},
}
