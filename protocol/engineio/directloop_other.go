//go:build !linux

package engineio

import (
	"net"
	"sync/atomic"
)

// pollLoop reads requests on systems that have epoll. On others net/http does.
type pollLoop struct{ useless atomic.Bool }

func (*pollLoop) open(*Server) bool { return false }
func (*pollLoop) push(*direct)      {}
func (*pollLoop) close()            {}

func (*direct) take(net.Conn) bool { return false }
