package listen

import (
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
