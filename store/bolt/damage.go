package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// ErrDamaged: pages of the file do not hold what was written to them. What can
// still be read comes out by [Salvage]; a backup or [Mend] takes its place.
var ErrDamaged = errors.New("the contest's data file is damaged")

// guarded runs what reads or writes pages by way of bbolt. bbolt asserts by
// panicking on the goroutine that reads, and reading a mapped page that the
// disk does not give is a fault: both come back as [ErrDamaged]. Whoever
// touches a bolt.Tx or a bolt.DB does it in here. A panic that is neither, such
// as one in a caller's function, goes on.
//
// A page that leads in circles would overflow the stack, which nothing can
// recover from. So a file's pages are looked at before bbolt sees them, see
// verify.
func guarded(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if reason := recover(); reason != nil {
			if !ofDamage(reason) {
				panic(reason)
			}
			err = fmt.Errorf("%w: %v", ErrDamaged, reason)
		}
	}()
	return fn()
}

// ofDamage reports whether a panic that is being recovered was a fault of
// memory or began in bbolt.
func ofDamage(reason any) bool {
	if fault, ok := reason.(interface {
		runtime.Error
		Addr() uintptr
	}); ok && fault.Addr() >= 4096 { // less is a nil pointer's field
		return true
	}
	callers := make([]uintptr, 32)
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers)])
	panicked := false
	for {
		frame, more := frames.Next()
		inRuntime := strings.HasPrefix(frame.Function, "runtime.")
		switch {
		case frame.Function == "runtime.gopanic":
			panicked = true
		case panicked && !inRuntime:
			return strings.HasPrefix(frame.Function, "go.etcd.io/bbolt")
		}
		if !more {
			return false
		}
	}
}

// portion calls f for the keys that come after one, until it returns false. A
// damaged page may hold them in any order: whoever asked for the next portion
// by the last key would never come to an end, so that is [ErrDamaged].
func portion(c *bolt.Cursor, after []byte, f func(key, value []byte) (more bool, err error)) error {
	key, value := c.Seek(after)
	if key != nil && bytes.Equal(key, after) {
		key, value = c.Next()
	}
	for last := after; key != nil; key, value = c.Next() {
		if bytes.Compare(key, last) <= 0 {
			return fmt.Errorf("%w: key %x comes after %x", ErrDamaged, key, last)
		}
		last = key
		if more, err := f(key, value); err != nil || !more {
			return err
		}
	}
	return nil
}

// passOver says in the log, once, that a submission's record cannot be read.
func (s *Store) passOver(id string) {
	if _, told := s.passed.LoadOrStore(id, true); !told {
		s.log.Error("a submission's record is damaged and was passed over; podium check says more", "submission", id)
	}
}

// PassedOver returns the ids of the submissions whose records could not be read
// so far, in order.
func (s *Store) PassedOver() (ids []string) {
	s.passed.Range(func(id, _ any) bool {
		ids = append(ids, id.(string))
		return true
	})
	slices.Sort(ids)
	return ids
}
