//go:build !unix

package listen

import (
	"net"
	"syscall"
)

// acceptAtOnce accepts none: it takes a socket that can be asked without waiting.
func acceptAtOnce(syscall.Conn) net.Conn { return nil }
