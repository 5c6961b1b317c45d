//go:build !linux

package engineio

// ParkUnwatched does nothing: polls are not parked.
func (srv *Server) ParkUnwatched() {}
