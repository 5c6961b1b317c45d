package socketio

import (
	"context"
	"crypto/rand"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"podium/protocol/engineio"
	"podium/protocol/socketio/parser"
)

// publisher delivers what is in the log, in the log's order, and brings
// recovering sockets up to date.
//
// It never passes over an entry: what it delivered last is an offset, and it goes
// on from there. Where that is impossible, because the log lost or trimmed what
// comes next, it closes the connections that rely on it: see turnOver.
type publisher struct {
	server   *Server
	options  Recovery
	log      Log
	appender Appender       // nil where the log is only followed
	follower Follower       // nil where nobody else appends
	shared   SharedSessions // nil where nobody else has session records
	commits  committer
	orders   orders

	// mu is held for writing while logged events are delivered, so that those
	// who hold it for reading see neither last nor the deliveries move: sockets
	// that join the live events, and events that carry the current offset. The
	// log is never read under it.
	// It guards ring, ringBytes, ringFrom, ringFloor and lastCheck.
	//
	// Nothing that an application registered is called under it but listeners for
	// outgoing events. For the order of locks see locks.go.
	mu        sync.RWMutex
	last      atomic.Uint64 // offset of the last entry delivered; written under mu
	lastCheck uint32        // what it was
	ring      []*logged     // the newest entries, encoded; readers may keep slices of it
	ringBytes int
	ringFrom  uint64 // ring holds every entry after this offset
	ringFloor uint64 // it is not extended below this offset

	startMu sync.Mutex              // held while the log is opened
	history atomic.Pointer[history] // what is delivered is of this; nil until the log was read once. Written under mu
	clock   atomic.Pointer[clock]

	// reading is held by who reads the log to deliver what is in it, so that no two
	// read the same. Only such readers take it.
	reading sync.Mutex
	turns   turns
	wanted  atomic.Bool // somebody is about to read the log
	retry   atomic.Pointer[time.Timer]
	closed  atomic.Bool
	link    link
}

// history is one past of the log that clients can have seen.
type history struct {
	epoch       string
	tag         epochTag
	incarnation string       // see Position
	form        OffsetFormat // nil for offsets in our own form
	generation  int          // rises where clients cannot be served on from the one before
}

// logged is an entry of the log, an event encoded once for everybody.
type logged struct {
	offset   uint64
	check    uint32
	at       time.Time
	nsp      string
	target   target
	kind     Kind
	names    []string // of KindJoin and KindLeave
	messages []*engineio.Message
	size     int
}

// loggedOverhead is what an event in the ring costs beyond its bytes.
const loggedOverhead = 400

func newPublisher(srv *Server, r Recovery) *publisher {
	p := &publisher{server: srv, options: r.withDefaults(), log: r.Log, turns: newTurns()}
	p.appender, _ = r.Log.(Appender)
	p.follower, _ = r.Log.(Follower)
	p.shared, _ = r.Sessions.(SharedSessions)
	p.commits.publisher = p
	if len(p.options.Key) == 0 {
		p.options.Key = make([]byte, 32)
		rand.Read(p.options.Key)
	}
	if err := p.start(); err != nil {
		srv.opts.Logger.Error("socket.io recovery: open the log", "error", err)
	}
	if p.follower != nil {
		p.link.start(p.follow)
	}
	return p
}

// ordered reports whether the log is shared with other servers that append to it,
// so that what concerns the sockets of all goes through it.
func (p *publisher) ordered() bool { return p != nil && p.appender != nil && p.follower != nil }

// start reads where the log stands. Until it succeeds sessions cannot be
// recovered.
func (p *publisher) start() error {
	if p.history.Load() != nil {
		return nil
	}
	p.startMu.Lock()
	defer p.startMu.Unlock()
	if p.history.Load() != nil {
		return nil
	}
	ctx, cancel := p.patience()
	defer cancel()
	_, at, err := p.log.Read(ctx, 0, 0)
	if err != nil {
		return err
	}
	last, err := p.lastOf(ctx, at)
	if err != nil {
		return err
	}
	p.setClock(at)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.restartLocked(at, last)
	return nil
}

// lastOf returns the last entry of a log that stands at a position, as far as it is
// needed: what it was, where the end of the log can get lost.
func (p *publisher) lastOf(ctx context.Context, at Position) (mark, error) {
	if at.Incarnation == "" || at.Last == 0 {
		return mark{offset: at.Last}, nil
	}
	entries, _, err := p.log.Read(ctx, at.Last-1, 1)
	if err != nil {
		return mark{}, err
	}
	if len(entries) == 0 || entries[0].Offset != at.Last {
		return mark{offset: at.Last}, nil // lost or trimmed since: the next look will tell
	}
	return mark{at.Last, checkOf(&entries[0])}, nil
}

// restartLocked begins to deliver what comes after a position. mu must be held.
func (p *publisher) restartLocked(at Position, last mark) {
	form, _ := p.log.(OffsetFormat)
	h := &history{epoch: at.Epoch, tag: tagOf(at.Epoch), incarnation: at.Incarnation, form: form}
	if old := p.history.Load(); old != nil {
		h.generation = old.generation + 1
	}
	p.last.Store(last.offset)
	p.lastCheck = last.check
	p.ring, p.ringBytes, p.ringFrom, p.ringFloor = nil, 0, last.offset, 0
	p.orders.restart(last.offset)
	p.history.Store(h)
}

