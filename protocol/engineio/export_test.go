package engineio

import (
	"runtime"
	"strings"
	"sync"
	"time"

	"podium/protocol/websocket"
)

// Blocked reports whether a goroutine that is within function waits for a mutex.
func Blocked(function string) bool {
	all := make([]byte, 1<<20)
	for stack := range strings.SplitSeq(string(all[:runtime.Stack(all, true)]), "\n\n") {
		if strings.Contains(stack, "[sync.Mutex.Lock") && strings.Contains(stack, function) {
			return true
		}
	}
	return false
}

// Upgrade is the WebSocket of the upgrade that is under way, and the timer that gives
// it up.
func (s *Session) Upgrade() (*websocket.Conn, *time.Timer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.probe.conn, s.probe.timer
}

// Hold keeps everything that needs the session's lock waiting until release is called.
func (s *Session) Hold() (release func()) {
	s.mu.Lock()
	return sync.OnceFunc(s.mu.Unlock)
}

// LoseParkedPoll does what is done when the client of the session's poll goes away,
// if that is parked.
func (s *Session) LoseParkedPoll() {
	s.mu.Lock()
	var pk *parked
	if s.poll != nil {
		pk = s.poll.parked
	}
	s.mu.Unlock()
	if pk != nil {
		pk.gone()
	}
}

// Wrappers is how many of this package's connections the one of the session's parked
// poll is wrapped in.
func (s *Session) Wrappers() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poll == nil || s.poll.parked == nil {
		return 0
	}
	for c := s.poll.parked.conn; ; n++ {
		back, ok := c.(*returned)
		if !ok {
			return n
		}
		c = back.Conn
	}
}

// DirectConnections is how many of the session's connections are read without net/http.
func (srv *Server) DirectConnections(s *Session) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.directs)
}
