package machine

import (
	"os"
	"syscall"
)

// ShareOfFiles returns some tenths of the number of files that the process may open.
func ShareOfFiles(tenths int) int {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur > 1<<24 {
		return 1 << 20
	}
	return int(files.Cur) * tenths / 10
}

// wantedFiles is how many files a server that starts as root may open. Fly gives
// 10,240, which is less than the connections that fly.toml lets in.
const wantedFiles = 1 << 16

// RaiseFileLimit lets the process, and the user that it becomes, open as many files as a
// full room needs, where it is root and the limit is lower. Others keep what they
// were given. It comes before everything that is measured by that limit.
func RaiseFileLimit() {
	var files syscall.Rlimit
	if os.Getuid() != 0 || syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) != nil || files.Cur >= wantedFiles {
		return
	}
	files.Cur, files.Max = wantedFiles, max(files.Max, wantedFiles)
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files) // a container may forbid it: then the limit stays
}
