package websocket

import (
	"fmt"
	"log/slog"
	"math"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"podium/protocol/budget"
)

// Options configures a Server. The zero value is useful.
type Options struct {
	// MaxMessageBytes bounds the payload of a received message, decompressed.
	// A larger one closes its connection with 1009. Zero means 1,000,000; negative, no bound.
	MaxMessageBytes int64
	// MaxQueuedBytes bounds what waits in memory for a peer that does not read, see
	// Conn.Send. Zero means 4 MiB; negative, no bound.
	MaxQueuedBytes int
	// CloseTimeout is how long a peer has to answer a close frame. Zero means 5 s.
	CloseTimeout time.Duration
	// MessageTimeout is how long a message may take to arrive once it has begun, all
	// its fragments together; then the connection is cut. Zero means 30 s; negative,
	// for ever.
	MessageTimeout time.Duration
	// Charge, when set, opens a charge for what is kept on the handler's connection: of a
	// message while it arrives, and of what waits for a peer that does not read. evict
	// cuts the connection. It is called with locks held, so it must not wait.
	Charge func(h Handler, evict func()) *budget.Charge
	// MayInflate, when set, is asked before a compressed message of the handler's
	// connection becomes more than size bytes, of which there is one that is small and one
	// that is large: how long that has to wait, 0 for not at all. Until then nothing is
	// read from the connection. Inflated is told how many bytes more than arrived a
	// message became. Both run on the goroutine that reads, and must not block.
	MayInflate func(h Handler, size int) time.Duration
	Inflated   func(h Handler, more int)
	// Drained, when set, is called when all that waited in memory for the peer of the
	// handler's connection has been written. What the kernel takes at once waits for
	// nothing. It runs on the connection's loop, or on the goroutine that writes, and
	// must not block; several drains in a row may be told of once.
	Drained func(h Handler)
	// Compression turns permessage-deflate on. Nil, the default, leaves it off.
	Compression *Compression
	// Loops is the number of event loops (Linux, TCP, TLS by way of NewListener). Zero means 1; negative
	// means none, so that every connection gets goroutines of its own.
	Loops int
	// Logger is told of panicking handlers and of event loops that cannot be made.
	// Nil means slog.Default().
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	switch {
	case o.MaxMessageBytes == 0:
		o.MaxMessageBytes = 1e6
	case o.MaxMessageBytes < 0:
		o.MaxMessageBytes = math.MaxInt64
	}
	switch {
	case o.MaxQueuedBytes == 0:
		o.MaxQueuedBytes = 4 << 20
	case o.MaxQueuedBytes < 0:
		o.MaxQueuedBytes = math.MaxInt
	}
	if o.CloseTimeout <= 0 {
		o.CloseTimeout = 5 * time.Second
	}
	if o.MessageTimeout == 0 {
		o.MessageTimeout = 30 * time.Second
	}
	if o.Loops == 0 {
		o.Loops = 1
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Stats are counters of a Server since it was made, except Connections.
type Stats struct {
	Connections int    // now open
	Accepted    uint64 // ever upgraded
	BytesIn     uint64 // after the handshake, frames included
	BytesOut    uint64 // the handshake's answer and frames, as taken by the kernel
	MessagesIn  uint64 // delivered to handlers
	MessagesOut uint64 // written or queued
}

// Server upgrades requests and carries the connections. Its methods are safe for
// concurrent use. Loops start with the first connection that needs them.
type Server struct {
	opts        Options
	charges     bool // Options.Charge was set
	client      bool // the connections are a client's ends: they mask, and what arrives is not masked
	compression *compressor
	pools       pools

	connections atomic.Int64
	accepted    atomic.Uint64
	bytesIn     atomic.Uint64
	messagesIn  atomic.Uint64
	bytesOut    atomic.Uint64
	messagesOut atomic.Uint64

	relief budget.Relief // for connections whose lock is held

	running sync.WaitGroup // loops, goroutines of streams, and of relief; Add only under mu while not closed, or for a connection that is not dead

	mu       sync.Mutex // guards what follows
	closed   bool
	looped   bool // loops were made, or are not to be
	unlooped bool // it was logged that they could not be made
	loops    []*loop
	next     int                  // loop for the next connection
	streams  map[*stream]struct{} // open ones
	empty    chan struct{}        // closed when closed is set and the last connection has ended
}

// NewServer makes a server. Shutdown ends what it starts.
func NewServer(o Options) *Server {
	charges := o.Charge != nil
	if !charges {
		o.Charge = func(Handler, func()) *budget.Charge { return nil }
	}
	return &Server{
		opts:        o.withDefaults(),
		charges:     charges,
		compression: newCompressor(o.Compression),
		streams:     make(map[*stream]struct{}),
		empty:       make(chan struct{}),
	}
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	return Stats{
		Connections: int(s.connections.Load()),
		Accepted:    s.accepted.Load(),
		BytesIn:     s.bytesIn.Load(),
		BytesOut:    s.bytesOut.Load(),
		MessagesIn:  s.messagesIn.Load(),
		MessagesOut: s.messagesOut.Load(),
	}
}

// adopt makes a connection over nc, on an event loop where that is possible, and
// owns nc from then on. initial are bytes that were read from it already. A copy of
// answer is what is sent first, even if Shutdown closes the connection at once.
func (s *Server) adopt(nc net.Conn, h Handler, initial, answer []byte, deflate bool) (*Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	var c *Conn
	if l := s.loopLocked(); l != nil {
		c = l.adopt(s, nc, h, initial)
	}
	if c == nil {
		c = newStream(s, nc, h, initial)
	}
	// Nobody else has seen c until mu is released.
	c.deflate = deflate
	c.corked = true
	c.queueLocked().addCopy(answer)
	c.answer = len(answer)
	s.connections.Add(1)
	s.accepted.Add(1)
	return c, nil
}

// loopLocked is the loop for the next connection, or nil; mu must be held.
func (s *Server) loopLocked() *loop {
	if !s.looped {
		s.makeLoopsLocked()
	}
	if len(s.loops) == 0 {
		return nil
	}
	s.next = (s.next + 1) % len(s.loops)
	return s.loops[s.next]
}

// makeLoopsLocked makes the loops. Where none can be made, as when the process has no
// descriptor left, the next connection tries again; mu must be held.
func (s *Server) makeLoopsLocked() {
	for range s.opts.Loops {
		l, err := newLoop(s)
		if err != nil {
			if !s.unlooped {
				s.unlooped = true
				s.opts.Logger.Warn("websocket: no event loop for now; connections get goroutines", "err", err)
			}
			break
		}
		if l == nil { // not on this system
			s.looped = true
			return
		}
		s.loops = append(s.loops, l)
		s.running.Go(l.run)
	}
	s.looped = len(s.loops) > 0 || s.opts.Loops < 0
}

// ended counts a connection out; the links call it after Conn.finish.
func (s *Server) ended(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st != nil {
		delete(s.streams, st)
	}
	if s.connections.Add(-1) == 0 && s.closed {
		close(s.empty)
	}
}

// all is every connection.
func (s *Server) all() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*Conn
	for st := range s.streams {
		all = append(all, &st.conn)
	}
	for _, l := range s.loops {
		all = l.appendConns(all)
	}
	return all
}

// logPanic reports a handler's panic.
func (s *Server) logPanic(in string, r any) {
	s.opts.Logger.Error("websocket: handler panicked", "in", in, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
}
