package engineio

// ParkUnwatched lets polls be parked without anything that waits in the kernel:
// where a client goes away, LoseParkedPoll has to say so. It must be called first.
func (srv *Server) ParkUnwatched() {
	srv.lot.state, srv.lot.epoll, srv.lot.wake = lotOpen, -1, -1
	srv.lot.ended = make(chan struct{})
	close(srv.lot.ended)
}
