//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package bolt

import (
	"os"
	"time"
)

// lockFile leaves locking to bbolt.
func lockFile(*os.File, bool, time.Duration) error { return nil }

// unlockFile does nothing: closing the file lets go of it.
func unlockFile(*os.File) {}
