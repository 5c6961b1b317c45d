package bolt

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// database is an open bbolt file, and the only way to it: whatever in it is
// damaged comes back as [ErrDamaged].
type database struct {
	*bolt.DB
	file     *os.File // the same one that bbolt has open and locked
	pageSize int

	// newest is the last transaction that is known to be in the file.
	newest atomic.Uint64

	// verdict is what was found when it was opened.
	verdict verdict

	// stuck: a panic of bbolt's left its lock for writing held. It is owned by
	// the committing goroutine.
	stuck bool
}

// openFile opens the bbolt file, without looking at what it holds, once its
// pages were found sound. Whoever waited for the lock may have got that of a
// file that was replaced meanwhile, by a restore or by compacting; then it
// opens the new one.
func openFile(path string, options Options) (*database, error) {
	for {
		db, err := openOnce(path, options)
		if err != nil {
			return nil, err
		}
		there, err := os.Stat(path)
		opened, statErr := db.file.Stat()
		if err = errors.Join(err, statErr); err == nil && os.SameFile(there, opened) {
			return db, nil
		}
		if err := errors.Join(err, db.Close()); err != nil {
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
	}
}

func openOnce(path string, options Options) (*database, error) {
	wait := options.LockTimeout
	if wait == 0 {
		wait = time.Second
	} else if wait < 0 {
		wait = time.Nanosecond
	}
	db := new(database)
	if info, err := os.Stat(path); err == nil && info.Size() == 0 {
		db.verdict.emptied = true
	}
	open := options.OpenFile
	if open == nil {
		open = os.OpenFile
	}
	boltOptions := &bolt.Options{
		Timeout:         wait,
		ReadOnly:        options.ReadOnly,
		PreLoadFreelist: true,
		FreelistType:    bolt.FreelistMapType,
		InitialMmapSize: initialMapping(),
		NoSync:          options.NoSync,
		OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
			file, err := open(name, flag, perm)
			if err != nil {
				return nil, notAFolder(name, err)
			}
			if err := db.judge(file, options, wait); err != nil {
				_ = file.Close() // it was not written to, and closing unlocks it
				return nil, err
			}
			db.file = file
			return file, nil
		},
	}
	err := guarded(func() (err error) {
		db.DB, err = bolt.Open(path, 0o600, boltOptions)
		return err
	})
	switch {
	case err == nil:
		db.AllocSize = growBytes
		db.pageSize = db.Info().PageSize
		return db, nil
	case errors.Is(err, bolterrors.ErrTimeout):
		err = ErrLocked
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		err = fmt.Errorf("%w: %w", ErrNotAStore, err)
	}
	if db.file != nil {
		unlockFile(db.file) // after a panic, what bbolt mapped keeps the file open
		_ = db.file.Close()
	}
	return nil, writeError("open "+path, err)
}

// notAFolder names the kind of what cannot be opened as a file.
func notAFolder(name string, err error) error {
	if info, statErr := os.Stat(name); statErr == nil && info.IsDir() {
		return fmt.Errorf("%w: it is a folder", ErrNotAStore)
	}
	return err
}

// judge locks a file and looks at its pages. A new one, which is empty, has none.
func (d *database) judge(file *os.File, options Options, wait time.Duration) error {
	if err := lockFile(file, !options.ReadOnly, wait); err != nil {
		return err
	}
	info, err := file.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: it is not a file", ErrNotAStore)
	case info.Size() == 0 && !options.ReadOnly:
		return nil
	case info.Size() == 0:
		return fmt.Errorf("%w: it is empty", ErrNotAStore)
	}
	metas := readMetas(file)
	if len(metas) == 0 {
		return ErrNotAStore
	}
	d.pageSize = int(metas[0].pageSize)
	d.newest.Store(max(metas[0].txid, options.newest))
	if options.newest > 0 {
		d.verdict.heads = len(metas)
		return d.checkHead(file)
	}
	d.verdict = verify(file, info.Size(), metas[0], len(metas), options.Rest)
	return d.verdict.err()
}

