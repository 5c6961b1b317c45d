package socketio

import (
	"context"
	"net/http"
	"time"

	"podium/protocol/budget"
	"podium/protocol/engineio"
)

// conn is what Socket.IO needs of an Engine.IO session. All methods are safe
// for concurrent use and none blocks.
type conn interface {
	ID() string
	// Protocol is the Engine.IO protocol, 4 or 3.
	Protocol() int
	// Send queues the messages next to each other.
	Send(ms ...*engineio.Message) error
	// Post is Send for broadcasts: the writing may happen a moment later, with
	// what else is posted by then.
	Post(ms ...*engineio.Message) error
	// SendText sends one text message whose payload is the parts together. It
	// keeps none of them.
	SendText(parts ...[]byte) error
	// Writable reports whether a message would leave at once.
	Writable() bool
	// Buffered is the number of bytes that wait to leave.
	Buffered() int
	// Pause stops taking messages from the client, until Resume was called as often.
	Pause()
	Resume()
	// Charge opens a charge for what is kept of the client's packets.
	Charge(evict func()) *budget.Charge
	// Close ends the session after what was sent.
	Close()
	Request() requestInfo
	// Context has the values of the context of the request.
	Context() context.Context
}

// requestInfo is the request that opened a session, as the handshake shows it.
type requestInfo struct {
	Header  http.Header
	URL     string
	Address string
	Secure  bool
	Time    time.Time
}
