package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"time"
	"unsafe"

	bolt "go.etcd.io/bbolt"

	"podium/contest"
)

// writeAt is the one function through which bbolt writes to its file.
type writeAt = func(data []byte, offset int64) (int, error)

// hookWrites puts a function in place of the one that bbolt writes with. It is
// a field without a name to the outside, hence the reflection; the test fails
// loudly where a version of bbolt has no such field.
func hookWrites(t *testing.T, db *bolt.DB, wrap func(writeAt) writeAt) {
	t.Helper()
	field := reflect.ValueOf(db).Elem().FieldByName("ops").FieldByName("writeAt")
	if !field.IsValid() {
		t.Fatal("bbolt has no ops.writeAt any more")
	}
	hook := (*writeAt)(unsafe.Pointer(field.UnsafeAddr()))
	*hook = wrap(*hook)
}

func isMeta(offset int64) bool { return offset < 2*int64(os.Getpagesize()) }

func sample(n int) contest.Submission {
	return contest.Submission{
		ID: fmt.Sprintf("%d-aaaaaa", n), SubmissionID: fmt.Sprintf("sub-%d-aaaaaa", n), Category: "best",
		Caption: string(bytes.Repeat([]byte("c"), n%1500)), StorageMethod: "none", CreatedAt: int64(n), Status: contest.Approved,
	}
}

func mustBeSound(t *testing.T, s *Store) {
	t.Helper()
	found, err := s.Check()
	if err != nil || len(found) > 0 {
		t.Fatalf("check: %v %v", found, err)
	}
}

func TestAFailedWriteLeavesAnErrorAndAStoreThatGoesOn(t *testing.T) {
	eio, enospc := syscall.EIO, syscall.ENOSPC
	for name, c := range map[string]struct {
		meta  bool // fail the meta page, else a data page
		write bool // the bytes get into the file all the same
		torn  bool // half of them do
		err   error
		want  error // nil: the commit counts after all
	}{
		"full disk":               {err: enospc, want: contest.ErrFull},
		"data page torn":          {torn: true, err: eio, want: eio},
		"meta page fails":         {meta: true, err: eio, want: eio},
		"meta page torn":          {meta: true, torn: true, err: eio, want: eio},
		"meta page seems to fail": {meta: true, write: true, err: eio},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "db")
			s, err := Open(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { s.Close() }()
			if _, _, err := contest.New(s).Submit(t.Context(), sample(1), contest.Once{}, nil); err != nil {
				t.Fatal(err)
			}
			armed := true
			hookWrites(t, s.db.DB, func(real writeAt) writeAt {
				return func(data []byte, offset int64) (int, error) {
					if !armed || isMeta(offset) != c.meta {
						return real(data, offset)
					}
					armed = false
					switch {
					case c.write:
						_, _ = real(data, offset)
					case c.torn:
						_, _ = real(data[:40], offset)
					}
					return 0, &os.PathError{Op: "write", Path: path, Err: c.err}
				}
			})
			if _, _, err := contest.New(s).Submit(t.Context(), sample(2), contest.Once{}, nil); !errors.Is(err, c.want) {
				t.Errorf("the failed submission got %v, want %v", err, c.want)
			}
			wanted := 2
			if c.want == nil {
				wanted = 3
			}
			if list, _, err := s.Submissions("best", contest.Query{}); err != nil || len(list) != wanted-1 {
				t.Errorf("%d submissions afterwards, %v", len(list), err)
			}
			if _, _, err := contest.New(s).Submit(t.Context(), sample(3), contest.Once{}, nil); err != nil {
				t.Errorf("the next submission: %v", err)
			}
			mustBeSound(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if s, err = Open(path, Options{}); err != nil {
				t.Fatal(err)
			}
			mustBeSound(t, s)
			if list, _, _ := s.Submissions("best", contest.Query{}); len(list) != wanted {
				t.Errorf("%d submissions after opening again, want %d", len(list), wanted)
			}
		})
	}
}

// A commit that panics gives the file back: what comes next does not wait for it.
func TestACommitThatPanicsLeavesAStoreThatGoesOn(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	armed := true
	hookWrites(t, s.db.DB, func(real writeAt) writeAt {
		return func(data []byte, offset int64) (int, error) {
			if armed {
				armed = false
				panic("page 7 is no leaf")
			}
			return real(data, offset)
		}
	})
	if _, _, err := contest.New(s).Submit(t.Context(), sample(1), contest.Once{}, nil); err == nil {
		t.Error("the submission whose commit panicked counts as stored")
	}
	next := make(chan error, 1)
	go func() {
		_, _, err := contest.New(s).Submit(t.Context(), sample(2), contest.Once{}, nil)
		next <- err
	}()
	select {
	case err := <-next:
		if err != nil {
			t.Errorf("the next submission: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the next submission waits for ever")
	}
	mustBeSound(t, s)
	if list, _, err := s.Submissions("best", contest.Query{}); err != nil || len(list) != 1 {
		t.Errorf("%d submissions, %v", len(list), err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A commit whose meta page got into the file and could not be synced is seen by
// readers. Nobody is told of it before it is known to be on the disk.
func TestACommitInDoubtIsToldToNobody(t *testing.T) {
	broken := false
	s, err := Open(filepath.Join(t.TempDir(), "db"), Options{
		OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
			if broken {
				return nil, syscall.EIO
			}
			return os.OpenFile(name, flag, perm)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := contest.New(s).Submit(t.Context(), sample(1), contest.Once{}, nil); err != nil {
		t.Fatal(err)
	}
	hookWrites(t, s.db.DB, func(real writeAt) writeAt {
		return func(data []byte, offset int64) (int, error) {
			n, err := real(data, offset)
			if isMeta(offset) {
				broken, err = true, syscall.EIO
			}
			return n, err
		}
	})
	once := contest.Once{Key: "k", Content: []byte("c")}
	told := func() (offsets []uint64, last uint64, answered bool) {
		t.Helper()
		e := contest.EachEvent(s, 0, func(e contest.Event) bool {
			offsets = append(offsets, e.Offset)
			return true
		})
		_, last, err := s.EventRange()
		_, answered, err2 := contest.New(s).Answered(once)
		if err := errors.Join(e, err, err2); err != nil {
			t.Fatal(err)
		}
		return offsets, last, answered
	}
	if _, _, err := contest.New(s).Submit(t.Context(), sample(2), once, []byte("first")); !errors.Is(err, contest.ErrInDoubt) {
		t.Errorf("the submission got %v, want ErrInDoubt", err)
	}
	if offsets, last, answered := told(); len(offsets) != 1 || last != 1 || answered {
		t.Errorf("while it is in doubt: events %v, the last is %d, answered %v", offsets, last, answered)
	}
	broken = false
	if answer, replayed, err := contest.New(s).Submit(t.Context(), sample(3), once, []byte("second")); err != nil || !replayed || string(answer) != "first" {
		t.Errorf("sent again: %q, replayed %v (%v)", answer, replayed, err)
	}
	if offsets, last, answered := told(); len(offsets) != 2 || last != 2 || !answered {
		t.Errorf("afterwards: events %v, the last is %d, answered %v", offsets, last, answered)
	}
	mustBeSound(t, s)
}
