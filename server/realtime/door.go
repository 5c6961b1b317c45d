package realtime

import (
	"net/http"
	"runtime"
	"sync"
	"time"

	"podium/protocol/websocket"
)

// door lets a bounded number of clients in at the same time. A whole audience
// that comes back at once is a matter of seconds of CPU: without a door each of
// its handshakes is a goroutine that is ready to run, and everybody else, health
// checks before all, waits behind all of them. At the door they wait without
// being in anybody's way, and are let in in the order they came.
type door chan struct{}

// atOnce is how many handshakes are worked on at the same time: enough for every
// processor to have one, and another while one waits for a lock.
func atOnce() int { return 2 * runtime.GOMAXPROCS(0) }

// doorHold is how long a handshake has its place at most. They take less than a
// millisecond of work; one that takes longer waits for a client that does not
// read its answer, and must not keep others out.
const doorHold = time.Second

// passes reports whether a request has to pass the door: one that opens a session
// or a WebSocket. Over HTTP/2 a client decides when it is answered, which could
// keep a place taken, and its requests share a connection in any case.
func passes(r *http.Request, sid string) bool {
	return r.ProtoMajor < 2 && (sid == "" || websocket.IsUpgrade(r))
}

// enter waits for a place. It returns nil where the client went away first;
// else leave must be called, which may be called again.
func (d door) enter(r *http.Request) (leave func()) {
	select {
	case d <- struct{}{}:
	default:
		select {
		case d <- struct{}{}:
		case <-r.Context().Done():
			return nil
		}
	}
	giveBack := sync.OnceFunc(func() { <-d })
	late := time.AfterFunc(doorHold, giveBack)
	return func() {
		late.Stop()
		giveBack()
	}
}
