//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package bolt

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockPoll is the time between two attempts to lock a file.
const lockPoll = 20 * time.Millisecond

// lockFile locks a file as bbolt does, which then finds it locked by itself:
// alone, or beside other readers. It fails with ErrLocked after wait.
func lockFile(file *os.File, alone bool, wait time.Duration) error {
	kind := unix.LOCK_SH
	if alone {
		kind = unix.LOCK_EX
	}
	for deadline := time.Now().Add(wait); ; time.Sleep(lockPoll) {
		err := unix.Flock(int(file.Fd()), kind|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
		case !errors.Is(err, unix.EWOULDBLOCK):
			return err
		case time.Now().After(deadline):
			return ErrLocked
		}
	}
}

// unlockFile lets go of a file that a mapping may keep open.
func unlockFile(file *os.File) { _ = unix.Flock(int(file.Fd()), unix.LOCK_UN) }
