package socketio

import "sync/atomic"

// counters count what happened since the server was made.
type counters struct {
	attempts, recovered, replayed, superseded, dropped atomic.Uint64
	refused                                            refusalCounts
	deadLetters                                        atomic.Uint64
	tooFast, tooManyRooms, tooLargeAuth                atomic.Uint64
	tooManyNamespaces                                  atomic.Uint64
}

// Stats says what recovery did and what limits refused since the server was
// made.
type Stats struct {
	Attempts   uint64             // CONNECT packets that offered a session
	Recovered  uint64             // sessions taken up
	Superseded uint64             // older connections closed by a newer one with their session
	Replayed   uint64             // events sent again or late
	Dropped    uint64             // events that clients missed and did not get, being beyond the limits
	Refused    map[Refusal]uint64 // sessions offered and not taken up, by why; every reason is in it

	DeadLetters uint64 // entries of the log that could not be delivered and were passed over

	TooFast      uint64 // connections closed for Options.MaxPacketsPerSecond
	TooManyRooms uint64 // rooms not joined for Options.MaxRooms
	TooLargeAuth uint64 // requests to join refused for Options.MaxAuthBytes

	TooManyNamespaces uint64 // requests to join refused for Options.MaxNamespaces
}

// Stats returns the counters; [Namespace.Stats] has those by event and room. Safe for concurrent use.
func (srv *Server) Stats() Stats {
	c := &srv.stats
	return Stats{
		Attempts: c.attempts.Load(), Recovered: c.recovered.Load(), Superseded: c.superseded.Load(),
		Replayed: c.replayed.Load(), Dropped: c.dropped.Load(),
		Refused: c.refused.load(), DeadLetters: c.deadLetters.Load(),
		TooFast: c.tooFast.Load(), TooManyRooms: c.tooManyRooms.Load(), TooLargeAuth: c.tooLargeAuth.Load(),
		TooManyNamespaces: c.tooManyNamespaces.Load(),
	}
}
