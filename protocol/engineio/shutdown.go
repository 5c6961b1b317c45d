package engineio

import (
	"context"
	"time"

	"podium/protocol/websocket"
)

// endCode closes the WebSocket of a session that ends, at a shutdown as elsewhere: without a code, as the official server does.
const endCode = websocket.CloseNoStatus

// flushCheck is how often Flush looks whether clients have fetched.
const flushCheck = 5 * time.Millisecond

// Flush waits until every long-polling client has fetched what is queued for it
// now, or ctx ends, and returns how many have not. WebSockets need no such wait:
// they are written to.
func (srv *Server) Flush(ctx context.Context) (left int) {
	waiting := make(map[*Session]*Message)
	srv.registry.each(func(s *Session) bool {
		if m := s.lastQueued(); m != nil {
			waiting[s] = m
		}
		return true
	})
	ticker := time.NewTicker(flushCheck)
	defer ticker.Stop()
	for {
		for s, m := range waiting {
			if !s.holds(m) {
				delete(waiting, s)
			}
		}
		if len(waiting) == 0 {
			return 0
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return len(waiting)
		}
	}
}

// Shutdown refuses new sessions, ends all of them so that clients connect
// again, and returns when every receiver was told and no goroutine is left. It
// waits Options.ShutdownGrace at most, and not longer than ctx, for clients to
// fetch what was sent and for WebSocket close handshakes, and cuts those that
// are left: a client that vanished must not keep a server from stopping. The
// error is ctx's, where that ended first. Calling it again waits for the first call
// and returns what that returned, or ctx's error.
func (srv *Server) Shutdown(ctx context.Context) error {
	srv.opening.Lock()
	again := srv.down.Swap(true)
	srv.opening.Unlock()
	if again {
		select {
		case <-srv.ended:
			return srv.endErr
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	srv.endErr = srv.shutdown(ctx)
	close(srv.ended)
	return srv.endErr
}

func (srv *Server) shutdown(ctx context.Context) error {
	srv.registry.each(func(s *Session) bool {
		s.close(ReasonShutdown)
		if s.idle() {
			s.end(ReasonShutdown, nil)
		}
		return true
	})
	grace, cancel := context.WithTimeout(ctx, srv.opts.ShutdownGrace)
	defer cancel()
	drained := make(chan struct{})
	go func() {
		srv.sessions.Wait()
		close(drained)
	}()
	select {
	case <-drained:
	case <-grace.Done():
		srv.registry.each(func(s *Session) bool {
			s.end(ReasonShutdown, grace.Err())
			return true
		})
		<-drained
	}
	srv.carrying.Wait() // the sessions are closed, and with them their connections
	srv.parking.close() // the sessions are closed, so the polls are being answered
	srv.direct.close()
	srv.handback.close()
	srv.idle.close()
	close(srv.stop)
	srv.turning.Wait()
	if err := srv.webSocket.Shutdown(grace); err != nil {
		return ctx.Err() // nil where only the grace ended
	}
	return nil
}
