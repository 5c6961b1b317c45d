package socketio

import "errors"

// Reason says why a socket disconnected, by the official names.
// (Socket.IO server API, "disconnect")
type Reason string

// The reasons that a server gives.
const (
	ReasonTransportError   Reason = "transport error"             // the connection broke
	ReasonTransportClose   Reason = "transport close"             // the peer closed the connection, or vanished in an orderly way
	ReasonForcedClose      Reason = "forced close"                // the peer sent an invalid packet or one out of place, or the Engine.IO session was closed
	ReasonPingTimeout      Reason = "ping timeout"                // no pong within the ping timeout
	ReasonParseError       Reason = "parse error"                 // the peer sent an invalid Engine.IO packet
	ReasonServerShutdown   Reason = "server shutting down"        // Shutdown was called
	ReasonForcedServer     Reason = "forced server close"         // the peer exceeded a limit, or joined no namespace in time
	ReasonClientDisconnect Reason = "client namespace disconnect" // the peer left the namespace by itself
	ReasonServerDisconnect Reason = "server namespace disconnect" // Disconnect was called
)

// recoverable reports whether a client that fell off for this reason may
// recover its session, as the official server has it. One that left by itself,
// was put out or sent what is no Engine.IO packet may not.
func (r Reason) recoverable() bool {
	switch r {
	case ReasonClientDisconnect, ReasonServerDisconnect, ReasonParseError:
		return false
	}
	return true
}

// Errors of sending.
var (
	// ErrDisconnected is returned where the socket is no longer connected.
	ErrDisconnected = errors.New("socketio: socket is disconnected")
	// ErrReservedEvent is returned by Emit for names such as "connect" that
	// only the library reports.
	ErrReservedEvent = errors.New("socketio: event name is reserved")
	// ErrServerClosed is returned after Shutdown.
	ErrServerClosed = errors.New("socketio: server is closed")
)

// DisconnectError is the cause with which [Socket.Context] ends. It wraps
// [ErrDisconnected].
type DisconnectError struct {
	Reason Reason
}

// Error implements error.
func (e *DisconnectError) Error() string { return ErrDisconnected.Error() + ": " + string(e.Reason) }

// Unwrap returns ErrDisconnected.
func (e *DisconnectError) Unwrap() error { return ErrDisconnected }

// Errors of acknowledgements.
var (
	// ErrAckTimeout is wrapped by the error of EmitWithAck where not every
	// answer came before the context or the timeout ended.
	ErrAckTimeout = errors.New("socketio: no acknowledgement in time")
	// ErrNoAck is returned by Event.Ack where the peer asked for no
	// acknowledgement.
	ErrNoAck = errors.New("socketio: no acknowledgement was asked for")
	// ErrAcked is returned by Event.Ack where an acknowledgement was sent
	// before.
	ErrAcked = errors.New("socketio: already acknowledged")
)

// Error is an error whose text is meant for the peer: as CONNECT_ERROR where
// namespace middleware returns it, or in the acknowledgement where a handler
// does. Other errors returned by handlers reach the peer as "internal error".
type Error struct {
	Message string
	Data    any // further details, nil for none
}

// Error returns the message. Of a nil *Error, which is an error nonetheless where it
// is returned as one, it says no more than that there is one.
func (e *Error) Error() string {
	if e == nil {
		return internalError
	}
	return e.Message
}
