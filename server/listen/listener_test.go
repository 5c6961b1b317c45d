package listen

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// manyConns is a listener to which everybody comes at once.
type manyConns struct{ net.Listener }

func (manyConns) Accept() (net.Conn, error) { return nil, nil }

func TestNewcomersWaitForAPlaceForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		l := &closable{Listener: manyConns{}, full: full.Load}
		accept := func(want time.Duration) {
			t.Helper()
			began := time.Now()
			if _, err := l.Accept(); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < want || took > want+2*roomStep {
				t.Errorf("it took %v, want %v", took, want)
			}
		}
		accept(0)
		full.Store(true)
		time.AfterFunc(roomWait/2, func() { full.Store(false) })
		accept(roomWait / 2)
		full.Store(true)
		accept(roomWait) // nobody leaves: who comes is sent away
		accept(0)
		full.Store(false)
		accept(0)
		full.Store(true)
		time.AfterFunc(roomWait/4, func() { full.Store(false) })
		accept(roomWait / 4) // and waits again when there was room meanwhile
	})
}

// What the system has accepted when a server stops is served, and not reset.
func TestConnectionsThatWaitAreAcceptedBeforeAnEnd(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &closable{Listener: socket}
	const waiting = 5
	var clients [waiting]net.Conn
	for i := range clients {
		if clients[i], err = net.Dial("tcp", socket.Addr().String()); err != nil {
			t.Fatal(err)
		}
		defer clients[i].Close()
	}
	l.stop()
	for range waiting {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("served")); err != nil {
			t.Error(err)
		}
		_ = c.Close()
	}
	if _, err := l.Accept(); !errors.Is(err, errRefusing) {
		t.Errorf("then comes %v", err)
	}
	for _, c := range clients {
		if said, err := io.ReadAll(c); string(said) != "served" || err != nil {
			t.Errorf("a client got %q, %v", said, err)
		}
	}
	if c, err := net.Dial("tcp", socket.Addr().String()); err == nil {
		c.Close()
		t.Error("something listens still")
	}
}
