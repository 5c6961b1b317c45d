package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"unsafe"

	bolt "go.etcd.io/bbolt"
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

func sample(n int) Submission {
	return Submission{
		ID: fmt.Sprintf("%d-aaaaaa", n), SubmissionID: fmt.Sprintf("sub-%d-aaaaaa", n), Category: "best",
		Caption: string(bytes.Repeat([]byte("c"), n%1500)), StorageMethod: "none", CreatedAt: int64(n), Status: Approved,
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
		"full disk":               {err: enospc, want: ErrFull},
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
			if _, _, err := s.Submit(t.Context(), sample(1), Once{}, nil); err != nil {
				t.Fatal(err)
			}
			armed := true
			hookWrites(t, s.db, func(real writeAt) writeAt {
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
			if _, _, err := s.Submit(t.Context(), sample(2), Once{}, nil); !errors.Is(err, c.want) {
				t.Errorf("the failed submission got %v, want %v", err, c.want)
			}
			wanted := 2
			if c.want == nil {
				wanted = 3
			}
			if list, _, err := s.Submissions("best", Query{}); err != nil || len(list) != wanted-1 {
				t.Errorf("%d submissions afterwards, %v", len(list), err)
			}
			if _, _, err := s.Submit(t.Context(), sample(3), Once{}, nil); err != nil {
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
			if list, _, _ := s.Submissions("best", Query{}); len(list) != wanted {
				t.Errorf("%d submissions after opening again, want %d", len(list), wanted)
			}
		})
	}
}

// written is one write to the file of a recorded run.
type written struct {
	offset int64
	data   []byte
	// acknowledged is how many submissions were answered before it.
	acknowledged int
}

// recordRun performs random work and returns all writes in their order. Between
// the last data page and the meta page of a commit bbolt syncs, and after the
// meta page again; growing the file writes nothing.
func recordRun(t *testing.T, random *rand.Rand, steps int) []written {
	var run []written
	acknowledged := 0
	path := filepath.Join(t.TempDir(), "db")
	record := func(real writeAt) writeAt {
		return func(data []byte, offset int64) (int, error) {
			run = append(run, written{offset, bytes.Clone(data), acknowledged})
			return real(data, offset)
		}
	}
	s, err := Open(path, Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	start, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	run = append(run, written{0, start, 0})
	hookWrites(t, s.db, record)
	for step := range steps {
		switch random.IntN(8) {
		default:
			if _, _, err := s.Submit(t.Context(), sample(step), Once{Key: fmt.Sprint(step)}, []byte("answer")); err != nil {
				t.Fatal(err)
			}
			acknowledged++
		case 5:
			if _, err := s.SetStatus(t.Context(), fmt.Sprintf("%d-aaaaaa", random.IntN(step+1)), Hidden); err != nil && !errors.Is(err, ErrNotFound) {
				t.Fatal(err)
			}
		case 6:
			if _, err := s.TrimEvents(t.Context(), s.now(), 20); err != nil {
				t.Fatal(err)
			}
		case 7:
			records := []SessionRecord{{ID: fmt.Sprint(random.IntN(20)), At: s.now(), Data: make([]byte, random.IntN(4000))}}
			if err := s.SaveSessions(t.Context(), records); err != nil {
				t.Fatal(err)
			}
		}
	}
	return run
}

// A power loss may leave any of the writes since the last sync, in any
// combination, whole or in part. Whatever it leaves must open, be sound, and
// hold what was answered before.
func TestAPowerLossAtAnyWriteLosesNothingAcknowledged(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	steps := 60
	if testing.Short() {
		steps = 25
	}
	run := recordRun(t, random, steps)
	path := filepath.Join(t.TempDir(), "lost")
	disk := bytes.Clone(run[0].data) // what is synced
	apply := func(disk []byte, w written, from, to int) []byte {
		if missing := int(w.offset) + len(w.data) - len(disk); missing > 0 {
			disk = append(disk, make([]byte, missing)...)
		}
		copy(disk[int(w.offset)+from:], w.data[from:to])
		return disk
	}
	examine := func(state []byte, acknowledged int) {
		t.Helper()
		if err := os.WriteFile(path, state, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path, Options{NoSync: true})
		if err != nil {
			t.Fatalf("after %d acknowledged: %v", acknowledged, err)
		}
		defer s.Close()
		mustBeSound(t, s)
		counts, err := s.Counts()
		if err != nil || counts.Total() < acknowledged {
			t.Fatalf("%d submissions of %d acknowledged, %v", counts.Total(), acknowledged, err)
		}
	}
	var pending []written
	states := 0
	for _, w := range run[1:] {
		if isMeta(w.offset) { // the data pages before it were synced
			for _, p := range pending {
				disk = apply(disk, p, 0, len(p.data))
			}
			pending = nil
		}
		for range 2 { // a random part of what was not synced, and this write torn
			state := bytes.Clone(disk)
			for _, p := range pending {
				if random.IntN(2) == 0 {
					state = apply(state, p, 0, len(p.data))
				}
			}
			from := random.IntN(len(w.data))
			state = apply(state, w, from, from+random.IntN(len(w.data)-from+1))
			examine(padded(state, w, pending), w.acknowledged)
			states++
		}
		pending = append(pending, w)
		if isMeta(w.offset) {
			disk, pending = apply(disk, w, 0, len(w.data)), nil
			examine(disk, w.acknowledged)
			states++
		}
	}
	t.Logf("%d writes, %d states examined", len(run), states)
}

// padded gives a state the length that the file has been grown to before any
// of these writes.
func padded(state []byte, w written, pending []written) []byte {
	for _, p := range append(pending, w) {
		if missing := int(p.offset) + len(p.data) - len(state); missing > 0 {
			state = append(state, make([]byte, missing)...)
		}
	}
	return state
}
