package socketio

// socketState is where a socket is in its life. Only Socket.enterLocked changes it.
type socketState uint32

const (
	// stateConnecting: its session is looked for and middleware decides.
	// → joined, replaying, aborted
	stateConnecting socketState = iota
	// stateJoined: broadcasts find it, while the answer to CONNECT is being sent; what
	// is emitted is held back behind that. → connected, expelling, left, aborted
	stateJoined
	// stateReplaying: joined, with events to be sent that it missed: volatile ones are
	// dropped meanwhile. → connected, expelling, aborted
	stateReplaying
	// stateConnected: what is emitted goes straight to the connection. → expelled, closed
	stateConnected
	// stateExpelling: the server has put it out while the answer was being sent: that and
	// what is held back still go to the client. → expelled, dismissed
	stateExpelling
	// stateExpelled: the server has put it out: the client is yet to be told, and events
	// that came from it are dropped. → dismissed
	stateExpelled
	// stateDismissed: put out, and the client knows, or has left by itself: nothing is
	// sent any more. Terminal.
	stateDismissed
	// stateLeft: its connection ended or its client left when the answer had been sent, and
	// before everything behind that was: the client may have acted on it, so that handlers
	// hear of it and of what it sent. → closed
	stateLeft
	// stateClosed: its connection ended or its client left after it was connected; events
	// that came before are still handled. Terminal.
	stateClosed
	// stateAborted: it ended before it had its answer, and what it missed: handlers never
	// hear of it. Terminal.
	stateAborted
)

// socketSuccessors holds the legal changes of state, as sets of bits.
var socketSuccessors = [...]uint16{
	stateConnecting: 1<<stateJoined | 1<<stateReplaying | 1<<stateAborted,
	stateJoined:     1<<stateConnected | 1<<stateExpelling | 1<<stateLeft | 1<<stateAborted,
	stateReplaying:  1<<stateConnected | 1<<stateExpelling | 1<<stateAborted,
	stateConnected:  1<<stateExpelled | 1<<stateClosed,
	stateExpelling:  1<<stateExpelled | 1<<stateDismissed,
	stateExpelled:   1 << stateDismissed,
	stateDismissed:  0,
	stateLeft:       1 << stateClosed,
	stateClosed:     0,
	stateAborted:    0,
}

// joining reports whether the answer to CONNECT is being sent.
func (st socketState) joining() bool { return st == stateJoined || st == stateReplaying }

// ended reports whether the socket is out of its namespace, or about to be.
func (st socketState) ended() bool { return st > stateConnected }

// mute reports whether nothing may be sent to the socket any more.
func (st socketState) mute() bool { return st >= stateDismissed }

// life returns the state of the socket. It may have changed when it is looked at: what
// must not be overtaken by a change holds Socket.mu, or Socket.ending where the change is
// the socket's end.
func (s *Socket) life() socketState { return socketState(s.state.Load()) }

// enter moves the socket to next and reports whether that is legal; where it is not,
// nothing changes.
func (s *Socket) enter(next socketState) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.enterLocked(next)
}

// enterLocked is enter where Socket.mu is held.
func (s *Socket) enterLocked(next socketState) bool {
	if socketSuccessors[s.life()]&(1<<next) == 0 {
		return false
	}
	s.state.Store(uint32(next))
	return true
}

// end moves the socket to the state that its end for a reason means. It returns the
// states before and after, which are the same where it had ended already.
func (s *Socket) end(reason Reason) (before, after socketState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before = s.life()
	if before.ended() {
		return before, before
	}
	putOut := reason == ReasonServerDisconnect || reason == ReasonForcedServer
	switch {
	case putOut && before == stateConnected:
		after = stateExpelled
	case putOut && before.joining():
		after = stateExpelling
	case before == stateConnected:
		after = stateClosed
	case before == stateJoined && s.answered:
		after = stateLeft
		s.dropHeldLocked()
	default:
		after = stateAborted
		s.dropHeldLocked()
	}
	s.reason = reason
	s.enterLocked(after)
	return before, after
}
