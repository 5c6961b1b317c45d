package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"podium/contest"
)

// maxShared is how many changes share one transaction at most.
const maxShared = 1024

// commitTimeout bounds one attempt to run a batch.
const commitTimeout = 10 * time.Second

// committer runs all changes of this machine, one transaction after the other,
// on a goroutine of its own. What is asked for while a transaction runs goes
// with the next.
type committer struct {
	store *Store

	// mu guards waiting and stopped.
	mu      sync.Mutex
	waiting []*change
	stopped bool

	wake chan struct{} // capacity 1
	done chan struct{} // closed when the goroutine has ended

	// Owned by the goroutine: its connection, nil where there is none, and the
	// batch before, whose row is not needed any more.
	conn *pgx.Conn
	last string
}

// change is one caller's part of a transaction.
type change struct {
	ctx  context.Context
	fn   func(contest.Tx) error
	err  error
	done chan struct{} // closed when err is final
}

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

// do hands fn to the goroutine and waits for the commit. A context that ends
// while fn still waits takes it back.
func (c *committer) do(ctx context.Context, fn func(contest.Tx) error) error {
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
	if c.conn != nil {
		c.forgetLast()
		c.hangUp()
	}
}

// commitAll commits until nothing waits.
func (c *committer) commitAll() {
	for {
		c.mu.Lock()
		n := min(len(c.waiting), maxShared)
		batch := c.waiting[:n:n]
		if c.waiting = c.waiting[n:]; len(c.waiting) == 0 {
			c.waiting = nil
		}
		c.mu.Unlock()
		if n == 0 {
			return
		}
		c.commit(batch)
		for _, one := range batch {
			close(one.done)
		}
	}
}

// commit runs the changes of a batch and sets their errors.
func (c *committer) commit(batch []*change) {
	var live []*change
	for _, one := range batch {
		if one.err = one.ctx.Err(); one.err == nil {
			live = append(live, one)
		}
	}
	deadline := time.Now().Add(c.store.options.Patience)
	for alone := false; len(live) > 0; {
		r := c.try(live, alone, deadline)
		switch {
		case r.err == nil:
			return
		case r.fails != nil: // it alone is to blame, and the others begin anew
			r.fails.err = r.err
			live = without(live, r.fails)
		case r.read:
			alone = true
		case !r.again || time.Now().After(deadline):
			c.store.figures.failed(r.err)
			c.store.log.Error("changes could not be stored", "error", r.err, "changes", len(live))
			for _, one := range live {
				one.err = r.err
			}
			return
		}
	}
}

func without(list []*change, gone *change) []*change {
	var left []*change
	for _, one := range list {
		if one != gone {
			left = append(left, one)
		}
	}
	return left
}

// result says what became of an attempt. The zero value is a commit.
type result struct {
	err   error
	fails *change // whose fault it is
	read  bool    // it must run in a transaction that reads
	again bool    // nothing was committed and the same may work now
}

// try runs a batch once.
func (c *committer) try(batch []*change, alone bool, deadline time.Time) result {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	if err := c.dial(ctx); err != nil {
		pause(deadline)
		return result{err: explain(err), again: true}
	}
	if alone {
		return c.tryAlone(ctx, batch, deadline)
	}
	return c.tryBlind(ctx, batch, deadline)
}

// retryPause is how long the committer waits before it connects again.
const retryPause = 50 * time.Millisecond

func pause(deadline time.Time) { time.Sleep(min(retryPause, max(0, time.Until(deadline)))) }

// tryBlind runs the changes without a connection, and sends what they wrote.
func (c *committer) tryBlind(ctx context.Context, batch []*change, deadline time.Time) result {
	all, known := newWrites(), c.store.watch.categories()
	guard := int64(-1)
	for _, one := range batch {
		t := &tx{ctx: ctx, now: c.store.now(), before: all, own: newWrites(), known: known}
		if err := run(one.fn, t); err != nil {
			return result{err: err, read: true} // what it believed may have been wrong
		}
		if t.believed {
			guard = known.version
		}
		all.add(t.own)
	}
	return c.send(ctx, all, len(batch), guard, deadline)
}

// tryAlone runs the changes in a transaction that holds the head.
func (c *committer) tryAlone(ctx context.Context, batch []*change, deadline time.Time) result {
	if err := beginAlone(ctx, c.conn); err != nil {
		c.rollBack(ctx)
		return c.failed(err, deadline)
	}
	all, wrote := newWrites(), false
	for _, one := range batch {
		t := &tx{ctx: ctx, conn: c.conn, now: c.store.now(), before: all, own: newWrites()}
		err := run(one.fn, t)
		if c.conn.PgConn().TxStatus() != 'T' { // the database refused something, or is away
			c.rollBack(ctx)
			if err == nil || again(err) {
				return result{err: explain(errors.Join(err, ctx.Err())), again: true}
			}
			return result{err: explain(err), fails: one}
		}
		if one.err = err; err != nil {
			if t.wrote {
				c.rollBack(ctx)
				return result{err: err, fails: one}
			}
			continue
		}
		wrote = wrote || t.wrote
		all.add(t.own)
	}
	if all.empty() && !wrote {
		c.rollBack(ctx)
		return result{}
	}
	r := c.send(ctx, all, len(batch), -1, deadline)
	if r.err != nil {
		c.rollBack(ctx)
	}
	return r
}

