package socketio

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// Refusal is why a session that a client offered was not taken up. It is told
// to the client in the answer to CONNECT, as "refused", which official clients
// pass over, counted in [Stats], and logged at debug level.
type Refusal string

// The refusals.
const (
	// RefusedTicket: the private id is none of ours, or of another key,
	// namespace or history of the log, as after a restore; or the offset that came
	// with it is no string.
	RefusedTicket Refusal = "bad_ticket"
	// RefusedDenied: the client left by itself, was disconnected, or sent an
	// invalid Engine.IO packet.
	RefusedDenied Refusal = "denied"
	// RefusedRecord: the session store could not be read.
	RefusedRecord Refusal = "record_unreadable"
	// RefusedExpired: the id was issued more than a day ago, and there is no
	// record of the session; with [SharedSessions] however old it is.
	RefusedExpired Refusal = "expired"
	// RefusedAhead: the client has had events that the log does not hold.
	RefusedAhead Refusal = "ahead_of_log"
	// RefusedLost: the client has had events that the log lost since, as in the
	// failover of a database.
	RefusedLost Refusal = "history_lost"
	// RefusedLog: the log could not be read.
	RefusedLog Refusal = "log_unreadable"
	// RefusedTrimmed: events that the client missed are no longer in the log.
	RefusedTrimmed Refusal = "gap_larger_than_log"
	// RefusedTooOld: it missed an event older than Recovery.MaxAge.
	RefusedTooOld Refusal = "too_old"
	// RefusedTooMany: it missed more than Recovery.MaxMissed events.
	RefusedTooMany Refusal = "too_many"
)

// refusals are all of them; counters.refused counts in this order.
var refusals = [...]Refusal{
	RefusedTicket, RefusedDenied, RefusedRecord, RefusedExpired, RefusedAhead, RefusedLost, RefusedLog,
	RefusedTrimmed, RefusedTooOld, RefusedTooMany,
}

// refusalCounts counts refusals by why.
type refusalCounts [len(refusals)]atomic.Uint64

func (c *refusalCounts) add(why Refusal) {
	for i, r := range refusals {
		if r == why {
			c[i].Add(1)
		}
	}
}

func (c *refusalCounts) load() map[Refusal]uint64 {
	counts := make(map[Refusal]uint64, len(refusals))
	for i, r := range refusals {
		counts[r] = c[i].Load()
	}
	return counts
}

// tooMuch reports whether the session can be followed by a new one that begins
// with the newest of the events that the client missed.
func (why Refusal) tooMuch() bool {
	switch why {
	case RefusedExpired, RefusedTrimmed, RefusedTooOld, RefusedTooMany:
		return true
	}
	return false
}

// passing reports whether the session may well be taken up later, or at another server
// of a cluster.
func (why Refusal) passing() bool { return why == RefusedLog || why == RefusedRecord }

// refused counts and logs a refusal. Ids stay out of the log.
func (p *publisher) refused(s *Socket, why Refusal, t ticket, after uint64) {
	p.server.stats.refused.add(why)
	attrs := []any{"socket", s, "reason", string(why)}
	if !t.issued.IsZero() {
		attrs = append(attrs, "session_age", p.now().Sub(t.issued).Round(time.Second), "began_at", t.begin.offset)
	}
	if last := p.last.Load(); after > 0 {
		attrs = append(attrs, "offset", after, "log_end", last, slog.Int64("behind", int64(last)-int64(after)))
	}
	p.server.opts.Logger.Debug("socket.io recovery: a session was not taken up", attrs...)
}
