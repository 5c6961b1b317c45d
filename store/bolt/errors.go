package bolt

import (
	"errors"
	"fmt"
	"syscall"

	bolterrors "go.etcd.io/bbolt/errors"
)

// Errors at opening.
var (
	// ErrLocked: another process has the file open.
	ErrLocked = errors.New("another process has the contest's data open")

	// ErrNewerFormat: a newer program wrote the file.
	ErrNewerFormat = errors.New("the contest's data was written by a newer version of this program")

	// ErrNotAStore: the file is no contest data, or too damaged to tell.
	ErrNotAStore = errors.New("the file holds no readable contest data")
)

// Errors of requests that don't fit what is stored.
var (
	// ErrNotFound: nothing is stored under that id, or it has expired.
	ErrNotFound = errors.New("not found")

	// ErrUnknownCategory: a submission names a category that does not exist.
	ErrUnknownCategory = errors.New("unknown category")

	// ErrInvalid: a value has a form that the store does not take. The text
	// of the error says which.
	ErrInvalid = errors.New("invalid")

	// ErrDuplicate: the id is taken.
	ErrDuplicate = errors.New("id already in use")

	// ErrIdempotencyMismatch: the idempotency key was used before, with other
	// content.
	ErrIdempotencyMismatch = errors.New("idempotency key was used with other content")
)

// Errors of the machine.
var (
	// ErrFull: there is no room on the disk. The change is not stored.
	ErrFull = errors.New("no space left for the contest's data")

	// ErrInDoubt: whether the change is stored shows only when the file can be
	// written again. What it refers to must be kept.
	ErrInDoubt = errors.New("it is not known yet whether the change is stored")

	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store is closed")

	// ErrReadOnly: the store was opened for reading only.
	ErrReadOnly = errors.New("store is open for reading only")
)

// writeError gives an error from the file its sentinel.
func writeError(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case isFull(err):
		return fmt.Errorf("%s: %w: %w", doing, ErrFull, err)
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return fmt.Errorf("%s: %w", doing, ErrClosed)
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
