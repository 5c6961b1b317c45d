package socketio

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"sync"
	"time"
)

var (
	errNoJSON = errors.New("an argument is not JSON")
	errKind   = errors.New("this version does not know its kind")
)

// deadLetter notes an entry that could not be delivered and is passed over.
func (p *publisher) deadLetter(e *Entry, err error) {
	p.server.stats.deadLetters.Add(1)
	p.server.opts.Logger.Error("socket.io recovery: an entry of the log was passed over", "offset", e.Offset, "event", e.Event, "error", err)
}

// link is the goroutine that follows the log, and whether the log can be reached.
type link struct {
	cancel context.CancelFunc // nil where nothing is followed
	ended  chan struct{}

	// mu guards the fields below.
	mu    sync.Mutex
	since time.Time // of the first failure after the last success; zero while all is well
	last  error
	cut   bool // connections were closed for it
}

func (l *link) start(f func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel, l.ended = cancel, make(chan struct{})
	go func() {
		defer close(l.ended)
		f(ctx)
	}()
}

func (l *link) stop() {
	if l.cancel != nil {
		l.cancel()
		<-l.ended
	}
}

// note takes the outcome of a call to the log, and reports whether it was the first
// failure or the first success again.
func (l *link) note(err error) (changed bool) {
	if errors.Is(err, ErrEpoch) || errors.Is(err, context.Canceled) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last = err; err == nil {
		changed = !l.since.IsZero()
		l.since, l.cut = time.Time{}, false
		return changed
	}
	if changed = l.since.IsZero(); changed {
		l.since = time.Now()
	}
	return changed
}

// away returns for how long the log could not be reached, and why.
func (l *link) away() (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since.IsZero() {
		return 0, nil
	}
	return time.Since(l.since), l.last
}

// mustCut reports, once while the log is away, that it has been so for too long.
func (l *link) mustCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since.IsZero() || l.cut || time.Since(l.since) < cutAfter {
		return false
	}
	l.cut = true
	return true
}

// How long the log may be away before the server says that it is not ready, and
// before it sends its clients to others.
const (
	notReadyAfter = 3 * time.Second
	cutAfter      = 10 * time.Second
)

// Ready returns nil where the server can do what it is for, or why it cannot: the
// log could not be read or written for 3 seconds. A server that is cut off from
// the log it shares delivers nothing, rather than something out of order, and
// closes its connections after 10 seconds, so that clients go elsewhere.
func (srv *Server) Ready() error {
	if srv.publisher == nil {
		return nil
	}
	if srv.publisher.history.Load() == nil {
		return errors.New("socketio: the log was not read yet")
	}
	if d, err := srv.publisher.link.away(); d >= notReadyAfter {
		return fmt.Errorf("socketio: the log is away for %s: %w", d.Round(time.Second), err)
	}
	return nil
}

// follow delivers what comes into the log until ctx ends.
func (p *publisher) follow(ctx context.Context) {
	for ctx.Err() == nil {
		err := p.followOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if p.link.note(err) && err != nil {
			p.server.opts.Logger.Warn("socket.io recovery: the log is away", "error", err)
		}
		if err == nil {
			continue
		}
		p.commits.release(^uint64(0)) // they are logged, and nobody knows when they will be delivered
		if p.link.mustCut() {
			p.server.opts.Logger.Error("socket.io recovery: the log is away, connections are closed", "error", err)
			p.closeAll()
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryInterval):
		}
	}
}

func (p *publisher) followOnce(ctx context.Context) error {
	if err := p.start(); err != nil {
		return err
	}
	h, after := p.history.Load(), p.last.Load()
	entries, at, err := p.follower.Follow(ctx, after, publishBatch)
	if err != nil {
		return err
	}
	if p.history.Load().generation == h.generation {
		p.take(after, entries, at)
	}
	return nil
}

// observe compares the history that the log has now with the one that is being
// delivered, and returns the latter. Where they differ it goes on in the new one: as
// another incarnation, where that has what was delivered, or else anew, which closes the
// connections. It returns false where at is not of the history returned: what was read
// with it may be lost by now. It may read the log; no lock may be held but reading.
func (p *publisher) observe(at Position) (*history, bool) {
	p.setClock(at)
	if h := p.history.Load(); h.is(at) {
		return h, true
	}
	ctx, cancel := p.patience()
	defer cancel()
	for ctx.Err() == nil {
		h, m := p.history.Load(), p.mark()
		// at may have been under way for long: what counts is how the log stands after h
		// was.
		_, now, err := p.log.Read(ctx, 0, 0)
		if err != nil {
			break // whoever reads next finds out
		}
		if h.is(now) {
			return h, h.is(at)
		}
		if now.Epoch == h.epoch && p.stillHas(ctx, m) {
			if h, ok := p.adopt(h, now, m); ok {
				return h, h.is(at)
			}
			continue
		}
		last, err := p.lastOf(ctx, now)
		if err != nil {
			break
		}
		p.turnOver(h, now, last)
		break
	}
	return p.history.Load(), false
}

