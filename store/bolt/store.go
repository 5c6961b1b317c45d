package bolt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"podium/contest"
)

// Options says how a store is opened. The zero value is right for a server.
type Options struct {
	// Logger receives what is worth an operator's attention. Nil discards it.
	Logger *slog.Logger

	// Now is the clock. Nil means time.Now.
	Now func() time.Time

	// OpenFile opens the data file, so that tests can put another one in its
	// place. Nil means os.OpenFile.
	OpenFile func(name string, flag int, perm os.FileMode) (*os.File, error)

	// LockTimeout is how long to wait for another process to let go of the
	// file. Zero means one second, negative not to wait.
	LockTimeout time.Duration

	// ReadOnly opens an existing file for reading, beside other readers.
	ReadOnly bool

	// DefaultCategories are put into a new file. Nil means the two categories
	// "worst" and "best".
	DefaultCategories []contest.Category

	// OnCommit, when set, is called after each commit with its size and how
	// long writing and syncing took. It is called on the committing goroutine
	// and must not block.
	OnCommit func(contest.Commit)

	// CompactFree is how many bytes of free pages, if they are half of the file
	// or more, make opening it compact it first. Zero means 16 MiB, negative
	// never.
	CompactFree int64

	// Rest, when set, is called after each step of about a millisecond in which
	// pages are looked at while the file is opened, with how long that took.
	Rest func(worked time.Duration)

	// newest, when set, is a transaction that the file must have. Its pages are
	// not looked at then: they were when it was opened first, and what was
	// damaged since keeps nobody from the rest.
	newest uint64

	// NoSync leaves out syncing. A crash of the machine then loses the file:
	// only for tests and for files that are built and synced at the end.
	NoSync bool
}

// mappedBytes is how much address space is reserved at opening. As long as the
// file fits, growing it needs no new mapping, which would have to wait for
// running reads (a backup, for one) to end.
const mappedBytes = 4 << 30

// growBytes is the step in which the file grows.
const growBytes = 4 << 20

// Store is an open contest file.
type Store struct {
	path    string
	options Options
	log     *slog.Logger
	now     func() time.Time

	// life guards db and epoch, which are replaced when the file is opened
	// again after a failed commit. It is held for reading by every
	// transaction.
	life  sync.RWMutex
	db    *database
	epoch string

	// synced is replaced after each sync. Readers see a commit before it is
	// synced: what must not be told of before that looks here.
	synced atomic.Pointer[synced]

	committer committer
	figures   figures
	hurried   atomic.Bool // Hurry was called
	passed    sync.Map    // ids of submissions that cannot be read and were told of
}

// synced is what is known to be on the disk.
type synced struct {
	transaction int
	event       uint64 // the last offset of the log
}

// syncedWith is what a transaction leaves on the disk when it is synced.
func syncedWith(tx *bolt.Tx) *synced {
	done := &synced{transaction: tx.ID()}
	if b := tx.Bucket(bucketEvents); b != nil { // a damaged file may lack it
		done.event = b.Sequence()
	}
	return done
}

// noteSynced notes that everything in a file that was just opened is synced.
func (s *Store) noteSynced(db *database) error {
	return db.View(func(tx *bolt.Tx) error {
		s.synced.Store(syncedWith(tx))
		return nil
	})
}

// Open opens the contest file at path, and makes it when there is none. The
// folder is made too. A file of an older format is migrated first, after a
// copy of it was put beside it.
//
// Every page is looked at first: a file that is damaged is not opened.
//
// Errors: [ErrLocked], [contest.ErrNewerFormat], [ErrNotAStore], [ErrDamaged],
// [ErrFull], or what the system says. Whatever the error, the file is neither
// open nor locked afterwards.
func Open(path string, options Options) (*Store, error) {
	s := &Store{path: path, options: options, log: options.Logger, now: options.Now}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if !options.ReadOnly {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, fmt.Errorf("make the data folder: %w", err)
		}
	}
	db, err := openFile(path, options)
	if err != nil {
		return nil, err
	}
	s.warn(db)
	if err := db.restoreMeta(options); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if db, err = s.compactAtOpen(db); err != nil {
		return nil, err
	}
	s.db = db
	if err := s.prepareFormat(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := s.noteSynced(db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s.committer.start(s)
	return s, nil
}

// warn says what is odd about a file that can be used all the same.
func (s *Store) warn(db *database) {
	switch {
	case db.verdict.heads == 1:
		s.log.Warn("one of the data file's two meta pages is damaged: the newest change may be lost", "file", s.path)
	case db.verdict.emptied:
		s.log.Warn("the data file was empty, and a new contest begins in it; podium restore brings back a backup", "file", s.path)
	}
}

// Path returns where the file is.
func (s *Store) Path() string { return s.path }

// Close waits for running transactions and lets go of the file. Changes asked
// for afterwards fail with [ErrClosed].
func (s *Store) Close() error {
	s.committer.stop()
	s.life.Lock()
	defer s.life.Unlock()
	if s.db == nil {
		return nil
	}
	err := s.db.Close()
	s.db = nil
	if err != nil {
		return fmt.Errorf("close %s: %w", s.path, err)
	}
	return nil
}

// view runs fn on a consistent snapshot. What fn takes out of the transaction
// must be copied.
func (s *Store) view(fn func(*bolt.Tx) error) error {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.db == nil {
		return contest.ErrClosed
	}
	return s.db.View(fn)
}

// Update runs change in a transaction that it may share with others, and
// returns after the sync.
func (s *Store) Update(ctx context.Context, doing string, change func(contest.Tx) error) error {
	return s.update(ctx, doing, func(tx *writeTx) error { return change(tx) })
}

var (
	_ contest.File = (*Store)(nil)
	_ contest.Tx   = (*writeTx)(nil)
)

// update runs fn in a transaction that it may share with others, and returns
// after the sync.
func (s *Store) update(ctx context.Context, doing string, fn func(*writeTx) error) error {
	if s.options.ReadOnly {
		return fmt.Errorf("%s: %w", doing, contest.ErrReadOnly)
	}
	if err := s.committer.do(ctx, fn); err != nil {
		return writeError(doing, err)
	}
	return nil
}
