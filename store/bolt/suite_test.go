package bolt_test

import (
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"podium/contest"
	"podium/store/bolt"
	"podium/store/storetest"
)

// checked checks its file as it closes.
type checked struct {
	*bolt.Store
	t *testing.T
}

func (c checked) Close() error {
	if found, err := c.Check(); err == nil && len(found) > 0 {
		c.t.Errorf("the file is not in order: %v", found)
	}
	return c.Store.Close()
}

func opener(t *testing.T, path string) storetest.Opener {
	return func() contest.Store {
		s, err := bolt.Open(path, bolt.Options{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		return checked{s, t}
	}
}

func freshFile(t *testing.T) storetest.Opener {
	return opener(t, filepath.Join(t.TempDir(), "podium.db"))
}

func TestStore(t *testing.T) { storetest.Run(t, freshFile) }

func TestMove(t *testing.T) {
	storetest.RunMove(t, freshFile, func(t *testing.T, all iter.Seq2[contest.Part, error]) storetest.Opener {
		path := filepath.Join(t.TempDir(), "moved", "podium.db")
		if err := bolt.Write(t.Context(), path, all); err != nil {
			t.Fatal(err)
		}
		return opener(t, path)
	})
}

// A move that breaks off leaves no file, and none that is there is replaced.
func TestAMoveThatBreaksOffLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "podium.db")
	broken := errors.New("broken off")
	c := freshFile(t)()
	defer c.Close()
	err := bolt.Write(t.Context(), path, func(yield func(contest.Part, error) bool) {
		for part, err := range c.(contest.Whole).All(t.Context()) {
			if !yield(part, err) {
				return
			}
		}
		yield(contest.Part{}, broken)
	})
	if left, _ := os.ReadDir(dir); !errors.Is(err, broken) || len(left) > 0 {
		t.Errorf("%v, and %v is left", err, left)
	}
	none := func(func(contest.Part, error) bool) {}
	headless := func(yield func(contest.Part, error) bool) { yield(contest.Part{Transfers: []string{"x"}}, nil) }
	for _, all := range []iter.Seq2[contest.Part, error]{none, headless} {
		if err := bolt.Write(t.Context(), path, all); err == nil {
			t.Error("a file was made of no data")
		}
	}
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := bolt.Write(t.Context(), path, c.(contest.Whole).All(t.Context())); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	if kept, _ := os.ReadFile(path); string(kept) != "mine" {
		t.Errorf("the file that was there holds %q", kept)
	}
}
