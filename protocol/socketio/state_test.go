package socketio

import "testing"

// From every state but the terminal ones a socket can get to its end, and from those to
// nothing else.
func TestEveryStateOfASocketLeadsToAnEnd(t *testing.T) {
	for st := stateConnecting; st <= stateAborted; st++ {
		next := socketSuccessors[st]
		if st.mute() != (next == 0 || st == stateLeft) {
			t.Errorf("state %d: successors %b", st, next)
		}
		if next != 0 && next>>(st+1) == 0 {
			t.Errorf("state %d leads only backwards: %b", st, next)
		}
		if st.ended() && next&(1<<stateConnected) != 0 {
			t.Errorf("state %d comes back", st)
		}
	}
}

func TestAnIllegalChangeOfStateChangesNothing(t *testing.T) {
	s := new(Socket)
	if s.enter(stateConnected) || s.life() != stateConnecting {
		t.Error("connected without having joined")
	}
	if !s.enter(stateReplaying) || !s.enter(stateConnected) || s.enter(stateJoined) {
		t.Error("the way in")
	}
	if before, after := s.end(ReasonTransportClose); before != stateConnected || after != stateClosed {
		t.Error(before, after)
	}
	if before, after := s.end(ReasonServerDisconnect); before != after || s.reason != ReasonTransportClose {
		t.Error("it ended twice", s.reason)
	}
}

// A client may have acted on an answer before the server notes that it was sent.
func TestWhoLeavesWithAnAnswerWasConnected(t *testing.T) {
	for _, answered := range []bool{false, true} {
		s := &Socket{answered: answered}
		s.enter(stateJoined)
		_, after := s.end(ReasonTransportClose)
		if connected := s.enter(stateClosed); !after.ended() || connected != answered {
			t.Errorf("answered %v: %d, connected %v", answered, after, connected)
		}
	}
}
