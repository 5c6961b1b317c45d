package socketio

import (
	"context"

	"podium/protocol/engineio"
)

// engineConn is a session of the Engine.IO server as a conn.
type engineConn struct{ *engineio.Session }

var _ conn = engineConn{}

// Conn returns the Engine.IO session that carries the socket, and all others of
// its client: transport, round trip, request.
func (s *Socket) Conn() *engineio.Session {
	e, _ := s.client.conn.(engineConn)
	return e.Session
}

// Context implements conn.
func (e engineConn) Context() context.Context { return e.Session.Request().Context }

// Request implements conn.
func (e engineConn) Request() requestInfo {
	r := e.Session.Request()
	return requestInfo{Header: r.Header(), URL: r.URL, Address: r.Address, Secure: r.Secure, Time: r.Time}
}
