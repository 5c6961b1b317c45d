package engineio

// state is where a session is in its life. Only Session.enter changes it.
type state uint8

const (
	// opening: the handshake is being answered. → polling, onWebSocket, onForeign, closed
	opening state = iota
	// polling: packets wait in the queue for a poll. → upgrading, closing, closed
	polling
	// upgrading: still polling, while another connection has been probed and has yet to
	// say that the client is ready. → polling (the probe failed), onWebSocket, onForeign,
	// closing, closed
	upgrading
	// onWebSocket: packets go straight to the connection. → closing, closed
	onWebSocket
	// onForeign: packets go to the queue of a foreign connection. → closing, closed
	onForeign
	// closing: the server wants to end the session after what is queued; nothing
	// more is accepted. → closed
	closing
	// closed: out of the registry. Terminal.
	closed
)

// successors holds the legal changes of state, as sets of bits.
var successors = [...]uint8{
	opening:     1<<polling | 1<<onWebSocket | 1<<onForeign | 1<<closed,
	polling:     1<<upgrading | 1<<closing | 1<<closed,
	upgrading:   1<<polling | 1<<onWebSocket | 1<<onForeign | 1<<closing | 1<<closed,
	onWebSocket: 1<<closing | 1<<closed,
	onForeign:   1<<closing | 1<<closed,
	closing:     1 << closed,
	closed:      0,
}

// enter moves the session to next and reports whether that is legal; where it
// is not, nothing changes. s.mu must be held.
func (s *Session) enter(next state) bool {
	if successors[s.state]&(1<<next) == 0 {
		return false
	}
	s.state = next
	return true
}
