package socketio

import "podium/protocol/engineio"

// engineConn is a session of the Engine.IO server as a conn.
type engineConn struct{ *engineio.Session }

var _ conn = engineConn{}

// Request implements conn.
func (e engineConn) Request() requestInfo {
	return requestInfo{
		Header: e.Header(), URL: e.URL(), Address: e.Address(),
		Secure: e.Secure(), Time: e.Opened(),
	}
}
