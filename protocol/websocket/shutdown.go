package websocket

import "context"

// Shutdown closes all connections with 1001 and refuses new ones, waits for the
// close handshakes, and cuts those that are left when ctx ends. It returns when every
// OnClose has returned and no goroutine is left, with ctx's error if it had to cut.
// Call it once.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	already := s.closed
	s.closed = true
	if !already && s.connections.Load() == 0 {
		close(s.empty)
	}
	loops := s.loops
	s.mu.Unlock()

	for _, c := range s.all() {
		c.Close(CloseGoingAway, "")
	}
	var err error
	select {
	case <-s.empty:
	case <-ctx.Done():
		err = ctx.Err()
		for _, c := range s.all() {
			c.Abort(err)
		}
		<-s.empty
	}
	for _, l := range loops {
		l.stop()
	}
	s.running.Wait()
	return err
}
