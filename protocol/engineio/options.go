package engineio

import (
	"log/slog"
	"net/http"
	"time"

	"podium/protocol/budget"
	"podium/protocol/websocket"
)

// The names of the transports, as requests give them.
const (
	TransportPolling   = "polling"
	TransportWebSocket = "websocket"
)

// Options configures a Server. The zero value is useful and has the defaults
// of the official server.
type Options struct {
	// PingInterval is how often a client is pinged. Zero means 25 s.
	PingInterval time.Duration
	// PingTimeout is how long it has to answer. Zero means 20 s.
	PingTimeout time.Duration
	// MaxPayload bounds what a client may send: the body of a POST (413 beyond) and
	// a WebSocket message (closed beyond), in bytes. Zero means 1,000,000.
	MaxPayload int64
	// BodyTimeout is how long the body of a request may take to arrive, and a message
	// over WebSocket; a session for which that takes longer ends. Zero means 30 s;
	// negative, for ever.
	BodyTimeout time.Duration
	// Memory, when set, is charged with what is kept of messages and bodies while they
	// arrive, and with what waits for a client that does not take it: what one alone
	// keeps is charged whole, and what is sent to many a part to each of them. A
	// session that has to make room for others ends.
	Memory *budget.Share
	// MaxIdlePackets bounds, for each client, the packets a second that are no
	// messages, such as pongs and noops; ten seconds of it may come at once. Beyond
	// it the session ends: a payload holds hundreds of thousands of them, which cost
	// the client next to nothing. Zero means no bound, as in the official server.
	MaxIdlePackets float64
	// UpgradeTimeout is how long an upgrade may take before its WebSocket is closed
	// and the session goes on polling; where the WebSocket has not answered a ping by
	// then and a poll waits, the session ends. Zero means 10 s.
	UpgradeTimeout time.Duration
	// ShutdownGrace is how long Shutdown waits for clients to take what was sent to
	// them: for polling clients to fetch it, and for WebSocket close handshakes. Then
	// they are cut. Zero means 500 ms.
	ShutdownGrace time.Duration

	// CloseTimeout is how long a closing session waits for the client to take what
	// is queued, unless the heartbeat ends it before. Zero means 30 s.
	CloseTimeout time.Duration
	// ParkAfter is how long a poll waits before its connection is taken from
	// net/http, see parking.go, so that it holds no goroutine any more. Zero means
	// 500 ms; negative, that polls wait in their handlers.
	ParkAfter time.Duration
	// DirectPolls lets the engine read, on the connections of parked polls, the polls and
	// POSTs of the same session itself, without net/http, where they say the same as one
	// before that came through all handlers: the same path, query (but for "t"), address
	// and header fields. Such a request is answered with the header fields that the
	// handlers, and Headers, have set for that one, and passes none of them: middleware
	// that counts or logs requests, limits them, changes its mind about a cookie, or sets
	// a field anew for each answer, must not be in front. All others go through
	// everything. The default is off, because middleware of net/http may expect to see
	// each request. It needs Linux, polls that are parked, and HTTP/1.1 without TLS on
	// plain TCP connections.
	DirectPolls bool
	// Transports that clients may use. Nil means polling and WebSocket. Foreign ones,
	// such as "webtransport", are named here too (see Upgrader): clients that poll are told
	// of all.
	Transports []string
	// AllowEIO3 lets clients of protocol 3 in too (Socket.IO 2 and older).
	AllowEIO3 bool
	// NoUpgrades keeps sessions on the transport they began with.
	NoUpgrades bool
	// MaxQueuedBytes bounds what waits for one client. A client that exceeds it is
	// disconnected: a broadcast must not wait for the slowest. One message may be
	// larger, and five times as much may wait for a client that polls, until it has
	// not come back for five seconds: what is sent at once leaves as it polls. Zero
	// means 4 MiB.
	MaxQueuedBytes int
	// MaxSessions bounds the open sessions; handshakes beyond it are answered with
	// 503. Zero means no bound.
	MaxSessions int
	// MaxUnused bounds the long-polling sessions whose client made no request after
	// the handshake: the newest are kept, so that a flood of handshakes costs a
	// bounded amount of memory, and a client that is there is not hurt as long as it
	// comes back within that many handshakes. Zero means 16,384; negative, no bound.
	MaxUnused int
	// Compression turns permessage-deflate on. Nil, the default, leaves it off.
	Compression *websocket.Compression
	// InflatePerSecond bounds how many bytes a second the messages of one address (IPv6:
	// /64, with two and four times as many for a /56 and a /48) become by inflating,
	// beyond those that arrived; eight seconds of it may come at once, all addresses
	// together have sixteen times as much, and messages of up to 1 KiB are not counted.
	// Who goes beyond it is read later: a small frame can become a megabyte, and all
	// others on the loop wait for what is done with that. Zero means 1 MiB; negative, no
	// bound.
	InflatePerSecond int64
	// HTTPCompression is the size in bytes from which polls are answered with gzip
	// or deflate where the client takes it. Zero means 1024; negative turns it off.
	HTTPCompression int
	// Cookie, when set, is sent with a handshake over long-polling, with the session
	// id for value, so that a router can send what follows to the same machine. An
	// empty Path means "/"; an unset SameSite means Lax; HttpOnly is as it is given.
	Cookie *http.Cookie
	// CookieWithoutPath leaves an empty Path of Cookie out, as path: false does in the
	// official server: browsers then send it to paths beside the handshake's.
	CookieWithoutPath bool
	// CORS, when set, answers cross-origin requests and decides which origins may
	// open a WebSocket.
	CORS *CORS
	// AllowRequest judges a handshake. An *Error is answered as it is; any other
	// error with ErrForbidden's code and its own text.
	AllowRequest func(*http.Request) error
	// AllowPoll, when set, judges a poll that has to wait. One that is refused is
	// answered with 503 and ends its session. For each that is allowed,
	// Observer.PollEnded is called once. It must not block and may be called
	// concurrently.
	AllowPoll func(*Session) bool
	// AllowPost, when set, judges a POST that is read directly (see DirectPolls), where
	// handlers in front would judge others: one that is refused goes through them. It
	// must not block and may be called concurrently.
	AllowPost func(*Session) bool
	// Keep, when set, returns the request of which URL, address, headers and context
	// are kept as long as the session lives. It must not change the one it is given.
	// Nil keeps them as they came: headers may have kilobytes, and a context holds
	// whatever middleware put there. r.WithContext(context.Background()) drops that,
	// and a new request all. It must be dropped where the context is used again for other
	// requests, as by fasthttp's adaptor and so Fiber's.
	Keep func(*http.Request) *http.Request
	// InitialHeaders may change the headers of a handshake's answer, over both
	// transports.
	InitialHeaders func(http.Header, *http.Request)
	// Headers may change the headers of every answer that belongs to a session: a
	// handshake's (after InitialHeaders), a poll's, a POST's, and that of a WebSocket
	// that a session upgrades to. Refusals and preflight answers are none of them.
	Headers func(http.Header, *http.Request)
	// NewID, when set, makes the ids of sessions: 1 to 128 letters, digits, - and _.
	// They must be unique and hard to guess: who knows one can take its session over.
	// A handshake for which it returns an error, or an id in use, is refused with
	// ErrBadRequest. Nil makes 20 random characters.
	NewID func(*http.Request) (string, error)
	// NodeID, when set, begins every session id, so that a router can send polls to
	// the machine that holds the session. See NodeOf.
	NodeID string
	// Loops is websocket.Options.Loops.
	Loops int
	// Observer is told what happens, for metrics. All fields may be nil.
	Observer Observer
	// Logger is told of what an operator should know. Nil means slog.Default().
	Logger *slog.Logger
}