// run runs one caller's code, and turns a panic in it into an error of that
// caller alone.
func run(fn func(contest.Tx) error, t *tx) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("panic in a change: %v\n%s", reason, debug.Stack())
		}
	}()
	return fn(t)
}

// send sends all writes and the commit at once. On a connection that is in a
// transaction it ends that; otherwise the statements are one by themselves.
func (c *committer) send(ctx context.Context, w *writes, changes int, guard int64, deadline time.Time) result {
	began := time.Now()
	inside := c.conn.PgConn().TxStatus() == 'T'
	if w.empty() && !inside {
		return result{}
	}
	id := rand.Text()
	var b pgx.Batch
	if !inside {
		queueTimeouts(&b)
	}
	b.Queue(`insert into podium.batches (id) values ($1)`, id)
	if c.last != "" {
		b.Queue(`delete from podium.batches where id = $1`, c.last)
	}
	var last, version uint64
	if err := w.queue(&b, !inside, guard, func(l, v uint64) { last, version = l, v }); err != nil {
		return result{err: err}
	}
	if inside {
		b.Queue(`commit`)
	}
	err := c.conn.SendBatch(ctx, &b).Close()
	if err != nil && open(err) {
		err = c.resolve(id, err, deadline)
	}
	switch code := codeOf(err); {
	case err == nil:
		c.last = id
		if w.categories != nil {
			c.store.watch.forgetCategories()
		}
		c.store.watch.saw(last, version)
		c.store.note(contest.Commit{Changes: changes, Took: time.Since(began)})
		return result{}
	case !inside && (code == codeUnique || code == codeCheck):
		c.store.watch.forgetCategories()
		return result{err: err, read: true}
	default:
		return c.failed(err, deadline)
	}
}

// failed is the result of an attempt after which nothing is committed.
func (c *committer) failed(err error, deadline time.Time) result {
	if codeOf(err) == codeReadOnly { // a replica: the next connection may reach the primary
		c.hangUp()
		pause(deadline)
	}
	return result{err: explain(err), again: again(err)}
}

// note counts a commit.
func (s *Store) note(commit contest.Commit) {
	s.figures.committed(commit)
	if s.options.OnCommit != nil {
		s.options.OnCommit(commit)
	}
}

// again reports whether nothing was committed and the same may work the next
// time.
func again(err error) bool {
	switch codeOf(err) {
	case codeSerialization, codeDeadlock, codeReadOnly:
		return true
	}
	return errors.Is(explain(err), contest.ErrAway) && !errors.Is(err, contest.ErrInDoubt)
}

// resolve finds out what became of a batch whose commit was not answered, nil
// where it is committed. See doc.go for why inserting the same row tells.
func (c *committer) resolve(id string, because error, deadline time.Time) error {
	c.hangUp()
	c.store.log.Warn("a commit was not answered; asking what became of it", "error", because)
	// Longer than a change waits for a database that is away: here something is
	// at stake.
	for until := deadline.Add(commitTimeout); ; {
		ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
		err := c.dial(ctx)
		if err == nil {
			_, err = c.conn.Exec(ctx, `insert into podium.batches (id) values ($1)`, id)
		}
		cancel()
		switch {
		case err == nil:
			c.last = id
			return fmt.Errorf("%w: %w", contest.ErrAway, because) // and never will be
		case codeOf(err) == codeUnique:
			return nil
		case codeOf(err) == codeReadOnly, open(err):
			c.hangUp()
		}
		if time.Now().After(until) {
			return fmt.Errorf("%w: %w", contest.ErrInDoubt, because)
		}
		pause(until)
	}
}

// dial makes sure that there is a connection.
func (c *committer) dial(ctx context.Context) error {
	if c.conn != nil && !c.conn.IsClosed() {
		return nil
	}
	conn, err := c.store.connect(ctx)
	if err != nil {
		return err
	}
	c.conn = conn
	return nil
}

// rollBack ends a transaction without a commit, with the connection where that
// fails.
func (c *committer) rollBack(ctx context.Context) {
	if c.conn == nil || c.conn.IsClosed() || c.conn.PgConn().TxStatus() == 'I' {
		return
	}
	if _, err := c.conn.Exec(ctx, `rollback`); err != nil {
		c.hangUp()
	}
}

func (c *committer) hangUp() {
	if c.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.conn.Close(ctx) // it is of no more use whatever this says
	c.conn = nil
}

// forgetLast removes the row of the last batch, which is answered.
func (c *committer) forgetLast() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = c.conn.Exec(ctx, `delete from podium.batches where id = $1`, c.last) // rows that are left do no harm
}
