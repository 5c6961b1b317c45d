package realtime

import (
	"net/http"
	"runtime"

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

// passes reports whether a request has to pass the door: one that opens a session
// or a WebSocket.
func passes(r *http.Request, sid string) bool {
	return sid == "" || websocket.IsUpgrade(r)
}

// enter waits for a place. It returns false where the client went away first;
// else leave must be called.
func (d door) enter(r *http.Request) bool {
	select {
	case d <- struct{}{}:
		return true
	default:
	}
	select {
	case d <- struct{}{}:
		return true
	case <-r.Context().Done():
		return false
	}
}

func (d door) leave() { <-d }
