package socketio

import "podium/protocol/budget"

// Events that wait for handlers, or are in one, are charged in pages of pendingPage
// bytes when a socket has more than pendingFrom of them.
const (
	pendingPage = 16 << 10
	pendingFrom = 16 << 10
)

// tally is what is charged for events of a socket. Socket.mu guards it.
type tally struct {
	charge  *budget.Charge
	charged int
}

// count charges that the events take bytes now. Where there is no memory for them the
// connection ends. s.mu must be held.
func (t *tally) count(s *Socket, bytes int) {
	srv := s.client.server
	want := 0
	if bytes > pendingFrom && srv.opts.Engine.Memory != nil {
		want = (bytes + pendingPage - 1) / pendingPage * pendingPage
	}
	noMemory := func() { srv.workers.start(func() { s.client.fail(errNoMemory) }) }
	switch {
	case want > t.charged:
		if t.charge == nil {
			t.charge = s.client.conn.Charge(noMemory)
		}
		tight, err := t.charge.Claim(int64(want - t.charged))
		t.charged = want // also where it is not: it is asked for once
		switch {
		case err != nil:
			noMemory()
		case tight:
			srv.relief.Start(srv.workers.start, t.charge)
		}
	case want == 0 && t.charge != nil:
		t.charge.Close()
		*t = tally{}
	case want < t.charged-2*pendingPage:
		t.charge.Progress(int64(t.charged - want)) // the client's handlers took it
		t.charge.Free(int64(t.charged - want))
		t.charged = want
	}
}
