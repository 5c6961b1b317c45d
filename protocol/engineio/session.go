package engineio

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"podium/protocol/websocket"
)

// Receiver takes what a session receives. Its methods are called one after the
// other, never at the same time, and must not block.
type Receiver interface {
	// OnMessage is called for each message, in order. data is valid until it returns.
	OnMessage(data []byte, binary bool)
	// OnClose is called exactly once, last. err is the cause where there is one
	// beyond the reason.
	OnClose(reason Reason, err error)
}

// Session is one client, whatever its transport. All methods are safe for
// concurrent use and none blocks.
type Session struct {
	server   *Server
	id       string
	request  *Request
	receiver Receiver
	codec    codec

	textPolls  bool // the client's polls take no binary; set before the session is shared
	textFrames bool // nor does its WebSocket; set before webSocket is
	translate  bool // binary frames are not the message as it is; set before webSocket is

	// ended is why the session ended, until the receiver is told.
	ended atomic.Pointer[ending]
	// recvMu is held while the receiver is called.
	recvMu sync.Mutex
	// webSocket is the connection once the upgrade is complete, when everything
	// that was queued before has been given to it.
	webSocket atomic.Pointer[websocket.Conn]

	pingSent  atomic.Int64 // when the last ping was made, see wheel.now; 0 once it was answered
	rtt       atomic.Int64 // the last round trip, in ns
	refreshed atomic.Bool  // the time to answer the ping was extended
	idleDue   atomic.Int64 // when a client that kept to MaxIdlePackets would have sent what it sent, see wheel.now

	timer wheelEntry // guarded by wheel.mu

	// mu guards the fields below.
	mu      sync.Mutex
	state   state
	posting bool            // a POST is being read
	used    bool            // a request came after the handshake
	writing bool            // the answer to a poll is being written: the next one has to wait
	silent  bool            // in state closing: the heartbeat ends it before Options.CloseTimeout
	poll    *poll           // the poll that waits, or nil
	probe   *probe          // the connection that is being probed, or nil
	foreign *link           // the connection in state onForeign, and in those that follow; or nil
	awaited chan<- struct{} // closed when a poll comes, or the session ends; or nil
	queue   backlog         // what waits for a poll
	// answeredAt is when a poll was answered last, see wheel.now; 0 before the first.
	answeredAt int64
	closing    Reason        // why, in state closing
	pauses     int           // calls of Pause less those of Resume
	resumed    chan struct{} // closed when messages are taken again; nil while they are

	approval *approval // which requests may be read without net/http; nil for none
	directs  int8      // connections on which they are

	body *http.ResponseController // of the POST whose body is being read; nil for none, and once it is aborted
}

// ending is why a session ended.
type ending struct {
	reason Reason
	err    error
}

// ID is the session id that the client sends with its requests.
func (s *Session) ID() string { return s.id }

// Protocol is the Engine.IO protocol version, 4 or 3.
func (s *Session) Protocol() int { return s.codec.version() }

// Request is the request that opened the session.
func (s *Session) Request() *Request { return s.request }

