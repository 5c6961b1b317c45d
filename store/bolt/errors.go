package bolt

import (
	"errors"
	"fmt"
	"syscall"

	bolterrors "go.etcd.io/bbolt/errors"

	"podium/contest"
)

// Errors at opening.
var (
	// ErrLocked: another process has the file open.
	ErrLocked = errors.New("another process has the contest's data open")

	// ErrNotAStore: the file is no contest data, or too damaged to tell. Where it
	// can be told it is [ErrDamaged].
	ErrNotAStore = errors.New("the file holds no readable contest data")
)

// writeError gives an error from the file its sentinel.
func writeError(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case isFull(err):
		return fmt.Errorf("%s: %w: %w", doing, contest.ErrFull, err)
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return fmt.Errorf("%s: %w", doing, contest.ErrClosed)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// isFull recognises what systems say when a file cannot grow. bbolt keeps the
// text and drops the value of errors from growing the file, so the text is
// looked at too.
func isFull(err error) bool {
	for _, number := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, number) || containsText(err.Error(), number.Error()) {
			return true
		}
	}
	return errors.Is(err, bolterrors.ErrMaxSizeReached)
}
