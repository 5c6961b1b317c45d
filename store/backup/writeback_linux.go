package backup

import (
	"os"

	"golang.org/x/sys/unix"
)

// writebackStep is how much is written before the system is asked to begin
// bringing it to the disk.
const writebackStep = 256 << 10

// writeback writes a file and has the system bring it to the disk all the
// while. Otherwise all of it would go there at once, when the system finds it
// old enough or somebody syncs, and whoever syncs another file would wait.
type writeback struct {
	file        *os.File
	begun, size int64
}

// Write writes to the file's end.
func (w *writeback) Write(data []byte) (int, error) {
	n, err := w.file.Write(data)
	w.size += int64(n)
	if w.size-w.begun >= writebackStep {
		// A system that cannot do this writes later.
		_ = unix.SyncFileRange(int(w.file.Fd()), w.begun, w.size-w.begun, unix.SYNC_FILE_RANGE_WRITE)
		w.begun = w.size
	}
	return n, err
}