// Observer has functions that are called, on the goroutine where it happens,
// when a session opens, ends, moves to WebSocket, answers a ping or has been sent all
// that waited for it, and when a poll that AllowPoll allowed ends. They must not block and may be called concurrently.
// For each session Opened is called first and Closed last, once.
type Observer struct {
	Opened   func(*Session)
	Closed   func(*Session, Reason)
	Upgraded func(*Session)
	Pong     func(*Session, time.Duration) // the round trip of the ping; protocol 4 only
	Refused  func(*http.Request, *Error)   // valid during the call only

	// Heartbeat is called when the client has done its part of the heartbeat: a pong, or
	// in protocol 3, where there is no round trip to measure, a ping.
	Heartbeat func(*Session)

	// Received is called for each message from the client, with its size in bytes,
	// before the receiver gets it. It may pause the session.
	Received func(*Session, int)

	// Drained is called when all that waited for the client has left: it was written to
	// the WebSocket, or answered to a poll, and [Session.Buffered] is 0 unless something
	// was sent since. Who sends much to one client waits for it between two pieces. What
	// a WebSocket takes at once does not wait, and is not told of.
	Drained func(*Session)

	PollEnded func(*Session)
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

func (o Options) withDefaults() Options {
	o.PingInterval = or(o.PingInterval, 25*time.Second)
	o.PingTimeout = or(o.PingTimeout, 20*time.Second)
	o.MaxPayload = or(o.MaxPayload, 1_000_000)
	o.BodyTimeout = or(o.BodyTimeout, 30*time.Second)
	o.UpgradeTimeout = or(o.UpgradeTimeout, 10*time.Second)
	o.CloseTimeout = or(o.CloseTimeout, 30*time.Second)
	o.ShutdownGrace = or(o.ShutdownGrace, 500*time.Millisecond)
	o.MaxQueuedBytes = or(o.MaxQueuedBytes, 4<<20)
	o.ParkAfter = or(o.ParkAfter, 500*time.Millisecond)
	o.MaxUnused = or(o.MaxUnused, 16<<10)
	o.InflatePerSecond = or(o.InflatePerSecond, 1<<20)
	o.HTTPCompression = or(o.HTTPCompression, 1024)
	if o.Transports == nil {
		o.Transports = []string{TransportPolling, TransportWebSocket}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}