// Transport is the name of the session's transport now.
func (s *Session) Transport() string {
	if s.webSocket.Load() != nil {
		return TransportWebSocket
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.foreign != nil {
		return s.foreign.transport
	}
	return TransportPolling
}

// RTT is the round trip of the last ping that was answered, or 0.
func (s *Session) RTT() time.Duration { return time.Duration(s.rtt.Load()) }

// Send queues the messages next to each other, in the order of the calls. A
// nil result means accepted: written, or queued for a client that is there.
// ErrSlow means that the bound on the queue was exceeded and the session ended.
func (s *Session) Send(ms ...*Message) error {
	if c := s.webSocket.Load(); c != nil {
		return s.sent(c.Send(s.frames(ms)...), len(ms))
	}
	return s.enqueue(ms)
}

// Post is Send for broadcasts: over WebSocket the writing is left to the
// connection's loop, so that a burst costs one system call a connection.
func (s *Session) Post(ms ...*Message) error {
	if c := s.webSocket.Load(); c != nil {
		return s.sent(c.Post(s.frames(ms)...), len(ms))
	}
	return s.enqueue(ms)
}

// SendText sends one text message made of at most seven parts, for this
// session only. It keeps none of them and allocates nothing over WebSocket.
func (s *Session) SendText(parts ...[]byte) error {
	c := s.webSocket.Load()
	if c == nil || len(parts) > 7 {
		return s.Send(Text(parts...))
	}
	var all [8][]byte
	all[0] = messagePrefix
	n := copy(all[1:], parts)
	return s.sent(c.SendParts(websocket.OpText, all[:n+1]...), 1)
}

// frames are the messages as this session's WebSocket carries them.
func (s *Session) frames(ms []*Message) []*Message {
	if !s.translate {
		return ms
	}
	out := make([]*Message, len(ms))
	for i, m := range ms {
		if out[i] = m; m.Op() == websocket.OpBinary {
			out[i] = s.codec.frame(m, s.textFrames)
		}
	}
	return out
}

// attach makes c the session's transport, with first in front of everything else:
// from the moment that c is seen in webSocket, others send to it without the
// lock. s.mu must be held.
func (s *Session) attach(c *websocket.Conn, textFrames bool, first []*Message) {
	s.textFrames = textFrames
	s.translate = textFrames || s.Protocol() == 3
	if s.resumed != nil {
		c.Pause()
	}
	_ = c.Send(s.frames(first)...) // a broken connection reports itself
	s.webSocket.Store(c)
}

// sent counts n messages given to a WebSocket and translates its error.
func (s *Session) sent(err error, n int) error {
	switch err {
	case nil:
		s.server.stats.sent.Add(uint64(n))
		return nil
	case websocket.ErrSlow:
		return ErrSlow
	}
	return ErrClosed
}

// enqueue queues messages for a poll or a foreign connection, or gives them to the
// WebSocket that has just taken over.
func (s *Session) enqueue(ms []*Message) error {
	s.mu.Lock()
	if c := s.webSocket.Load(); c != nil {
		s.mu.Unlock()
		return s.sent(c.Send(s.frames(ms)...), len(ms))
	}
	if s.foreign != nil {
		return s.foreign.send(ms)
	}
	if s.state == closing || s.state == closed {
		s.mu.Unlock()
		return ErrClosed
	}
	empty := len(s.queue.packets) == 0
	s.push(ms...)
	// What a single call left in an empty queue may exceed the bound: the client
	// had no chance to fetch it.
	slow := !empty && s.queue.bytes > s.queueBound()
	full := s.keep(&s.queue)
	s.mu.Unlock()
	switch {
	case slow:
		s.end(ReasonTransportError, ErrSlow)
		return ErrSlow
	case full != nil:
		s.end(ReasonTransportError, full)
		return ErrClosed
	}
	s.server.stats.sent.Add(uint64(len(ms)))
	return nil
}

// A client that polls takes what is sent at once in a few answers, with a round trip
// between any two: until it has been away for pollingGrace, pollingFactor times
// Options.MaxQueuedBytes may wait for it.
const (
	pollingGrace  = 5 * time.Second
	pollingFactor = 5
)

// queueBound is how many bytes may wait for the client now. s.mu must be held.
func (s *Session) queueBound() int {
	bound := s.server.opts.MaxQueuedBytes
	if s.poll != nil || s.writing || s.answeredAt != 0 && s.server.wheel.now()-s.answeredAt < int64(pollingGrace) {
		return pollingFactor * bound
	}
	return bound
}

// push queues packets and wakes the poll that waits. s.mu must be held.
func (s *Session) push(ms ...*Message) {
	s.queue.packets = append(s.queue.packets, ms...)
	for _, m := range ms {
		s.queue.bytes += len(m.Payload())
	}
	s.wakePoll()
}

// dropQueue gives up what comes after packets that may be lost: with a hole in it a
// client that recovers would never ask for them. s.mu must be held, and the session
// closed.
func (s *Session) dropQueue() {
	b := s.takeQueue()
	b.drop()
	if s.poll != nil {
		s.push(packetsClose)
	}
}

// wakePoll tells the poll that waits to take what is queued, unless it has yet to show
// whether what came before has been written. s.mu must be held.
func (s *Session) wakePoll() {
	if !s.writing {
		s.poll.wake()
	}
}

// Pause stops taking messages from the client, whose POST then waits for its answer,
// and whose WebSocket is not read. A few that are there already may still come. The
// heartbeat goes on, and ends no session meanwhile: the client's answer may be behind
// its messages. Each call of Pause needs one of Resume. It is for receivers that have
// enough to do.
func (s *Session) Pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pauses++; s.pauses > 1 || s.state == closed {
		return
	}
	s.resumed = make(chan struct{})
	if c := s.webSocket.Load(); c != nil {
		c.Pause()
	}
}