// patience bounds one reading or writing of the log.
func (p *publisher) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), p.options.LogTimeout)
}

// offset is the log offset up to which events were delivered, or 0.
func (srv *Server) offset() uint64 {
	if srv.publisher == nil {
		return 0
	}
	return srv.publisher.last.Load()
}

// mark returns the offset up to which events were delivered, and what was there.
func (p *publisher) mark() mark {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.markLocked()
}

func (p *publisher) markLocked() mark { return mark{p.last.Load(), p.lastCheck} }

func (p *publisher) stop() {
	p.closed.Store(true)
	if t := p.retry.Swap(nil); t != nil {
		t.Stop()
	}
	p.link.stop()
	p.commits.release(^uint64(0))
}

// Publish delivers everything that was appended to the log since the last
// event delivered, in order. Whoever appends to a log that is neither an
// [Appender] nor a [Follower] calls it after each commit, from any goroutine:
// calls coalesce, and where another call is about to read the log this one
// returns at once. Events are neither forgotten nor delivered in another order
// than the log's. Where the log cannot be read Publish returns the error, and
// tries again by itself.
func (srv *Server) Publish() error {
	if srv.publisher == nil {
		return nil
	}
	return srv.publisher.publish()
}

func (p *publisher) publish() error {
	if err := p.start(); err != nil {
		return fmt.Errorf("socketio: open the log: %w", err)
	}
	if p.wanted.Swap(true) {
		return nil // whoever set it has not read the log yet
	}
	p.reading.Lock()
	defer p.reading.Unlock()
	var err error
	for p.wanted.Swap(false) {
		err = p.catchUp()
	}
	if err != nil {
		p.retryLater()
		return fmt.Errorf("socketio: publish: %w", err)
	}
	return nil
}

// retryInterval is how long publishing waits after the log could not be read.
const retryInterval = 250 * time.Millisecond

func (p *publisher) retryLater() {
	if p.closed.Load() {
		return
	}
	t := time.AfterFunc(retryInterval, func() {
		if !p.closed.Load() {
			_ = p.publish() // it retries again
		}
	})
	if old := p.retry.Swap(t); old != nil {
		old.Stop()
	}
}

// publishBatch is how many entries are read and sent together.
const publishBatch = 256

// catchUp reads the log to its end and delivers that. reading must be held.
func (p *publisher) catchUp() error {
	ctx, cancel := p.patience()
	defer cancel()
	for {
		h, after := p.history.Load(), p.last.Load()
		entries, at, err := p.log.Read(ctx, after, publishBatch)
		if err != nil {
			return err
		}
		taken := p.take(after, entries, at)
		switch now := p.history.Load(); {
		case now.generation != h.generation:
			return nil // it was turned over, and stands at the end
		case taken:
		case now != h:
			continue // what was read may be from before that
		default:
			return ErrEpoch // and it could not be looked at
		}
		if len(entries) < publishBatch {
			return nil
		}
	}
}

// take delivers entries that were read after an offset. It returns false where what was
// read is of no use, since the log has another past than what was delivered or may have.
func (p *publisher) take(after uint64, entries []Entry, at Position) bool {
	h, ok := p.observe(at)
	if !ok {
		return false
	}
	if gone := at.First > after+1 && (len(entries) == 0 || entries[0].Offset > after+1); gone && after < p.last.Load()+1 {
		if at.First > p.last.Load()+1 {
			p.turnOver(h, Position{Epoch: at.Epoch, Incarnation: at.Incarnation, Last: at.First - 1}, mark{offset: at.First - 1})
			return false
		}
	}
	return p.deliver(h, entries)
}

// deliver delivers entries that follow each other in the log, but those that were
// delivered before. Where h is not the history any more, not even as an incarnation of it,
// it returns false: the entries may have been lost since.
func (p *publisher) deliver(h *history, entries []Entry) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.history.Load() != h {
		return false
	}
	p.deliverLocked(newer(entries, p.last.Load()))
	return true
}

// deliverAppended delivers entries that this server has just appended, where
// nothing stands between them and what was delivered, and h is still the history. Else it
// returns false, and the log has to be read.
func (p *publisher) deliverAppended(h *history, entries []Entry) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.history.Load() != h {
		return false
	}
	entries = newer(entries, p.last.Load())
	for i := range entries {
		if entries[i].Offset != p.last.Load()+1+uint64(i) {
			return false
		}
	}
	p.deliverLocked(entries)
	return true
}

// newer returns those of entries that come after an offset.
func newer(entries []Entry, after uint64) []Entry {
	for len(entries) > 0 && entries[0].Offset <= after {
		entries = entries[1:]
	}
	return entries
}

// deliverLocked delivers entries in order. Neighbours that are for everybody
// in the same namespace leave in one write.
func (p *publisher) deliverLocked(entries []Entry) {
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && sameAudience(&entries[0], &entries[n]) {
			n++
		}
		p.deliverGroupLocked(entries[:n])
		entries = entries[n:]
	}
	p.commits.release(p.last.Load())
}

