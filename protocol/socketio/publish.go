package socketio

import (
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"podium/protocol/engineio"
	"podium/protocol/socketio/parser"
)

// publisher delivers what is in the log, in the log's order, and brings
// recovering sockets up to date.
type publisher struct {
	server   *Server
	options  Recovery
	log      Log
	appender Appender // nil where the log is only followed

	// mu is held for writing while logged events are delivered, so that those
	// who hold it for reading see neither last nor the deliveries move: sockets
	// that join the live events, and events that carry the current offset.
	// It guards ring, ringBytes, ringFrom and ringFloor.
	//
	// Lock order: publisher.mu → roster.mu → Socket.mu. Nothing that an
	// application registered is called under it but listeners for outgoing
	// events.
	mu        sync.RWMutex
	last      atomic.Uint64 // offset of the last event delivered; written under mu
	ring      []*logged     // the newest events, encoded; readers may keep slices of it
	ringBytes int
	ringFrom  uint64 // ring holds every event after this offset
	ringFloor uint64 // it is not extended below this offset

	startMu sync.Mutex // guards started, and tag until started
	started atomic.Bool
	tag     epochTag

	turns  turns
	wanted atomic.Bool // somebody is about to read the log
	retry  atomic.Pointer[time.Timer]
	closed atomic.Bool
}

// logged is an event of the log, encoded once for everybody.
type logged struct {
	offset   uint64
	at       time.Time
	nsp      string
	target   target
	messages []*engineio.Message
	size     int
}

// loggedOverhead is what an event in the ring costs beyond its bytes.
const loggedOverhead = 400

func newPublisher(srv *Server, r Recovery) *publisher {
	p := &publisher{server: srv, options: r.withDefaults(), log: r.Log, turns: newTurns()}
	p.appender, _ = r.Log.(Appender)
	if len(p.options.Key) == 0 {
		p.options.Key = make([]byte, 32)
		rand.Read(p.options.Key)
	}
	if err := p.start(); err != nil {
		srv.opts.Logger.Error("socket.io recovery: open the log", "error", err)
	}
	return p
}

// start reads where the log stands. Until it succeeds sessions cannot be
// recovered.
func (p *publisher) start() error {
	if p.started.Load() {
		return nil
	}
	p.startMu.Lock()
	defer p.startMu.Unlock()
	if p.started.Load() {
		return nil
	}
	_, last, err := p.log.Range()
	if err != nil {
		return err
	}
	p.tag = tagOf(p.log.Epoch())
	p.last.Store(last)
	p.ringFrom = last
	p.ringFloor = last - min(last, uint64(2*p.options.MaxMissed))
	p.started.Store(true)
	return nil
}

// offset is the log offset up to which events were delivered, or 0.
func (srv *Server) offset() uint64 {
	if srv.publisher == nil {
		return 0
	}
	return srv.publisher.last.Load()
}

func (p *publisher) stop() {
	p.closed.Store(true)
	if t := p.retry.Swap(nil); t != nil {
		t.Stop()
	}
}

// Publish delivers everything that was appended to the log since the last
// event delivered, in order. Whoever appends to a log that is no [Appender]
// calls it after each commit, from any goroutine: calls coalesce, and where
// another call is about to read the log this one returns at once. Events are
// neither forgotten nor delivered in another order than the log's. Where the
// log cannot be read Publish returns the error, and tries again by itself.
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
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	for p.wanted.Swap(false) {
		err = p.publishLocked()
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

// publishBatch is how many events are read and sent together.
const publishBatch = 256

func (p *publisher) publishLocked() error {
	for {
		var entries []Entry
		err := p.log.Read(p.last.Load(), func(e Entry) bool {
			entries = append(entries, e)
			return len(entries) < publishBatch
		})
		if err != nil || len(entries) == 0 {
			return err
		}
		p.deliverLocked(entries, flags{})
	}
}

// deliverLocked delivers entries in order. Neighbours that are for everybody
// in the same namespace leave in one write.
func (p *publisher) deliverLocked(entries []Entry, f flags) {
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && sameAudience(&entries[0], &entries[n]) {
			n++
		}
		p.deliverGroupLocked(entries[:n], f)
		entries = entries[n:]
	}
}

