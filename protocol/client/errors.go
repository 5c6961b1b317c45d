package client

import (
	"context"
	"errors"

	"podium/protocol/socketio/parser"
)

// Reason says why a socket was disconnected, by the official names.
// (Socket.IO client API, "disconnect")
type Reason string

// The reasons.
const (
	ReasonServerDisconnect Reason = "io server disconnect" // the server put the socket out: it does not connect again by itself
	ReasonClientDisconnect Reason = "io client disconnect" // Disconnect or Close was called
	ReasonPingTimeout      Reason = "ping timeout"         // the server was silent for longer than its heartbeat allows
	ReasonTransportClose   Reason = "transport close"      // the server closed the connection
	ReasonTransportError   Reason = "transport error"      // the connection broke
	ReasonParseError       Reason = "parse error"          // the server sent an invalid packet
)

// Errors of connecting.
var (
	// ErrTimeout is wrapped where a connection was not open within Options.Timeout. It is
	// a [context.DeadlineExceeded] too.
	ErrTimeout error = timeoutError{}
	// ErrOldServer is wrapped where the server speaks the protocol of Socket.IO 2.x: see
	// Options.EIO3.
	ErrOldServer = errors.New("client: the server speaks the protocol of Socket.IO 2.x: set EIO3")
)

// timeoutError is ErrTimeout, with the official text.
type timeoutError struct{}

func (timeoutError) Error() string        { return "timeout" }
func (timeoutError) Timeout() bool        { return true }
func (timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// Errors of sending and of acknowledgements.
var (
	// ErrDisconnected: the socket was disconnected before the acknowledgement came, or
	// will not connect.
	ErrDisconnected = errors.New("client: socket has been disconnected")
	// ErrClosed: the Manager was closed.
	ErrClosed = errors.New("client: closed")
	// ErrAckTimeout is wrapped where the acknowledgement did not come before the context
	// or the timeout ended.
	ErrAckTimeout = errors.New("client: no acknowledgement in time")
	// ErrReservedEvent: the event's name is one that only the library reports.
	ErrReservedEvent = errors.New("client: event name is reserved")
	// ErrDropped: a volatile event could not leave at once.
	ErrDropped = errors.New("client: volatile event was dropped")
	// ErrNoAck is returned by Event.Ack where the server asked for no acknowledgement.
	ErrNoAck = errors.New("client: no acknowledgement was asked for")
	// ErrAcked is returned by Event.Ack where one was sent before.
	ErrAcked = errors.New("client: already acknowledged")
)

// ConnectError is the server's refusal of a socket (CONNECT_ERROR). The socket does not
// connect again by itself.
type ConnectError struct {
	Namespace string
	Message   string
	Data      parser.Value // further details; not Present where there are none
}

// Error implements error.
func (e *ConnectError) Error() string { return e.Message }

// Error is an error that a handler of [OnAck] returns for the server to see.
type Error struct {
	Message string
	Data    any // further details, nil for none
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }
