package contest

import "errors"

// Errors of requests that don't fit what is stored.
var (
	// ErrNotFound: nothing is stored under that id, or it has expired.
	ErrNotFound = errors.New("not found")

	// ErrUnknownCategory: a submission names a category that does not exist.
	ErrUnknownCategory = errors.New("unknown category")

	// ErrInvalid: a value has a form that is not taken. The text of the error
	// says which.
	ErrInvalid = errors.New("invalid")

	// ErrConflict: what the change was based on has changed meanwhile.
	ErrConflict = errors.New("changed meanwhile")

	// ErrDuplicate: the id is taken.
	ErrDuplicate = errors.New("id already in use")

	// ErrIdempotencyMismatch: the idempotency key was used before, with other
	// content.
	ErrIdempotencyMismatch = errors.New("idempotency key was used with other content")
)

// Errors of the store.
var (
	// ErrFull: there is no room on the disk. The change is not stored.
	ErrFull = errors.New("no space left for the contest's data")

	// ErrInDoubt: whether the change is stored shows only later. What it refers
	// to must be kept.
	ErrInDoubt = errors.New("it is not known yet whether the change is stored")

	// ErrAway: the database cannot be reached. The change is not stored.
	ErrAway = errors.New("the contest's database cannot be reached")

	// ErrNewerFormat: the data was written by a newer version of this program.
	ErrNewerFormat = errors.New("the contest's data was written by a newer version of this program")

	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store is closed")

	// ErrReadOnly: the store can only be read. The change is not stored.
	ErrReadOnly = errors.New("store is open for reading only")
)
