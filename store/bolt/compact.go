package bolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// compactAbove is how many bytes of free pages make compacting pay, if they
// are at least half of the file.
const compactAbove = 16 << 20

// compactStep is how many bytes one transaction of the new file takes.
const compactStep = 4 << 20

// syncFolder is SyncFolder, so that tests can put another one in its place.
var syncFolder = SyncFolder

// Compacted says what compacting did, in bytes.
type Compacted struct{ Before, After int64 }

// Compact writes the data of the file at path into a new one without free
// pages, checks it, and puts it in the old one's place in one step. Nobody may
// have the file open: the error is [ErrLocked] otherwise. It needs as much
// room on the disk as the data has. What was deleted is no longer in the file
// afterwards, while free pages go on holding it until they are used again.
func Compact(path string, options Options) (Compacted, error) {
	options.ReadOnly = false
	options.CompactFree = -1
	if _, err := os.Stat(path); err != nil {
		return Compacted{}, fmt.Errorf("compact the data file: %w", err)
	}
	s, err := Open(path, options)
	if err != nil {
		return Compacted{}, err
	}
	done, err := compactFile(s.db, path)
	return done, errors.Join(err, s.Close())
}

// compactPays reports whether so much of a file is free that compacting it is
// worth the time.
func compactPays(db *database, path string, above int64) bool {
	if above < 0 {
		return false
	}
	if above == 0 {
		above = compactAbove
	}
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	free := int64(db.Stats().FreePageN) * int64(db.pageSize)
	return free >= above && 2*free >= info.Size()
}

// compactAtOpen compacts a file that was just opened, if it pays, and returns
// the open file to use. A failure is logged: the file as it is serves too.
func (s *Store) compactAtOpen(db *database) (*database, error) {
	if s.options.ReadOnly || !compactPays(db, s.path, s.options.CompactFree) {
		return db, nil
	}
	done, err := compactFile(db, s.path)
	if err != nil && done == (Compacted{}) {
		s.log.Warn("the data file could not be compacted", "error", err)
		return db, nil
	}
	if err != nil {
		// What is open has lost its name: nothing may be written there any more.
		s.log.Warn("a power loss may bring back the data file as it was before it was compacted", "error", err)
	}
	s.log.Info("the data file was compacted", "before", done.Before, "after", done.After)
	if err := db.Close(); err != nil {
		s.log.Warn("the old data file did not close cleanly", "error", err)
	}
	return openFile(s.path, s.options)
}

// compactFile puts a compact copy in the place of an open file, which goes on
// being open, and locked, without a name. What it did is not zero, whatever the
// error, where that has happened.
func compactFile(db *database, path string) (done Compacted, err error) {
	fresh := path + ".compacting"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return done, fmt.Errorf("compact the data file: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(fresh)
			err = writeError("compact the data file", err)
		}
	}()
	if err := copyCompactly(db, fresh); err != nil {
		return done, err
	}
	before, err := os.Stat(path)
	if err != nil {
		return done, err
	}
	after, err := os.Stat(fresh)
	if err != nil {
		return done, err
	}
	if err := os.Rename(fresh, path); err != nil {
		return done, err
	}
	return Compacted{before.Size(), after.Size()}, syncFolder(filepath.Dir(path))
}

// copyCompactly makes a synced and checked copy.
func copyCompactly(db *database, fresh string) error {
	to, err := bolt.Open(fresh, 0o600, &bolt.Options{NoSync: true, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return err
	}
	err = guarded(func() error { return bolt.Compact(to, db.DB, compactStep) })
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	return verifyFile(fresh)
}

// verifyFile looks at the pages of a file that nobody writes.
func verifyFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return new(database).judge(file, Options{ReadOnly: true}, 0)
}
