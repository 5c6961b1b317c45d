package socketio

import "podium/protocol/engineio"

// engineConn is a session of the Engine.IO server as a conn.
type engineConn struct{ *engineio.Session }

var _ conn = engineConn{}

// Request implements conn.
func (e engineConn) Request() requestInfo {
	r := e.Session.Request()
	return requestInfo{Header: r.Header(), URL: r.URL, Address: r.Address, Secure: r.Secure, Time: r.Time}
}
