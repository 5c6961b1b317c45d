package store

import (
	"errors"
	"fmt"
)

// After a failed commit the process's picture of the file and the file itself
// may differ. A commit writes its new pages where no reader looks, syncs, and
// only then writes the page that makes them count:
//
//   - A full disk fails the first write: the old state stands, in the file and
//     in memory, and readers never notice.
//   - A failed last write or sync leaves open which of the two states the disk
//     holds. The caller was given an error; whoever asks again with the same
//     idempotency key gets one submission, whichever it was.
//
// In both cases the file is opened anew before the next change, so that the
// change builds on what the file says.

// noteFailure remembers that a commit failed.
func (s *Store) noteFailure(err error) {
	s.figures.failed(err)
	s.committer.sick = true
	s.log.Error("a change could not be committed", "error", err)
}

// heal opens the file anew after a failed commit. It is called by the
// committing goroutine alone.
func (s *Store) heal() error {
	if !s.committer.sick {
		return nil
	}
	s.life.Lock()
	defer s.life.Unlock()
	if s.db != nil {
		err := s.db.Close()
		s.db = nil
		if err != nil {
			s.log.Warn("close the data file after a failed commit", "error", err)
		}
	}
	db, err := openFile(s.path, s.options)
	if err != nil {
		return fmt.Errorf("open the data file after a failed commit: %w", err)
	}
	s.db = db
	if _, err := s.readFormat(); err != nil {
		s.db = nil
		return errors.Join(err, db.Close())
	}
	s.committer.sick = false
	return nil
}