func sameAudience(a, b *Entry) bool {
	return len(a.Rooms)+len(a.Except)+len(b.Rooms)+len(b.Except) == 0 && a.Namespace == b.Namespace
}

func (p *publisher) deliverGroupLocked(entries []Entry, f flags) {
	o := &outgoing{event: entries[0].Event, entries: entries, nsp: p.server.existing(namespaceOf(&entries[0]))}
	for i := range entries {
		rec := p.encode(entries[i], f)
		o.messages = append(o.messages, rec.messages...)
		p.keepLocked(rec)
	}
	if o.nsp != nil && len(o.messages) > 0 {
		o.nsp.deliver(target{entries[0].Rooms, entries[0].Except}, o)
	}
	p.last.Store(entries[len(entries)-1].Offset)
}

func namespaceOf(e *Entry) string {
	if e.Namespace == "" {
		return "/"
	}
	return e.Namespace
}

// encode makes the packet of an entry. One that cannot be encoded is logged
// and stands in the ring without messages.
func (p *publisher) encode(e Entry, f flags) *logged {
	rec := &logged{offset: e.Offset, at: e.At, nsp: namespaceOf(&e), target: target{e.Rooms, e.Except}, size: loggedOverhead}
	args := append(parser.UnmarshalArgs(e.Args, e.Attachments).Any(), formatOffset(p.tag, e.Offset))
	for _, raw := range e.Args {
		if !parser.Valid(raw) {
			p.server.opts.Logger.Error("socket.io recovery: entry is no JSON", "offset", e.Offset, "event", e.Event)
			return rec
		}
	}
	pkt := parser.Packet{Type: parser.Event, Namespace: rec.nsp, ID: parser.NoID, Event: e.Event, Args: args}
	ms, err := p.server.opts.Parser.Encode(&pkt)
	if err != nil {
		p.server.opts.Logger.Error("socket.io recovery: encode", "offset", e.Offset, "event", e.Event, "error", err)
		return rec
	}
	rec.messages = f.compressible(ms)
	rec.size += e.size()
	return rec
}

// keepLocked puts rec into the ring and drops what is too much or too old.
func (p *publisher) keepLocked(rec *logged) {
	p.ring = append(p.ring, rec)
	p.ringBytes += rec.size
	oldest := p.options.Now().Add(-p.options.MaxAge)
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
	raw, attachments, err := parser.MarshalArgs(args)
	if err != nil {
		return fmt.Errorf("socketio: encode %q: %w", event, err)
	}
	e := Entry{
		At: p.options.Now(), Namespace: n.name, Rooms: t.rooms, Except: t.except,
		Event: event, Args: raw, Attachments: attachments,
	}
	if n.roster.namesRoom(t) {
		// A membership that an event relies on must outlive a crash that
		// the event outlives.
		if err := p.server.sessions.flush(); err != nil {
			return fmt.Errorf("socketio: save sessions before logging %q: %w", event, err)
		}
	}
	if err := p.appendAndDeliver(e, f); err != nil {
		return err
	}
	if c := p.server.cluster; c != nil && !f.relayed {
		return c.broadcast(n, t, f, event, args)
	}
	return nil
}

func (p *publisher) appendAndDeliver(e Entry, f flags) error {
	if err := p.start(); err != nil {
		return fmt.Errorf("socketio: open the log: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	offset, err := p.appender.Append(e)
	if err != nil {
		return fmt.Errorf("socketio: log %q: %w", e.Event, err)
	}
	if offset != p.last.Load()+1 {
		if err := p.publishLocked(); err != nil { // others append too
			p.retryLater()
			return fmt.Errorf("socketio: publish: %w", err)
		}
		return nil
	}
	e.Offset = offset
	p.deliverGroupLocked([]Entry{e}, f)
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
	var tag epochTag // of no log, until it is known
	if p.started.Load() {
		tag = p.tag
	}
	sent := make([]any, 0, len(args)+1)
	return append(append(sent, args...), formatOffset(tag, p.last.Load()))
}
