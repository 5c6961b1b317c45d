//go:build !linux

package engineio

// watch is a parked poll's registration.
type watch struct{}

// lot watches the connections of parked polls, on systems that have epoll. On
// others polls wait in their handlers.
type lot struct{}

func (*lot) open() bool     { return false }
func (*lot) add(*parked)    {}
func (*lot) remove(*parked) {}
func (*lot) close()         {}
