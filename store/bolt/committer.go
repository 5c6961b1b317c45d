package bolt

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"podium/contest"
)

// maxShared is how many changes share one transaction at most.
const maxShared = 1024

// committer runs all changes, one transaction after the other, on a goroutine
// of its own. What is asked for while a transaction is being synced waits and
// goes with the next, so that under load many changes share a sync, and
// without load none waits for company.
type committer struct {
	store *Store

	// mu guards waiting and stopped.
	mu      sync.Mutex
	waiting []*change
	stopped bool

	// suspect: a failed commit left the file in doubt, see heal.go, and newest
	// is the transaction that it must have when it is opened again. They are
	// owned by the committing goroutine.
	suspect bool
	newest  uint64

	subjects subjectIndex

	wake chan struct{} // capacity 1
	done chan struct{} // closed when the goroutine has ended
}

// change is one caller's part of a transaction.
type change struct {
	ctx  context.Context
	fn   func(*writeTx) error
	err  error
	done chan struct{} // closed when err is final
}

// writeTx is a transaction as a change sees it. A change that returns an error
// before it put or deleted anything is left out; one that fails later makes
// the transaction start anew without it.
type writeTx struct {
	*bolt.Tx
	now      time.Time
	touched  bool
	subjects *subjectIndex
}

func (t *writeTx) put(bucket, key, value []byte) error {
	t.touched = true
	return t.Bucket(bucket).Put(key, value)
}

func (t *writeTx) delete(bucket, key []byte) error {
	t.touched = true
	return t.Bucket(bucket).Delete(key)
}

// Now is when the transaction began.
func (t *writeTx) Now() time.Time { return t.now }

func (t *writeTx) get(bucket, key []byte) []byte { return t.Bucket(bucket).Get(key) }

func (c *committer) start(s *Store) {
	c.store = s
	c.wake = make(chan struct{}, 1)
	c.done = make(chan struct{})
	go c.run()
}

// stop lets what waits be committed, and waits for that.
func (c *committer) stop() {
	c.mu.Lock()
	already := c.stopped
	c.stopped = true
	c.mu.Unlock()
	if !already {
		close(c.wake)
	}
	<-c.done
}

// do hands fn to the committing goroutine and waits for the sync. A context
// that ends while fn still waits takes it back.
func (c *committer) do(ctx context.Context, fn func(*writeTx) error) error {
	one := &change{ctx: ctx, fn: fn, done: make(chan struct{})}
	c.mu.Lock()
	if c.stopped {
		c.mu.Unlock()
		return contest.ErrClosed
	}
	c.waiting = append(c.waiting, one)
	select {
	case c.wake <- struct{}{}:
	default:
	}
	c.mu.Unlock()
	<-one.done
	return one.err
}

func (c *committer) run() {
	defer close(c.done)
	for range c.wake {
		c.commitAll()
	}
	c.commitAll()
}

// commitAll commits until nothing waits.
func (c *committer) commitAll() {
	for n := c.commitWaiting(); n > 0; n = c.commitWaiting() {
		c.gather(n)
	}
}

// gatherFor bounds gather: a small part of what a sync takes.
const gatherFor = 50 * time.Microsecond

// gather lets the callers of the last transaction, which just got their
// answers, hand in their next changes, where there were several. Otherwise the
// first of them would start a transaction alone, and every second one would
// hold half of what it could.
func (c *committer) gather(last int) {
	if last == 1 {
		return
	}
	for began := time.Now(); time.Since(began) < gatherFor; {
		c.mu.Lock()
		enough := len(c.waiting) >= last || c.stopped
		c.mu.Unlock()
		if enough {
			return
		}
		runtime.Gosched()
	}
}

// commitWaiting commits what waits, and returns how many changes that were.
func (c *committer) commitWaiting() int {
	c.mu.Lock()
	n := min(len(c.waiting), maxShared)
	batch := c.waiting[:n:n]
	c.waiting = c.waiting[n:]
	if len(c.waiting) == 0 {
		c.waiting = nil
	}
	c.mu.Unlock()
	if n == 0 {
		return 0
	}
	c.commit(batch)
	for _, one := range batch {
		close(one.done)
	}
	return n
}

// commit runs the changes of a batch in one transaction and sets their errors.
func (c *committer) commit(batch []*change) {
	live := make([]*change, 0, len(batch))
	for _, one := range batch {
		if err := one.ctx.Err(); err != nil {
			one.err = err
			continue
		}
		live = append(live, one)
	}
	for len(live) > 0 {
		failed, err := c.try(live)
		if failed < 0 {
			for _, one := range live {
				if one.err == nil {
					one.err = err
				}
			}
			return
		}
		live[failed].err = err
		live = append(live[:failed:failed], live[failed+1:]...)
	}
}

// try runs one transaction. When a change fails after it changed something,
// nothing is committed and its index is returned. Otherwise the index is -1
// and the error that of the commit.
func (c *committer) try(batch []*change) (failed int, err error) {
	if err := c.store.heal(); err != nil {
		c.store.figures.failed(err)
		return -1, err
	}
	failed, id, err := c.transact(batch)
	switch {
	case err == nil || failed >= 0:
	case c.store.durableAfterAll(id):
		err = nil
	case c.suspect:
		err = fmt.Errorf("%w: %w", contest.ErrInDoubt, err)
	}
	return failed, err
}

// transact is try without what must happen outside of the lock. It returns
// the transaction's id, too.
func (c *committer) transact(batch []*change) (failed, id int, err error) {
	s := c.store
	s.life.RLock()
	defer s.life.RUnlock()
	tx, err := s.db.Begin()
	if err != nil {
		s.noteFailure(math.MaxInt, err)
		return -1, math.MaxInt, err
	}
	id = tx.ID()
	write := &writeTx{Tx: tx, now: s.now(), subjects: &c.subjects}
	changed := false
	for i, one := range batch {
		write.touched = false
		one.err = nil
		err := runChange(one.fn, write)
		if err != nil && write.touched {
			return i, id, errors.Join(err, s.db.rollback(tx))
		}
		one.err = err
		changed = changed || write.touched
	}
	if !changed {
		return -1, id, s.db.rollback(tx)
	}
	return -1, id, c.finish(tx, len(batch))
}

// finish commits the transaction and counts it.
func (c *committer) finish(tx *bolt.Tx, changes int) error {
	s := c.store
	id, began, done := tx.ID(), time.Now(), syncedWith(tx)
	if err := s.db.commit(tx); err != nil {
		s.noteFailure(id, err)
		return err
	}
	s.synced.Store(done)
	commit := contest.Commit{Changes: changes, Took: time.Since(began)}
	s.figures.committed(commit)
	if s.options.OnCommit != nil {
		s.options.OnCommit(commit)
	}
	return nil
}

// runChange runs one caller's code, and turns a panic in it into an error of
// that caller alone.
func runChange(fn func(*writeTx) error, tx *writeTx) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			tx.touched = true
			err = fmt.Errorf("panic in a change: %v\n%s", reason, debug.Stack())
		}
	}()
	err = guarded(func() error { return fn(tx) })
	if errors.Is(err, ErrDamaged) {
		tx.touched = true // who knows what it did before
	}
	return err
}
