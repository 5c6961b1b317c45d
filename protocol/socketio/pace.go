package socketio

import (
	"errors"
	"podium/protocol/socketio/parser"
	"time"
)

// Limits that one socket or connection exceeded, as OnError is told.
var (
	// ErrTooFast: the connection sent more packets than
	// Options.MaxPacketsPerSecond and was closed.
	ErrTooFast = errors.New("socketio: too many packets a second")
	// ErrTooManyRooms: the socket was in Options.MaxRooms rooms already.
	ErrTooManyRooms = errors.New("socketio: too many rooms")
)

// paceBurst is how much of its bound a connection may send at once.
const paceBurst = 10 * time.Second

// pace bounds a rate with one number: the moment at which a peer that had kept
// to the bound would have sent what it has sent. It may be paceBurst ahead of
// the clock. (The generic cell rate algorithm, ITU-T I.371)
type pace struct{ due time.Duration } // since the server was made

// leaving is what leaving a namespace counts for, in packets: whoever leaves
// joins again, which makes a socket, its id and its session, and nobody honest
// does it often. Of a low bound it takes a tenth of the burst at most.
const leaving = 10

// allows counts one more packet and reports whether the bound is kept. A bound
// of 0 always is. started is when the server was made.
func (p *pace) allows(started time.Time, t parser.PacketType, perSecond float64) bool {
	if perSecond <= 0 {
		return true
	}
	now := time.Since(started) // by the monotonic clock: the wall clock may be set back
	step := time.Duration(float64(time.Second) / perSecond)
	if t == parser.Disconnect {
		step = max(step, min(leaving*step, paceBurst/10))
	}
	due := max(p.due, now) + step
	if due > now+paceBurst {
		return false
	}
	p.due = due
	return true
}

// tooFast closes a connection that exceeds the bound.
func (c *client) tooFast() {
	if c.ended() {
		return // the rest of what it had sent
	}
	c.server.stats.tooFast.Add(1)
	for _, s := range c.list() {
		if s.life() != stateConnecting { // those the application does not know
			s.report(ErrTooFast)
		}
	}
	c.close(ReasonForcedServer)
}
