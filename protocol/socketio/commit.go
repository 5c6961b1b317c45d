package socketio

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// committer appends entries to the log: many callers' entries in one batch, one
// batch at a time. No lock is held while the log is written. Of the callers that
// wait, one does the work for all and then hands it to the next.
type committer struct {
	publisher *publisher

	// mu guards the fields below. No other lock is taken under it.
	mu      sync.Mutex
	leading bool       // a caller is at work
	queue   []*pending // to be appended, in the order they came
	logged  []*pending // appended, and not delivered here yet; by offset
}

// pending is an entry whose caller waits.
type pending struct {
	entry Entry
	err   error
	done  chan bool // true: it is the caller's turn to lead
}

// commitBatch is how many entries are appended together.
const commitBatch = 256

// commit appends an entry, and returns when it was delivered to the sockets of this
// server: whatever the caller does next comes behind it.
func (c *committer) commit(e Entry) error {
	p := c.publisher
	if err := p.start(); err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	e.At, e.From = p.now(), p.server.self
	w := &pending{entry: e, done: make(chan bool, 1)}
	c.mu.Lock()
	c.queue = append(c.queue, w)
	lead := !c.leading
	c.leading = true
	c.mu.Unlock()
	if lead || <-w.done {
		c.lead()
		<-w.done
	}
	return w.err
}

// lead appends one batch, which the caller's entry is in, and has the next in the
// queue lead.
func (c *committer) lead() {
	c.mu.Lock()
	batch := c.queue
	if len(batch) > commitBatch {
		batch = batch[:commitBatch:commitBatch]
	}
	c.queue = c.queue[len(batch):]
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.leading = len(c.queue) > 0; c.leading {
			c.queue[0].done <- true
		} else {
			c.queue = nil
		}
	}()
	c.append(batch)
}

// append appends a batch and delivers it, or leaves that to who follows the log.
func (c *committer) append(batch []*pending) {
	p := c.publisher
	entries := make([]Entry, len(batch))
	for i, w := range batch {
		entries[i] = w.entry
	}
	h, err := p.write(entries)
	if err != nil {
		for _, w := range batch {
			w.err = err
			w.done <- false
		}
		return
	}
	for i, w := range batch {
		w.entry.Offset = entries[i].Offset
	}
	c.mu.Lock()
	c.logged = append(c.logged, batch...)
	c.mu.Unlock()
	if entries[0].Offset == 0 { // in a log that may have lost its end
		p.takeStock()
		c.release(^uint64(0))
		return
	}
	if p.deliverAppended(h, entries) {
		return // which has released those that wait
	}
	switch {
	case p.closed.Load():
		c.release(^uint64(0)) // nobody delivers any more
	case p.follower == nil && p.publish() != nil: // which tries again by itself
		c.release(^uint64(0))
	default:
		c.release(p.last.Load()) // it may have been delivered before it was in c.logged
	}
}

// write appends entries to the log, anew where the log turns out to have another
// history: nothing was appended then.
func (p *publisher) write(entries []Entry) (*history, error) {
	ctx, cancel := p.patience()
	defer cancel()
	for tries := 0; ; tries++ {
		h := p.history.Load()
		err := p.appendAt(ctx, h, entries)
		p.link.note(err)
		if tries > 0 || !errors.Is(err, ErrEpoch) {
			return h, err
		}
		if err := p.lookAnew(ctx); err != nil {
			return h, err
		}
	}
}

// appendAt appends entries to the history h, as far as the log can tell.
func (p *publisher) appendAt(ctx context.Context, h *history, entries []Entry) error {
	if a, ok := p.appender.(AppenderAt); ok {
		return a.AppendAt(ctx, Position{Epoch: h.epoch, Incarnation: h.incarnation}, entries)
	}
	return p.appender.Append(ctx, entries)
}

// takeStock looks whether the log still has what was delivered.
func (p *publisher) takeStock() {
	ctx, cancel := p.patience()
	defer cancel()
	if err := p.lookAnew(ctx); err != nil {
		p.server.opts.Logger.Error("socket.io recovery: read the log", "error", err)
	}
}

// lookAnew reads where a log stands whose history is another.
func (p *publisher) lookAnew(ctx context.Context) error {
	_, at, err := p.log.Read(ctx, 0, 0)
	if err != nil {
		return err
	}
	p.observe(at)
	return nil
}

// release lets those go on whose entries were delivered, up to an offset.
func (c *committer) release(upTo uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for n < len(c.logged) && c.logged[n].entry.Offset <= upTo {
		c.logged[n].done <- false
		n++
	}
	if c.logged = c.logged[n:]; len(c.logged) == 0 {
		c.logged = nil
	}
}
