package socketio

import (
	"slices"
	"sync/atomic"
	"testing"
)

// A connection breaks, and the client is back before the old one has closed.
func TestASessionIsTakenUpWithWhatTheClosingSocketHad(t *testing.T) {
	srv := recoveryServer(t, &diskLog{epoch: "e"}, nil)
	n := srv.Of("/")
	closing, goOn := make(chan struct{}), make(chan struct{})
	n.OnDisconnecting(func(s *Socket, _ Reason) {
		if !s.Recovered() {
			close(closing)
			<-goOn
		}
	})
	b := &browser{t: t, name: "b"}
	b.connect(srv)
	b.w.until(t, "CONNECT", func() bool { return len(b.w.received) > 0 })
	b.read()
	n.Socket(b.sid).Join("room")
	b.w.drop()
	wait(t, closing)
	b.connect(srv)
	answered := func() bool { return len(b.w.received) > 0 }
	eventually(t, "an answer, or waiting for the old socket", func() bool {
		b.w.mu.Lock()
		defer b.w.mu.Unlock()
		return answered() || waitsForLock("(*publisher).resume")
	})
	close(goOn)
	b.w.until(t, "CONNECT", answered)
	b.read()
	eventually(t, "the socket", func() bool { s := n.Socket(b.sid); return s != nil && s.Recovered() })
	if s := n.Socket(b.sid); b.recovered != 1 || !slices.Equal(s.Rooms(), []string{b.sid, "room"}) {
		t.Errorf("%d recoveries, rooms %v", b.recovered, s.Rooms())
	}
}

// slowData takes its time to marshal.
type slowData struct {
	begun *atomic.Int32
	goOn  chan struct{}
}

func (d slowData) MarshalJSON() ([]byte, error) {
	d.begun.Add(1)
	<-d.goOn
	return []byte("1"), nil
}

// A client connects twice before the first connection with its session is closed.
func TestOfThreeConnectionsWithOneSessionTheNewestHasItsRooms(t *testing.T) {
	srv := recoveryServer(t, &diskLog{epoch: "e"}, nil)
	n := srv.Of("/")
	b := &browser{t: t, name: "b"}
	b.connect(srv)
	b.w.until(t, "CONNECT", func() bool { return len(b.w.received) > 0 })
	b.read()
	d := slowData{new(atomic.Int32), make(chan struct{})}
	n.Socket(b.sid).Join("room")
	n.Socket(b.sid).SetData(d)
	b.connect(srv)
	eventually(t, "the second remembers the first", func() bool { return d.begun.Load() == 1 })
	b.connect(srv)
	answered := func() bool { return len(b.w.received) > 0 }
	eventually(t, "an answer, or remembering the first", func() bool {
		b.w.mu.Lock()
		defer b.w.mu.Unlock()
		return answered() || d.begun.Load() == 2
	})
	close(d.goOn)
	b.w.until(t, "CONNECT", answered)
	b.read()
	third := b.w.client
	eventually(t, "the socket", func() bool { s := n.Socket(b.sid); return s != nil && s.client == third })
	if s := n.Socket(b.sid); b.recovered != 1 || !slices.Equal(s.Rooms(), []string{b.sid, "room"}) {
		t.Errorf("%d recoveries, rooms %v", b.recovered, s.Rooms())
	}
}
