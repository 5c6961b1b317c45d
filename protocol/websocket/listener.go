package websocket

import (
	"net"
	"syscall"
)

// NewListener returns a listener whose connections an event loop can hold also where TLS
// is spoken on them. It goes below TLS, and accepts from l:
//
//	l, err := net.Listen("tcp", address)
//	…
//	err = server.ServeTLS(websocket.NewListener(l), "cert.pem", "key.pem")
//
// A [net/http.Server] is given it in ServeTLS, where its ListenAndServeTLS would listen by
// itself; whoever calls [crypto/tls.NewListener] passes it there. Without it WebSockets
// under TLS work as well, and cost a goroutine each: see the package's comment.
func NewListener(l net.Listener) net.Listener { return lowerListener{l} }

type lowerListener struct{ net.Listener }

// Accept implements net.Listener.
func (l lowerListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lowerConn{c}, nil
}

// lowerConn is what TLS is spoken on. It passes everything on to the connection that was
// accepted, until an event loop puts itself in that one's place: nobody but the loop
// may use what net/http has given away.
type lowerConn struct{ net.Conn }

// SyscallConn implements syscall.Conn.
func (c *lowerConn) SyscallConn() (syscall.RawConn, error) {
	if s, ok := c.Conn.(syscall.Conn); ok {
		return s.SyscallConn()
	}
	return nil, syscall.ENOTSUP
}
