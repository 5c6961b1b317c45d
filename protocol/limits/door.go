package limits

import (
	"net/http"
	"runtime"

	"podium/protocol/engineio"
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
// or a WebSocket. Over HTTP/2 a client decides when it is answered, which could
// keep a place taken, and its requests share a connection in any case.
func passes(r *http.Request) bool {
	return r.ProtoMajor < 2 && (engineio.SessionID(r) == "" || websocket.IsUpgrade(r))
}

// enter waits for a place. It returns false where the client went away first;
// else leave must be called, once.
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

// inside is the answer to a request that has a place at the door. The place is given
// back before anything of the answer is written: that waits for as long as a client
// takes to read it, and must not keep others out.
type inside struct {
	http.ResponseWriter
	leave func() // may be called again
}

// Write implements http.ResponseWriter.
func (w inside) Write(b []byte) (int, error) {
	w.leave()
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController. A WebSocket is taken over with the place
// still held: nothing waits there.
func (w inside) Unwrap() http.ResponseWriter { return w.ResponseWriter }