// Resume takes back one call of Pause. The client has the time of a heartbeat from
// now to answer what it was asked.
func (s *Session) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pauses--; s.pauses > 0 || s.resumed == nil {
		return
	}
	s.resumeLocked()
	if c := s.webSocket.Load(); c != nil {
		c.Resume()
	}
	o := &s.server.opts
	switch {
	case s.state == closing || s.state == closed:
	case s.Protocol() == 3:
		s.server.wheel.set(s, time.Now().Add(o.PingInterval+o.PingTimeout))
	case s.pingSent.Load() != 0:
		s.server.wheel.set(s, time.Now().Add(o.PingTimeout))
	}
}

// resumeLocked lets a POST go on. s.mu must be held.
func (s *Session) resumeLocked() {
	if s.resumed != nil {
		close(s.resumed)
		s.resumed = nil
	}
}

// awaitResume waits while the session is paused and has not ended. prepare is called
// before it waits.
func (s *Session) awaitResume(prepare func()) {
	for {
		s.mu.Lock()
		resumed := s.resumed
		s.mu.Unlock()
		if resumed == nil {
			return
		}
		prepare()
		<-resumed
	}
}

// Writable reports whether a message sent now would leave at once, as far as
// can be known.
func (s *Session) Writable() bool {
	if c := s.webSocket.Load(); c != nil {
		return c.Buffered() == 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.foreign != nil {
		return s.foreign.buffered() == 0
	}
	return s.poll != nil && len(s.queue.packets) == 0
}

// Buffered is the number of bytes that wait for the client.
func (s *Session) Buffered() int {
	if c := s.webSocket.Load(); c != nil {
		return c.Buffered()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.foreign != nil {
		return s.foreign.buffered()
	}
	return s.queue.bytes
}

// lastQueued is the newest message that waits for a poll, or nil. What ends the poll
// of a client that has upgraded waits for nobody: the poll may have gone without it.
func (s *Session) lastQueued() *Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue.packets) == 0 || s.state == onWebSocket || s.state == onForeign {
		return nil
	}
	return s.queue.packets[len(s.queue.packets)-1]
}

// holds reports whether m waits for a poll of an open session.
func (s *Session) holds(m *Message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state != closed && slices.Contains(s.queue.packets, m)
}

// Close ends the session after what was sent has left, or after
// Options.CloseTimeout. Nothing can be sent after it, and what the client still
// sends is dropped.
func (s *Session) Close() { s.close(ReasonForcedClose) }

func (s *Session) close(reason Reason) {
	s.mu.Lock()
	if !s.enter(closing) {
		s.mu.Unlock()
		return
	}
	s.closing = reason
	s.abortBody()
	c := s.webSocket.Load()
	if c == nil && s.poll != nil && len(s.queue.packets) == 0 {
		// Else what is queued leaves first, and the next poll is told. With both in one
		// payload the official client puts what it got aside until it is connected
		// again, asks for it once more, and then has it twice.
		s.push(packetsClose)
	}
	if c == nil { // with the lock held: a timer that has just fired must see both
		s.server.wheel.set(s, s.closeBy())
	}
	written := s.foreign != nil && !s.foreign.writing // else the writer ends the session
	s.mu.Unlock()
	if c != nil {
		c.Close(endCode, "")
	}
	if c != nil || written {
		s.end(reason, nil)
	}
}

// idle reports whether a closing session that polls has no poll and nothing queued that
// its client would miss.
func (s *Session) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.foreign == nil && s.poll == nil && len(withoutClose(s.queue.packets)) == 0
}

// withoutClose is what is to be sent before the close packet, if there is one.
func withoutClose(packets []*Message) []*Message {
	if n := len(packets); n > 0 && packets[n-1] == packetsClose {
		return packets[:n-1]
	}
	return packets
}

// saysGoodbye reports whether packets end with a close packet.
func saysGoodbye(packets []*Message) bool { return len(withoutClose(packets)) < len(packets) }

