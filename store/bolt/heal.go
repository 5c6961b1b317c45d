package bolt

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// What a failed commit leaves behind, and how the store goes on.
//
// A commit writes its data pages, syncs, writes one meta page, syncs again.
//
//   - When writing or syncing data pages fails (a full disk), the meta page is
//     the old one. bbolt takes its list of free pages back to that state, and
//     the next commit may simply try again.
//   - When writing or syncing the meta page fails, the new one may be visible
//     to readers and yet not be on the disk. Going on would let the next
//     commit reuse pages that the meta page on the disk still needs, and pages
//     that a running read still looks at. So before anything else is written,
//     the visible meta page is written and synced once more (sealed), running
//     reads are waited for, and the file is opened anew. If that works at
//     once, the commit counts as done after all. If not, its changes fail with
//     ErrInDoubt, and until the file is sealed nobody is told of its events or
//     given its kept answers.
//   - When the mapping was lost, only opening anew helps. So it does when bbolt
//     panicked on a damaged page: its list of free pages is not to be trusted.
//
// suspect says that one of the latter two has happened. It is owned by the
// committing goroutine.

// noteFailure looks at what a failed commit of transaction id left behind.
// The caller holds life for reading.
func (s *Store) noteFailure(id int, err error) {
	s.figures.failed(err)
	s.log.Error("a change could not be written", "error", err)
	visible := 0
	readErr := s.db.View(func(tx *bolt.Tx) error {
		visible = tx.ID()
		return nil
	})
	if readErr != nil {
		s.committer.suspect = true
		return
	}
	if visible >= id || errors.Is(err, bolterrors.ErrInvalidMapping) || errors.Is(err, errPanic) {
		s.committer.suspect = true
	}
}

// heal makes the file fit for writing after a failure; usually there is
// nothing to do. It runs on the committing goroutine, without locks held.
func (s *Store) heal() error {
	if !s.committer.suspect {
		return nil
	}
	if err := s.sealMeta(); err != nil {
		return fmt.Errorf("sync again after a failed commit: %w", err)
	}
	s.life.Lock()
	defer s.life.Unlock()
	if s.db != nil {
		if err := s.db.checkHead(s.db.file); err != nil {
			return err // what is open can still be read
		}
		s.committer.newest = s.db.newest.Load()
		err := s.db.Close()
		s.db = nil
		if err != nil {
			s.log.Warn("the data file did not close cleanly", "error", err)
		}
	}
	options := s.options
	options.newest = s.committer.newest
	db, err := openFile(s.path, options)
	if err != nil {
		return fmt.Errorf("open the data file again: %w", err)
	}
	s.db = db
	_, err = s.readFormat()
	if err == nil {
		err = s.noteSynced(db)
	}
	if err != nil {
		s.db = nil
		return errors.Join(err, db.Close())
	}
	s.committer.suspect = false
	s.committer.subjects.drop()
	s.log.Warn("the data file was opened again after a failed commit")
	return nil
}

// sealMeta writes both meta pages once more, as they are, and syncs. The
// kernel forgets that a page needs writing after a failed sync; writing the
// same bytes again makes it remember.
func (s *Store) sealMeta() error {
	open := s.options.OpenFile
	if open == nil {
		open = os.OpenFile
	}
	file, err := open(s.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	size := metaPageSize(file)
	if size == 0 {
		return ErrNotAStore
	}
	pages := make([]byte, 2*size)
	if _, err := file.ReadAt(pages, 0); err != nil {
		return err
	}
	if _, err := file.WriteAt(pages, 0); err != nil {
		return err
	}
	return syncFile(file)
}

// syncFile syncs, unless a signal comes in between, as often as it takes.
func syncFile(file *os.File) error {
	for {
		err := file.Sync()
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// durableAfterAll tries to rescue a commit whose meta page is visible but was
// not synced.
func (s *Store) durableAfterAll(id int) bool {
	if !s.committer.suspect {
		return false
	}
	if err := s.heal(); err != nil {
		return false
	}
	durable := false
	err := s.view(func(tx *bolt.Tx) error {
		durable = tx.ID() >= id
		return nil
	})
	return err == nil && durable
}
