package engineio

import "podium/protocol/internal/epoll"

// ParkUnwatched lets polls be parked without anything that waits in the kernel:
// where a client goes away, LoseParkedPoll has to say so. It must be called first.
func (srv *Server) ParkUnwatched() {
	poll, err := epoll.New(0)
	if err != nil {
		panic(err)
	}
	srv.idle.state, srv.idle.poll = pollerOpen, poll
	srv.idle.ended = make(chan struct{})
	close(srv.idle.ended)
}
