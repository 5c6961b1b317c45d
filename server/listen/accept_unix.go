//go:build unix

package listen

import (
	"net"
	"os"
	"syscall"
)

// acceptAtOnce accepts a connection that waits in a listening socket's queue, whatever its
// deadline. It returns nil where none does.
func acceptAtOnce(listening syscall.Conn) net.Conn {
	raw, err := listening.SyscallConn()
	if err != nil {
		return nil
	}
	fd := -1
	syscall.ForkLock.RLock()
	if failed := raw.Control(func(socket uintptr) { fd, _, err = syscall.Accept(int(socket)) }); failed == nil && err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if fd < 0 {
		return nil
	}
	_ = syscall.SetNonblock(fd, true) // a file that is not would block a thread, and serve
	f := os.NewFile(uintptr(fd), "connection")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil
	}
	return c
}
