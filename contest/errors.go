package contest

import (
	"errors"
	"fmt"
)

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

// Rule names what a value breaks that people enter, for pages that say it in
// their own words.
type Rule string

// The rules that a page cannot keep people to by itself.
const (
	RuleLength     Rule = "tooLong"     // a text is longer than is taken
	RuleCharacters Rule = "characters"  // a text holds what cannot be shown
	RuleTimes      Rule = "closesFirst" // submissions close before they open
	RuleWinner     Rule = "noWinner"    // there is nobody to present
	RuleDigits     Rule = "noDigits"    // a phone number has none
)

// InvalidError is an ErrInvalid that breaks a rule with a name.
type InvalidError struct {
	Rule Rule
	what string
}

func (e *InvalidError) Error() string { return ErrInvalid.Error() + ": " + e.what }

// Unwrap makes it an ErrInvalid.
func (e *InvalidError) Unwrap() error { return ErrInvalid }

// broken is an InvalidError that says what is wrong.
func broken(rule Rule, format string, args ...any) error {
	return &InvalidError{rule, fmt.Sprintf(format, args...)}
}

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