// View is bbolt's.
func (d *database) View(fn func(*bolt.Tx) error) error {
	return guarded(func() error {
		if _, err := d.meta(d.file); err != nil {
			return err
		}
		return d.DB.View(fn)
	})
}

// restoreMeta writes the second meta page of a file that has one only, as a
// power loss in the middle of a commit leaves it: bbolt writes them in turn, so
// a commit of nothing does.
func (d *database) restoreMeta(options Options) error {
	if d.verdict.heads != 1 || options.ReadOnly {
		return nil
	}
	if err := d.Update(func(*bolt.Tx) error { return nil }); err != nil {
		return fmt.Errorf("write the second meta page: %w", err)
	}
	d.verdict.heads = 2
	return nil
}

// meta reads the meta page of the newest transaction. It is asked before every
// transaction, and mostly reads one of the two alone.
//
// bbolt would take what the other one says where this one is damaged: readers
// would see what was before the last commit, and the next one would write over
// what it holds.
func (d *database) meta(file io.ReaderAt) (meta, error) {
	var head [headBytes + metaBytes]byte
	known := d.newest.Load()
	for _, id := range []uint64{known, known + 1} {
		if _, err := file.ReadAt(head[:], int64(id%2)*int64(d.pageSize)); err != nil {
			continue
		}
		if m, ok := parseMeta(head[:]); ok && m.txid >= known {
			d.know(m.txid)
			return m, nil
		}
	}
	return meta{}, fmt.Errorf("%w: the meta page of its last change cannot be read", ErrDamaged)
}

// know notes that a transaction is in the file.
func (d *database) know(id uint64) {
	for known := d.newest.Load(); id > known; known = d.newest.Load() {
		if d.newest.CompareAndSwap(known, id) {
			return
		}
	}
}

// checkHead looks at what bbolt reads without judging it: the meta page, without
// which it panics holding its locks, and the head of the list of free pages, as
// many of which it frees as are said to belong to it.
func (d *database) checkHead(file io.ReaderAt) error {
	m, err := d.meta(file)
	if err != nil {
		return err
	}
	pages := pageFile{from: file, size: m.pageSize, count: m.pages}
	if _, err := pages.head(m.freelist, freelistPage); err != nil {
		return fmt.Errorf("%w: the list of free pages: %w", ErrDamaged, err)
	}
	return nil
}

// Update is bbolt's, for a file that nobody else writes yet.
func (d *database) Update(fn func(*bolt.Tx) error) error {
	return guarded(func() error {
		if err := d.checkHead(d.file); err != nil {
			return err
		}
		return d.DB.Update(fn)
	})
}

// Begin is bbolt's, for writing. Whoever ends the transaction does so by finish
// or rollback.
func (d *database) Begin() (tx *bolt.Tx, err error) {
	err = guarded(func() error {
		if err := d.checkHead(d.file); err != nil {
			return err
		}
		tx, err = d.DB.Begin(true)
		return err
	})
	return tx, err
}

// errPanic: bbolt panicked in the middle of a commit.
var errPanic = errors.New("commit")

// commit commits. A transaction that bbolt panicked in still holds its lock for
// writing and must let go of it: the next one would wait for it for ever.
func (d *database) commit(tx *bolt.Tx) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = errors.Join(fmt.Errorf("%w: %v", errPanic, reason), d.rollback(tx))
		}
	}()
	id := uint64(tx.ID())
	err = guarded(tx.Commit)
	switch {
	case err == nil:
		d.know(id)
	case errors.Is(err, ErrDamaged):
		err = errors.Join(fmt.Errorf("%w: %w", errPanic, err), d.rollback(tx))
	}
	return err
}

// rollback ends a transaction without a change.
func (d *database) rollback(tx *bolt.Tx) error {
	err := guarded(tx.Rollback)
	if errors.Is(err, bolterrors.ErrTxClosed) {
		return nil
	}
	if err != nil {
		d.stuck = true
	}
	return err
}

// Close waits for running transactions and lets go of the file.
func (d *database) Close() error {
	if d.stuck { // bbolt would wait for its own lock
		unlockFile(d.file)
		return nil
	}
	return guarded(d.DB.Close)
}
