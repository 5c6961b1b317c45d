// Package prometheus shows Prometheus what a Socket.IO server does. It is a module of its
// own, so that others do not carry Prometheus.
//
//	registry.MustRegister(prometheus.New(srv, prometheus.Options{}))
//
// The collector reads the server's counters when Prometheus asks; only the time that
// handlers take is measured as it happens.
package prometheus

import (
	"context"
	"errors"
	"sync"
	"time"

	client "github.com/prometheus/client_golang/prometheus"

	"podium/protocol/limits"
	"podium/protocol/socketio"
)

// Options configure a Collector. The zero value is useful.
type Options struct {
	// Limits, where given, have their refusals shown: those of the server's options.
	Limits *limits.Limits
	// NoDurations leaves out how long handlers take. They are measured by an
	// interceptor, and handlers that are registered with socketio.Inline are not called
	// in place where there is one.
	NoDurations bool
	// Buckets are those of the durations, in seconds. Nil means from 0.5 ms to 10 s.
	Buckets []float64
	// MaxNamespaces bounds the namespaces that are told apart: those made for patterns
	// have names that clients make up. What is beyond has the label "other". Zero
	// means 100.
	MaxNamespaces int
	// Rooms are the rooms of the main namespace whose sizes, and events since somebody is in
	// them, are shown. Rooms have as many names as an application makes, which is more than
	// Prometheus should have.
	Rooms []string
	// Labels are added to every metric.
	Labels client.Labels
}

// Collector collects from one server. It is safe for concurrent use.
type Collector struct {
	server *socketio.Server
	o      Options
	took   *client.HistogramVec

	connections, opened, upgraded, bytesIn, bytesOut, messagesIn, messagesOut, waiting *client.Desc
	sockets, rooms, roomSize, roomEvents, received, emitted                            *client.Desc
	attempts, recovered, refused, replayed, dropped, deadLetters                       *client.Desc
	exceeded, limitRefused, limitHeld                                                  *client.Desc

	mu    sync.Mutex // guards named
	named map[string]bool
}

var _ client.Collector = (*Collector)(nil)

// other is the label of namespaces beyond Options.MaxNamespaces.
const other = "other"

// New makes a collector. The durations are those of events that are handled from then on.
func New(srv *socketio.Server, o Options) *Collector {
	if o.MaxNamespaces == 0 {
		o.MaxNamespaces = 100
	}
	if o.Buckets == nil {
		o.Buckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	}
	desc := func(name, help string, labels ...string) *client.Desc {
		return client.NewDesc("socketio_"+name, help, labels, o.Labels)
	}
	c := &Collector{
		server: srv, o: o, named: make(map[string]bool),

		connections: desc("connections", "Connections that are open.", "transport"),
		opened:      desc("connections_opened_total", "Connections ever opened."),
		upgraded:    desc("upgrades_total", "Connections that moved from long-polling to WebSocket."),
		bytesIn:     desc("received_bytes_total", "Bytes that arrived.", "transport"),
		bytesOut:    desc("sent_bytes_total", "Bytes that left, over long-polling before compression.", "transport"),
		messagesIn:  desc("received_messages_total", "Messages that arrived."),
		messagesOut: desc("sent_messages_total", "Messages that were sent or queued."),
		waiting:     desc("waiting_bytes", "Bytes that wait for clients."),

		sockets:    desc("sockets", "Sockets that are connected.", "namespace"),
		rooms:      desc("rooms", "Rooms that have members, without the sockets' own.", "namespace"),
		roomSize:   desc("room_sockets", "Sockets in a room of the main namespace.", "room"),
		roomEvents: desc("room_events_total", "Events sent to a room of the main namespace since somebody is in it.", "room"),
		received:   desc("events_received_total", "Events from clients; those without a handler have no name.", "namespace", "event"),
		emitted:    desc("events_emitted_total", "Events that were emitted here, to however many sockets.", "namespace", "event"),

		attempts:    desc("recovery_attempts_total", "Clients that offered a session."),
		recovered:   desc("recovery_recovered_total", "Sessions that were taken up."),
		refused:     desc("recovery_refused_total", "Sessions that were not taken up.", "reason"),
		replayed:    desc("recovery_replayed_events_total", "Events sent again or late."),
		dropped:     desc("recovery_dropped_events_total", "Events that returning clients did not get, being beyond the limits."),
		deadLetters: desc("dead_letters_total", "Entries of the log that could not be delivered."),

		exceeded:     desc("exceeded_total", "What single connections and sockets were refused.", "limit"),
		limitRefused: desc("limit_refusals_total", "What limits by address and in total refused, or slowed down.", "limit", "scope"),
		limitHeld:    desc("limit_held", "Places taken at a limit.", "limit"),
	}
	if !o.NoDurations {
		c.took = client.NewHistogramVec(client.HistogramOpts{
			Name: "socketio_handler_seconds", Help: "How long events with a handler took to be handled.",
			Buckets: o.Buckets, ConstLabels: o.Labels,
		}, []string{"namespace", "event", "outcome"})
		srv.OnNewNamespace(c.watch) // before those there are: one that comes in between is watched twice at worst
		for _, name := range srv.Namespaces() {
			if n := srv.Lookup(name); n != nil {
				c.watch(n)
			}
		}
	}
	return c
}

