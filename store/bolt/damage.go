package bolt

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
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

// checkHead looks at what bbolt reads without judging it: the two meta pages,
// without which it panics holding its locks, and the head of the list of free
// pages, as many of which it frees as are said to belong to it.
func checkHead(file io.ReaderAt) error {
	m, ok := readMeta(file)
	if !ok {
		return fmt.Errorf("%w: neither of its meta pages can be read", ErrDamaged)
	}
	pages := pageFile{from: file, size: m.pageSize, count: m.pages}
	if _, err := pages.head(m.freelist, freelistPage); err != nil {
		return fmt.Errorf("%w: the list of free pages: %w", ErrDamaged, err)
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
