// Package realtime joins the contest to its audience: it follows the store's
// event log and sends what it finds to everybody over Socket.IO and
// Server-Sent Events, keeps heartbeats, and says how well all that works.
//
// The store's log comes in, through [Realtime.Publish] after each commit;
// events go out to browsers. The log and the session records that recovery
// needs stay in the store: nothing here must survive a crash.
//
// Only what is in the log is recovered by a client that was away. Heartbeats
// and the notice of a shutdown are not: they mean something only now.
package realtime

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"podium/contest"
	"podium/protocol/budget"
	"podium/protocol/engineio"
	"podium/protocol/limits"
	"podium/protocol/socketio"
	"podium/protocol/websocket"
)

// Options say how the service runs. Every field but those said to be optional
// must be set.
type Options struct {
	Contest *contest.Contest
	// Payload makes the payload of a logged event as it leaves.
	Payload func(event string, payload []byte) ([]byte, error)
	// Key signs session ids; it stays the same across restarts.
	Key []byte

	HeartbeatInterval time.Duration
	HeartbeatTimeout  time.Duration
	MaxMissed         int           // events that a returning client is sent at most
	MaxAge            time.Duration // age at which an event is not sent any more
	CleanupInterval   time.Duration
	MaxQueuedBytes    int
	MaxPayload        int64
	Transports        []string // nil: polling and WebSocket
	AllowEIO3         bool     // clients of Socket.IO 2
	Loops             int      // optional
	NodeID            string   // optional
	Address           string   // where other machines of the contest reach this one, as http://host:port; optional
	CORSOrigins       []string
	Compress          bool
	ShutdownGrace     time.Duration // told to clients

	// Limits are those of Socket.IO's clients. New sets how it answers who is beyond them.
	Limits  *limits.Limits
	Streams *limits.Gate  // Server-Sent Events
	Memory  *budget.Share // optional: for messages that have not arrived whole
	// StreamMemory is charged for the events that leave for Server-Sent Events; nil
	// charges nothing.
	StreamMemory *budget.Share

	ConnectTimeout      time.Duration // to join a namespace; 0: 45 s
	BodyTimeout         time.Duration // for a request's body to arrive; 0: 30 s
	MaxPacketsPerSecond float64       // of one connection; 0: no bound
	MaxRooms            int           // of one socket; 0: no bound

	Observer Observer // optional

	Now    func() time.Time // the clock of the store's events and session records
	Logger *slog.Logger
}

// maxAuth bounds what a client joins a namespace with: a session id and an
// offset, of less than 200 bytes together.
const maxAuth = 2 << 10

// inflatePerSecond is engineio.Options.InflatePerSecond: the pages send nothing that
// is worth compressing.
const inflatePerSecond = 256 << 10

// Observer is told what is measured as it happens. Nil functions are left out.
// They are called from many goroutines and must not block.
type Observer struct {
	Delivered    func(time.Duration) // from a commit until its events were written to, or queued for, everybody
	Pong         func(time.Duration) // the round trip of a ping
	Disconnected func(reason string)
}

// Realtime is the service. It is safe for concurrent use.
type Realtime struct {
	forwarder *forwarder
	o         Options
	io        *socketio.Server
	latency   latencies
	rates     rates
	started   time.Time

	pingTimeouts atomic.Uint64
	trimmed      atomic.Uint64
	streams      atomic.Int64
	streamBytes  atomic.Uint64 // written to event streams
	sequence     atomic.Int64
	lastBeat     atomic.Int64 // ms
	state        atomic.Int32

	heart  heart
	health health

	process  string // names this process among those of all machines
	machines machines

	// mu guards changed, which is closed and replaced at every publication, and
	// readings, which are those since then.
	mu       sync.Mutex
	changed  chan struct{}
	readings map[uint64]*reading

	cancel context.CancelFunc
	work   sync.WaitGroup
}

// The states of the service.
const (
	running int32 = iota
	stopping
	stopped
)

// New makes the service and starts its heartbeats. Shutdown ends it.
func New(o Options) *Realtime {
	rt := &Realtime{o: o, started: o.Now(), changed: make(chan struct{}), readings: make(map[uint64]*reading)}
	rt.heart.answered = make(map[string]lastAnswer)
	o.Limits.Refuse, o.Limits.Now, o.Limits.BodyTimeout = refuse, o.Now, o.BodyTimeout
	engine := engineio.Options{
		PingInterval:   o.HeartbeatInterval,
		PingTimeout:    o.HeartbeatTimeout,
		CloseTimeout:   o.HeartbeatTimeout, // who does not answer is not waited for longer than that
		MaxPayload:     o.MaxPayload,
		MaxQueuedBytes: o.MaxQueuedBytes,
		Transports:     o.Transports,
		AllowEIO3:      o.AllowEIO3,
		Loops:          o.Loops,
		NodeID:         o.NodeID,
		ShutdownGrace:  farewell,
		BodyTimeout:    o.BodyTimeout,
		Memory:         o.Memory,
		DirectPolls:    true, // in front there is nothing that must see each poll: the limits are the engine's
		MaxIdlePackets: o.MaxPacketsPerSecond,
		Keep:           rt.keep,
		Logger:         o.Logger,
		Observer: engineio.Observer{
			Closed: rt.closed,
			Pong:   rt.pong,
		},
	}
	if len(o.CORSOrigins) > 0 {
		engine.CORS = &engineio.CORS{Origins: o.CORSOrigins}
	}
	if o.Compress {
		engine.Compression = &websocket.Compression{}
		engine.InflatePerSecond = inflatePerSecond
	}
	rt.io = socketio.NewServer(socketio.Options{
		Engine: engine,
		Limits: o.Limits,
		Logger: o.Logger,

		ConnectTimeout:      o.ConnectTimeout,
		MaxPacketsPerSecond: o.MaxPacketsPerSecond,
		MaxRooms:            o.MaxRooms,
		MaxAuthBytes:        maxAuth,
		Recovery: &socketio.Recovery{
			ReplayRefused: true, // old pages never look at recovered
			Log:           rt.log(),
			Sessions:      sessionStore{o.Contest},
			Key:           o.Key,
			MaxMissed:     o.MaxMissed,
			MaxAge:        o.MaxAge,
			Now:           o.Now,
		},
	})
	rt.forwarder = newForwarder(o.Contest, o.Key, o.Now, rt.io)
	rt.process = rand.Text()[:12]
	rt.listen()
	ctx, cancel := context.WithCancel(context.Background())
	rt.cancel = cancel
	rt.work.Go(func() { rt.beat(ctx) })
	rt.work.Go(func() { rt.clean(ctx) })
	rt.work.Go(func() { rt.measure(ctx) })
	if shared, ok := o.Contest.Store.(contest.Shared); ok {
		rt.work.Go(func() { rt.report(ctx, shared) })
	}
	return rt
}

