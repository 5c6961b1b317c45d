//go:build !linux

package engineio

// watch is a parked poll's registration.
type watch struct{}

// idlePoller watches the connections of parked polls, on systems that have epoll. On
// others polls wait in their handlers.
type idlePoller struct{}

func (*idlePoller) open() bool     { return false }
func (*idlePoller) add(*parked)    {}
func (*idlePoller) remove(*parked) {}
func (*idlePoller) close()         {}