// watch measures the events of a namespace.
func (c *Collector) watch(n *socketio.Namespace) {
	n.Intercept(func(ctx context.Context, e *socketio.Event, next func(context.Context) error) error {
		if !e.Handled() {
			return next(ctx)
		}
		began := time.Now()
		err := next(ctx)
		c.took.WithLabelValues(c.label(e.Socket.Namespace().Name()), e.Name, outcome(err)).Observe(time.Since(began).Seconds())
		return err
	})
}

// outcome tells what clients are told of from what went wrong here.
func outcome(err error) string {
	var public *socketio.Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &public):
		return "refused"
	}
	return "failed"
}

// label is the namespace's name, or other where there are too many.
func (c *Collector) label(namespace string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.named[namespace] {
		if len(c.named) >= c.o.MaxNamespaces {
			return other
		}
		c.named[namespace] = true
	}
	return namespace
}

// Describe implements [client.Collector].
func (c *Collector) Describe(to chan<- *client.Desc) {
	for _, d := range []*client.Desc{
		c.connections, c.opened, c.upgraded, c.bytesIn, c.bytesOut, c.messagesIn, c.messagesOut, c.waiting,
		c.sockets, c.rooms, c.roomSize, c.roomEvents, c.received, c.emitted,
		c.attempts, c.recovered, c.refused, c.replayed, c.dropped, c.deadLetters, c.exceeded, c.limitRefused, c.limitHeld,
	} {
		to <- d
	}
	if c.took != nil {
		c.took.Describe(to)
	}
}

// Collect implements [client.Collector]. It looks at each connection and each room.
func (c *Collector) Collect(to chan<- client.Metric) {
	m := metrics{to}
	c.collectEngine(m)
	c.collectNamespaces(m)
	c.collectRecovery(m)
	c.collectLimits(m)
	if c.took != nil {
		c.took.Collect(to)
	}
}

// metrics are where a collection goes.
type metrics struct{ to chan<- client.Metric }

func (m metrics) count(d *client.Desc, n uint64, labels ...string) {
	m.to <- client.MustNewConstMetric(d, client.CounterValue, float64(n), labels...)
}

func (m metrics) gauge(d *client.Desc, n int, labels ...string) {
	m.to <- client.MustNewConstMetric(d, client.GaugeValue, float64(n), labels...)
}

func (c *Collector) collectEngine(m metrics) {
	s := c.server.Engine().Stats()
	m.gauge(c.connections, s.WebSocket.Connections, "websocket")
	m.gauge(c.connections, max(0, s.Sessions-s.WebSocket.Connections), "polling")
	m.count(c.opened, s.Opened)
	m.count(c.upgraded, s.Upgraded)
	m.count(c.bytesIn, s.PollIn, "polling")
	m.count(c.bytesIn, s.WebSocket.BytesIn, "websocket")
	m.count(c.bytesOut, s.PollOut, "polling")
	m.count(c.bytesOut, s.WebSocket.BytesOut, "websocket")
	m.count(c.messagesIn, s.Received)
	m.count(c.messagesOut, s.Sent)
	m.gauge(c.waiting, c.server.Engine().Buffered())
}

// event is what a namespace's counters are added up by.
type event struct{ namespace, name string }

func (c *Collector) collectNamespaces(m metrics) {
	sockets, rooms := make(map[string]int), make(map[string]int)
	events := make(map[event]socketio.EventStats)
	for _, name := range c.server.Namespaces() {
		n := c.server.Lookup(name)
		if n == nil {
			continue // it has been removed
		}
		label, s := c.label(name), n.Stats()
		sockets[label] += s.Sockets
		rooms[label] += len(s.Rooms)
		for e, counts := range s.Events {
			sum := events[event{label, e}]
			sum.Received += counts.Received
			sum.Emitted += counts.Emitted
			events[event{label, e}] = sum
		}
	}
	for label := range sockets {
		m.gauge(c.sockets, sockets[label], label)
		m.gauge(c.rooms, rooms[label], label)
	}
	for e, counts := range events {
		m.count(c.received, counts.Received, e.namespace, e.name)
		m.count(c.emitted, counts.Emitted, e.namespace, e.name)
	}
	for _, room := range c.o.Rooms {
		s := c.server.Of("/").RoomStats(room)
		m.gauge(c.roomSize, s.Sockets, room)
		m.count(c.roomEvents, s.Events, room)
	}
}

func (c *Collector) collectRecovery(m metrics) {
	s := c.server.Stats()
	m.count(c.attempts, s.Attempts)
	m.count(c.recovered, s.Recovered)
	for reason, n := range s.Refused {
		m.count(c.refused, n, string(reason))
	}
	m.count(c.replayed, s.Replayed)
	m.count(c.dropped, s.Dropped)
	m.count(c.deadLetters, s.DeadLetters)
	m.count(c.exceeded, s.TooFast, "packets")
	m.count(c.exceeded, s.TooManyRooms, "rooms")
	m.count(c.exceeded, s.TooLargeAuth, "auth")
	m.count(c.exceeded, s.TooManyNamespaces, "namespaces")
}

func (c *Collector) collectLimits(m metrics) {
	if c.o.Limits == nil {
		return
	}
	for _, r := range c.o.Limits.Refusals() {
		m.count(c.limitRefused, r.Address, r.Limit, "address")
		m.count(c.limitRefused, r.Total, r.Limit, "total")
		m.gauge(c.limitHeld, int(r.Held), r.Limit)
	}
}