// end closes the session, whatever its state. Only the first call does
// anything: it is the one that finds the session in the registry.
func (s *Session) end(reason Reason, err error) {
	// 1. Out of the registry: from here on requests find no such session, and
	// a second call has nothing to do.
	if !s.server.registry.remove(s) {
		return
	}
	// 2. Nothing can be sent or queued any more.
	s.mu.Lock()
	if s.state == closing {
		reason = s.closing
	}
	s.enter(closed)
	s.abortBody()
	s.resumeLocked()
	s.pollArrived()
	p, pr, l := s.poll, s.probe, s.foreign
	s.probe = nil
	if s.writing {
		s.writing = false
		s.dropQueue()
	}
	switch {
	case p == nil:
		s.queue.drop() // nobody will take it
	case len(s.queue.packets) == 0:
		s.push(packetsClose) // a poll that still waits is told
	}
	s.wakePoll()
	if l != nil {
		l.queue.drop()
	}
	s.mu.Unlock()
	// 3. The transports, which call back: they find the registry without us.
	s.server.wheel.remove(s)
	if pr != nil {
		pr.end()
	}
	if c := s.webSocket.Load(); c != nil {
		c.Close(endCode, "")
	}
	if l != nil {
		l.conn.Close()
	}
	// 4. Last the receiver, when nothing can arrive after it.
	s.ended.Store(&ending{reason, err})
	s.reportEnd()
}

// reportEnd tells the receiver and the observer that the session ended, unless the
// receiver is in a call: then the caller does, after it.
func (s *Session) reportEnd() {
	for s.ended.Load() != nil && s.recvMu.TryLock() {
		e := s.ended.Swap(nil)
		if e == nil {
			s.recvMu.Unlock()
			continue
		}
		defer s.server.sessions.Done() // Shutdown waits until everybody was told
		s.callReceiver(func() {
			if s.receiver != nil { // nil: Server.accept panicked
				s.receiver.OnClose(e.reason, e.err)
			}
		})
		if f := s.server.opts.Observer.Closed; f != nil {
			f(s, e.reason)
		}
	}
}

// callReceiver calls f, and releases recvMu, even where f panics: who serves the
// request or the WebSocket survives that, and the receiver is yet to be told of the end.
func (s *Session) callReceiver(f func()) {
	defer s.recvMu.Unlock()
	f()
}

// deliver hands a message to the receiver.
func (s *Session) deliver(data []byte, binary bool) {
	s.server.stats.received.Add(1)
	defer s.reportEnd()
	s.recvMu.Lock()
	defer s.recvMu.Unlock()
	if s.alive() {
		if f := s.server.opts.Observer.Received; f != nil {
			f(s, len(data))
		}
		s.receiver.OnMessage(data, binary)
	}
}

// alive reports whether messages of the session are still wanted.
func (s *Session) alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state != closed && s.state != closing
}

// receive handles a packet that came over a WebSocket or a foreign connection.
func (s *Session) receive(data []byte, binary bool) {
	decode := s.codec.decodeText
	if binary {
		decode = s.codec.decodeBinary
	}
	p, err := decode(data)
	if err != nil {
		s.end(ReasonParseError, err)
		return
	}
	s.onPacket(p)
}

// onPacket handles a packet of the transport that is in charge, and reports
// whether the session takes more.
func (s *Session) onPacket(p packet) bool {
	if p.kind != packetPong {
		s.heard()
	}
	if p.kind != packetMessage && !s.allowsIdle() {
		s.server.stats.tooIdle.Add(1)
		s.end(ReasonTransportError, errTooIdle)
		return false
	}
	switch p.kind {
	case packetMessage:
		s.deliver(p.data, p.binary)
	case packetPing, packetPong:
		if (p.kind == packetPing) != (s.Protocol() == 3) {
			s.end(ReasonTransportError, errHeartbeat)
			return false
		}
		if p.kind == packetPing {
			s.onPing()
		} else {
			s.onPong()
		}
	case packetClose:
		s.dismissPoll()
		s.end(ReasonTransportClose, nil)
		return false
	default: // open, upgrade and noop mean nothing here, and nobody else minds them
	}
	return true
}

// dismissPoll ends the poll of a client that closes: it knows, and the official
// server answers with a noop, where other ends are told with a close packet.
func (s *Session) dismissPoll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poll != nil && len(s.queue.packets) == 0 {
		s.push(packetsNoop)
	}
}
