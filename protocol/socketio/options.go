package socketio

import (
	"log/slog"
	"time"

	"podium/protocol/engineio"
	"podium/protocol/limits"
)

// Options configure a [Server]. The zero value is a server as the official
// one is by default, without recovery.
type Options struct {
	// Engine configures the connections below: transports, heartbeat, limits,
	// CORS, cookies.
	Engine engineio.Options
	// Parser encodes and decodes packets. Nil means JSONParser{}.
	Parser Parser
	// ConnectTimeout closes connections that have joined no namespace by then.
	// Zero means 45 s, negative never.
	ConnectTimeout time.Duration
	// CleanupEmptyChildNamespaces removes a namespace that belongs to a pattern or
	// function when its last socket leaves, whether it was made for a client or by
	// [Server.Of]. What was registered on it goes with it.
	CleanupEmptyChildNamespaces bool
	// MaxPendingBytes bounds the events of one socket that wait for its
	// handlers, each counted with 256 bytes more than it has. While more wait, its
	// connection is not read (see engineio.Session.Pause): over WebSocket the
	// client's messages wait at the client, over long-polling its POST waits for the
	// answer. One batch that was read already may exceed it. Zero means 4 MiB,
	// negative no bound.
	MaxPendingBytes int
	// MaxPacketsPerSecond bounds the packets that one connection may send on
	// average: events, acknowledgements and requests to join. Ten seconds'
	// worth may come at once. A connection that sends more is closed. Zero
	// means no bound.
	MaxPacketsPerSecond float64
	// MaxRooms bounds the rooms of one socket besides its own. Joining more is
	// reported to OnError as [ErrTooManyRooms] and not done. Zero means no
	// bound.
	MaxRooms int
	// MaxNamespaces bounds the namespaces that one connection is in at a time, those
	// that it waits for included. A request for more is refused with a CONNECT_ERROR.
	// Zero means no bound.
	MaxNamespaces int
	// MaxAuthBytes bounds the payload with which a client joins a namespace: it
	// is kept as long as the socket. A larger one is refused with a
	// CONNECT_ERROR. Zero means no bound but the engine's MaxPayload.
	MaxAuthBytes int
	// Limits bounds what the clients of each address, and all together, may ask for:
	// see package limits. Nil means no bound.
	Limits *limits.Limits
	// Recovery lets clients that fell off take up where they were. Nil turns
	// it off.
	Recovery *Recovery
	// Cluster joins this server with others: it is given what they shall know of
	// this one, and hands messages and the leaving of others to node. Nil means that
	// the server is alone.
	Cluster func(self Member, node Node) (Cluster, error)
	// Address is the URL at which the other servers of the cluster reach this one,
	// such as "http://10.0.0.5:3000/socket.io/".
	Address string
	// OnError is told of errors that concern one socket and that no caller
	// waits for: a [*HandlerError] where something that the application registered
	// failed or panicked, and limits that were exceeded and packets out of place
	// besides. A refusal by namespace middleware that is an [*Error] is none. Nil
	// means that they are logged: at level warn where a handler or middleware
	// returned an error that is no *Error, else at debug. Panics are logged in any
	// case, with their stack. It must not block.
	OnError func(s *Socket, err error)
	// AckError returns the arguments of the acknowledgement for an event that
	// could not be handled, where the peer waits for one. Nil means one argument,
	// {"error": message, "data": …}: of an [*Error] in h, or "internal error".
	AckError func(h *HandlerError) []any
	// Logger takes what an operator should know. Nil means slog.Default().
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Parser == nil {
		o.Parser = JSONParser{}
	}
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = 45 * time.Second
	}
	if o.MaxPendingBytes == 0 {
		o.MaxPendingBytes = 4 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}