// is reports whether the log at a position is that of h.
func (h *history) is(at Position) bool {
	return at.Epoch == h.epoch && at.Incarnation == h.incarnation
}

// stillHas reports whether what was delivered last is still in the log.
func (p *publisher) stillHas(ctx context.Context, m mark) bool {
	if m.offset == 0 || m.check == 0 {
		return true
	}
	entries, at, err := p.log.Read(ctx, m.offset-1, 1)
	if err != nil || len(entries) == 0 {
		return false
	}
	if entries[0].Offset == m.offset {
		return checkOf(&entries[0]) == m.check
	}
	return at.First > m.offset // it was trimmed, and so was not lost
}

// adopt notes another incarnation of the same history, which has what was delivered up
// to m. It returns false where that is not all any more, or h is not the history.
func (p *publisher) adopt(h *history, at Position, m mark) (*history, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.history.Load() != h || p.markLocked() != m {
		return p.history.Load(), false
	}
	now := *h
	now.incarnation = at.Incarnation
	p.history.Store(&now)
	return &now, true
}

// turnOver goes on from another position than the last delivered entry. All
// connections that rely on what is between are closed: the clients come back and
// are told. Nothing more is sent to them before, or they would come back with an offset
// behind what they missed.
func (p *publisher) turnOver(h *history, at Position, last mark) {
	p.mu.Lock()
	if p.history.Load() != h {
		p.mu.Unlock()
		return // somebody else saw it: who reads next finds out what is left of it
	}
	had := p.last.Load()
	p.barAllLocked()
	p.restartLocked(at, last)
	p.mu.Unlock()
	p.server.opts.Logger.Error("socket.io recovery: the log lost or trimmed what comes next here; clients begin anew",
		"same_epoch", at.Epoch == h.epoch, "same_incarnation", at.Incarnation == h.incarnation, "had", had, "goes_on_after", last.offset)
	p.commits.release(^uint64(0))
	p.closeAll()
}

// barAllLocked keeps whatever is emitted from the sockets of the clients that closeAll
// closes. publisher.mu must be held for writing.
func (p *publisher) barAllLocked() {
	for _, n := range p.server.allNamespaces() {
		n.roster.each(target{}, 0, func(s *Socket) {
			if s.client.conn.Protocol() != 3 {
				s.barred.Store(true)
			}
		})
	}
}

// closeAll closes all connections whose clients can recover.
func (p *publisher) closeAll() {
	p.server.mu.RLock()
	var all []*client
	for c := range p.server.clients {
		if c.conn.Protocol() != 3 {
			all = append(all, c)
		}
	}
	p.server.mu.RUnlock()
	for _, c := range all {
		p.server.workers.start(func() { c.close(ReasonTransportClose) })
	}
}

// clock tells the time as the log has it.
type clock struct {
	log, here time.Time // at one moment
}

// now is the time by the log's clock, where it has one: the machines of a cluster
// need not agree on theirs.
func (p *publisher) now() time.Time {
	here := p.options.Now()
	if c := p.clock.Load(); c != nil {
		return c.log.Add(here.Sub(c.here))
	}
	return here
}

func (p *publisher) setClock(at Position) {
	if !at.Now.IsZero() {
		p.clock.Store(&clock{at.Now, p.options.Now()})
	}
}

// mark is an offset with what is there: in another history something else may be.
type mark struct {
	offset uint64
	check  uint32 // of the entry; 0 where it is not looked at
}

// checks is how many checks there are: what four digits in base 36 tell apart.
const checks = 36 * 36 * 36 * 36

// check is [checkOf] where that matters: in a history whose end cannot get lost it
// is 0.
func (h *history) check(e *Entry) uint32 {
	if h.incarnation == "" {
		return 0
	}
	return checkOf(e)
}

// checkOf tells an entry from others: 1 or more. Clients keep it in their offsets, so
// that it is the same in every release.
func checkOf(e *Entry) uint32 {
	if e.Check != 0 {
		return e.Check%(checks-1) + 1
	}
	b := strconv.AppendInt(make([]byte, 0, 256), int64(e.Kind), 10)
	for _, s := range [...]string{e.From, e.Namespace} {
		b = append(append(b, ' '), s...)
	}
	b = strconv.AppendInt(append(b, ' '), e.At.UnixMilli(), 10)
	b = append(append(b, ' '), e.Event...)
	for _, list := range [...][]string{e.Rooms, e.Except, e.Names} {
		b = append(b, " ["...)
		for i, s := range list {
			if i > 0 {
				b = append(b, ' ')
			}
			b = strconv.AppendQuote(b, s)
		}
		b = append(b, ']')
	}
	sum := crc32.ChecksumIEEE(append(b, '\n'))
	for _, a := range e.Args {
		sum = crc32.Update(sum, crc32.IEEETable, a)
	}
	return sum%(checks-1) + 1
}