// farewell is how long a stop waits for clients to take their leave. Nobody is
// served meanwhile, and whoever is cut off recovers like everybody else: they
// were told before.
const farewell = 50 * time.Millisecond

// Publish delivers what was committed to the log since the last time. It is
// called after each commit that may have put something there.
func (rt *Realtime) Publish() {
	if _, shared := rt.o.Contest.Store.(contest.Shared); !shared { // else it is followed
		rt.publish()
	}
	rt.wake()
}

// publish has Socket.IO deliver what is in the log.
func (rt *Realtime) publish() {
	began := time.Now()
	if err := rt.io.Publish(); err != nil {
		// The log can be read again with the next commit; clients that come
		// back meanwhile read it themselves.
		rt.o.Logger.Error("publish events", "error", err)
	} else if f := rt.o.Observer.Delivered; f != nil {
		f(time.Since(began))
	}
}

// wake tells event streams that there may be something new.
func (rt *Realtime) wake() {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	close(rt.changed)
	rt.changed = make(chan struct{})
	rt.readings = make(map[uint64]*reading)
}

// changes returns the channel that is closed at the next publication.
func (rt *Realtime) changes() <-chan struct{} {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return rt.changed
}

// ServeHTTP serves Socket.IO. A request for a session of another machine is passed on
// to that, by this machine or by Fly's proxy; where that machine is gone its client
// learns that the session is gone.
func (rt *Realtime) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, passed := rt.forwarder.receive(r)
	if !passed && rt.elsewhere(w, r) {
		return
	}
	rt.io.ServeHTTP(w, r)
}

// limitBody sets the time in which the body of a request that is answered without reading it has to arrive: net/http
// waits for it before the answer leaves. The engine does the same for what it reads.
func (rt *Realtime) limitBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 && rt.o.BodyTimeout > 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(rt.o.BodyTimeout)) // not possible: then there is none
	}
}

// replayed reports whether Fly's proxy has sent a request on before. Such a one
// stays here, or it could go round for ever.
func replayed(r *http.Request) bool {
	return r.Header.Get("Fly-Replay-Src") != "" || r.Header.Get("Fly-Replay-Failed") != ""
}

func (rt *Realtime) pong(_ *engineio.Session, rtt time.Duration) {
	rt.latency.add(rtt)
	if f := rt.o.Observer.Pong; f != nil {
		f(rtt)
	}
}

// clean takes off the log what no client will be sent any more, and delivers what
// nobody published: a commit whose outcome was open, and so was answered as a
// failure, can turn out to count.
func (rt *Realtime) clean(ctx context.Context) {
	ticker := time.NewTicker(rt.o.CleanupInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := rt.o.Contest.Alone(ctx, "trim the event log", func(ctx context.Context) error {
			n, err := rt.o.Contest.TrimEvents(ctx, rt.o.Now().Add(-rt.o.MaxAge), rt.o.MaxMissed)
			rt.trimmed.Add(uint64(n))
			return err
		})
		if err != nil && ctx.Err() == nil {
			rt.o.Logger.Warn("clean the event log", "error", err)
		}
		rt.Publish()
	}
}

// announceGrace is how long Announce waits for clients between two polls.
const announceGrace = time.Second

// Announce tells every client of this machine that the server is about to stop: also those
// whose connection is busy, which would miss a volatile event, and those that
// are between two polls, for which it waits a second at most: everybody is served
// meanwhile.
func (rt *Realtime) Announce(ctx context.Context) error {
	rt.state.Store(stopping)
	err := rt.io.Of("/").Local().Emit("server-shutdown", map[string]any{
		"message":       "The server restarts; you will be connected again in a moment.",
		"gracePeriod":   rt.o.ShutdownGrace.Milliseconds(),
		"queueMessages": true,
	})
	ctx, cancel := context.WithTimeout(ctx, announceGrace)
	defer cancel()
	if left := rt.io.Engine().Flush(ctx); left > 0 {
		rt.o.Logger.Info("clients were not told of the stop: they no longer poll", "clients", left)
	}
	return err
}

// Shutdown ends all connections so that clients connect again, and saves their
// sessions. It returns when no goroutine is left or ctx ended.
func (rt *Realtime) Shutdown(ctx context.Context) error {
	rt.state.Store(stopping)
	rt.cancel()
	rt.Publish() // wakes the event streams, which end
	err := rt.io.Shutdown(ctx)
	rt.work.Wait()
	if failed := rt.register(nil); failed != nil {
		rt.o.Logger.Warn("tell the other machines that this one is gone", "error", failed)
	}
	rt.forwarder.close()
	rt.state.Store(stopped)
	return err
}