func sameAudience(a, b *Entry) bool {
	return len(a.Rooms)+len(a.Except)+len(b.Rooms)+len(b.Except) == 0 && a.Namespace == b.Namespace &&
		a.Kind == KindEvent && b.Kind == KindEvent
}

func (p *publisher) deliverGroupLocked(entries []Entry) {
	last := &entries[len(entries)-1]
	defer func() {
		// An entry that makes a listener or a parser panic is passed over: else it
		// would be read again for ever.
		if r := recover(); r != nil {
			p.deadLetter(last, fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
		p.last.Store(last.Offset)
		p.lastCheck = p.history.Load().check(last)
	}()
	if last.Kind != KindEvent {
		p.obeyLocked(last)
		return
	}
	o := &outgoing{event: entries[0].Event, entries: entries, nsp: p.server.existing(namespaceOf(&entries[0]))}
	for i := range entries {
		rec := p.encode(entries[i])
		o.messages = append(o.messages, rec.messages...)
		p.keepLocked(rec)
	}
	if o.nsp != nil && len(o.messages) > 0 {
		o.nsp.deliver(target{entries[0].Rooms, entries[0].Except}, o)
	}
}

func namespaceOf(e *Entry) string {
	if e.Namespace == "" {
		return "/"
	}
	return e.Namespace
}

// encode makes the packet of an entry. One that cannot be encoded is a dead letter,
// and stands in the ring without messages.
func (p *publisher) encode(e Entry) *logged {
	h := p.history.Load()
	rec := &logged{
		offset: e.Offset, check: h.check(&e), at: e.At, nsp: namespaceOf(&e), target: target{e.Rooms, e.Except},
		kind: e.Kind, names: e.Names, size: loggedOverhead,
	}
	if e.Kind != KindEvent {
		return rec
	}
	args := append(parser.UnmarshalArgs(e.Args, e.Attachments).Any(), h.format(mark{e.Offset, rec.check}))
	for _, raw := range e.Args {
		if !parser.Valid(raw) {
			p.deadLetter(&e, errNoJSON)
			return rec
		}
	}
	pkt := parser.Packet{Type: parser.Event, Namespace: rec.nsp, ID: parser.NoID, Event: e.Event, Args: args}
	ms, err := p.server.opts.Parser.Encode(&pkt)
	if err != nil {
		p.deadLetter(&e, err)
		return rec
	}
	rec.messages = flags{uncompress: e.Uncompressed}.compressible(ms)
	rec.size += e.size()
	return rec
}

// keepLocked puts rec into the ring and drops what is too much or too old.
func (p *publisher) keepLocked(rec *logged) {
	p.ring = append(p.ring, rec)
	p.ringBytes += rec.size
	oldest := p.now().Add(-p.options.MaxAge)
	drop := 0
	for drop < len(p.ring)-1 && (p.ringBytes > p.options.RingBytes || p.ring[drop].at.Before(oldest)) {
		p.ringBytes -= p.ring[drop].size
		p.ringFrom = p.ring[drop].offset
		p.ringFloor = p.ringFrom
		drop++
	}
	if drop > 0 {
		p.ring = shift(p.ring, drop)
	}
}

// append logs an event and delivers it.
func (p *publisher) append(n *Namespace, t target, f flags, event string, args []any) error {
	p.server.warnOfBase64(event, args)
	raw, attachments, err := parser.MarshalArgs(args)
	if err != nil {
		return fmt.Errorf("socketio: encode %q: %w", event, err)
	}
	e := Entry{
		Namespace: n.name, Rooms: t.rooms, Except: t.except,
		Event: event, Args: raw, Attachments: attachments, Uncompressed: f.uncompress,
	}
	if n.roster.namesRoom(t) {
		// A membership that an event relies on must outlive a crash that
		// the event outlives.
		if err := p.server.sessions.flush(); err != nil {
			return fmt.Errorf("socketio: save sessions before logging %q: %w", event, err)
		}
	}
	if err := p.commits.commit(e); err != nil {
		return fmt.Errorf("socketio: log %q: %w", event, err)
	}
	if c := p.server.cluster; c != nil && !f.relayed && !p.ordered() {
		return c.broadcast(n, t, f, event, args)
	}
	return nil
}

// unlogged sends an event that is not logged but that official clients would
// take an offset from: it gets the current one.
func (p *publisher) unlogged(n *Namespace, t target, f flags, event string, args []any) error {
	err := func() error {
		p.mu.RLock()
		defer p.mu.RUnlock()
		return n.deliverHere(t, f, event, args, p.withOffset(args))
	}()
	if err != nil {
		return err
	}
	return n.deliverElsewhere(t, f, event, args)
}

func (p *publisher) unloggedTo(s *Socket, f flags, event string, args []any) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return s.emitToNow(f, event, args, p.withOffset(args))
}

func (p *publisher) withOffset(args []any) []any {
	sent := make([]any, 0, len(args)+1)
	return append(append(sent, args...), p.history.Load().format(p.markLocked()))
}
