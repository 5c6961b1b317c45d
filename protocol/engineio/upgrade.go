package engineio

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"podium/protocol/websocket"
)

// channel hands what a WebSocket receives to its session.
type channel struct{ session *Session }

// sessionOf is the session whose WebSocket has the handler h, or nil.
func sessionOf(h websocket.Handler) *Session {
	switch h := h.(type) {
	case channel:
		return h.session
	case *probe:
		return h.session
	}
	return nil
}

// drained is what the WebSocket server calls for [Observer.Drained].
func drained(f func(*Session)) func(websocket.Handler) {
	if f == nil {
		return nil
	}
	return func(h websocket.Handler) {
		if s := sessionOf(h); s.webSocket.Load() != nil { // else it was the answer to a probe
			f(s)
		}
	}
}

// openWebSocket answers a handshake over WebSocket.
func (s *Session) openWebSocket(w http.ResponseWriter, r *http.Request, q *query) {
	c, err := s.server.webSocket.Upgrade(w, r, channel{s}, answerHeader(w, r))
	if err != nil { // it has been answered, or there is nobody to answer
		s.server.noteRefusal(err)
		return
	}
	s.mu.Lock()
	s.enter(onWebSocket)
	s.used = true
	s.attach(c, q.base64, []*Message{s.openPacket(false)})
	s.mu.Unlock()
	if s.admit() != nil {
		c.Close(websocket.CloseTryAgainLater, "")
		return
	}
	if s.Protocol() == 3 {
		c.StartApart(openDelay)
	} else {
		c.Start()
	}
}

// noteRefusal tells the operator, once, where a handshake over WebSocket was refused
// since middleware hides the connection from it. Clients go on polling, and nothing
// else would say why.
func (srv *Server) noteRefusal(err error) {
	if errors.Is(err, http.ErrNotSupported) {
		srv.tellOnce.Do(func() {
			srv.opts.Logger.Warn("engine.io: no WebSocket is possible: middleware wraps http.ResponseWriter "+
				"without Hijack or Unwrap; clients go on with long-polling", "error", err)
		})
	}
}

// openDelay is how long the open packet waits behind the answer to a WebSocket's
// handshake in protocol 3, whose test suite listens for messages only when it has
// seen the connection open. The official server writes the two one after the other;
// in protocol 4 one write for both costs a third less.
const openDelay = 10 * time.Millisecond

// answerHeader is what the answer to a WebSocket's handshake holds beyond its own
// fields. Of the subprotocols offered the first is taken, as the official server
// does: clients close a connection where they offered one and none was taken.
func answerHeader(w http.ResponseWriter, r *http.Request) http.Header {
	h := w.Header().Clone()
	first, _, _ := strings.Cut(r.Header.Get("Sec-Websocket-Protocol"), ",")
	if first = strings.TrimSpace(first); first != "" && h.Get("Sec-Websocket-Protocol") == "" {
		h.Set("Sec-Websocket-Protocol", first)
	}
	return h
}

// OnMessage implements websocket.Handler.
func (ch channel) OnMessage(_ *websocket.Conn, op websocket.Opcode, data []byte) {
	ch.session.receive(data, op == websocket.OpBinary)
}

// OnClose implements websocket.Handler.
func (ch channel) OnClose(_ *websocket.Conn, err error) {
	ch.session.end(reasonOf(err), err)
}

// reasonOf says why a session ended whose WebSocket ended with err.
func reasonOf(err error) Reason {
	if peer := (*websocket.CloseError)(nil); errors.As(err, &peer) {
		return ReasonTransportClose
	}
	if bad := (*websocket.ProtocolError)(nil); errors.As(err, &bad) || errors.Is(err, websocket.ErrSlow) ||
		errors.Is(err, websocket.ErrMessageTimeout) || errors.Is(err, websocket.ErrNoMemory) {
		return ReasonTransportError
	}
	return ReasonTransportClose
}

// probe is a connection that wants to take over a session that polls: a WebSocket or a
// foreign one. Its fields are guarded by Session.mu; conn and link do not change once
// messages arrive.
// (Engine.IO protocol v4, "Upgrade")
type probe struct {
	session *Session
	conn    *websocket.Conn // nil while it is being taken over, and where link is set
	link    *link           // nil for a WebSocket
	timer   *time.Timer
	noop    *time.Timer // ends the poll that waited for that; may be nil
	base64  bool        // it takes no binary
	noops   int         // polls that were ended for it
	carries bool        // it has shown that it carries both ways, since it was answered
	done    bool        // it has taken over
}

// A client may poll until it has seen that its probe was answered. Polls are ended for
// the upgrade's sake when its WebSocket carries both ways; the first of them soon, later
// ones after a delay, so that one that never finishes its upgrade cannot poll as fast as
// the network lets it. Soon is not at once: the end of the upgrade and a poll that a
// client sends after it come on two connections, and may be read in either order. A poll
// as young as that is refused if the upgrade ends, as one that comes after it.
const (
	promptNoops = 3
	promptDelay = 10 * time.Millisecond
	noopDelay   = 100 * time.Millisecond
)

// serveProbe accepts the WebSocket of an upgrade. One that comes while another
// is being probed, or after the upgrade, is closed at once: a session has one WebSocket
// at a time that has not shown what it is for.
func (s *Session) serveProbe(w http.ResponseWriter, r *http.Request, q *query) {
	p := &probe{session: s, base64: q.base64}
	s.mu.Lock()
	s.used = true
	welcome := s.state == polling && s.probe == nil && !s.server.opts.NoUpgrades
	if welcome {
		s.probe = p
	}
	s.mu.Unlock()
	if !welcome {
		// It has been answered, or there is nobody to answer.
		s.server.noteRefusal(s.server.webSocket.TurnAway(w, r, websocket.CloseNoStatus))
		return
	}
	c, err := s.server.webSocket.Upgrade(w, r, p, answerHeader(w, r))
	s.mu.Lock()
	p.conn = c
	welcome = s.probe == p // else the session ended meanwhile
	switch {
	case err == nil && welcome:
		p.timer = time.AfterFunc(s.server.opts.UpgradeTimeout, p.giveUp)
	case welcome:
		s.probe = nil // it has been answered, or there is nobody to answer
	}
	s.mu.Unlock()
	if err != nil {
		s.server.noteRefusal(err)
		return
	}
	if !welcome {
		c.Close(websocket.CloseNoStatus, "")
	}
	c.Start()
}

// stopTimers must be called with the session's lock held.
func (p *probe) stopTimers() {
	if p.timer != nil {
		p.timer.Stop()
	}
	if p.noop != nil {
		p.noop.Stop()
	}
}

// drop leaves the session polling, unless p has taken over or was dropped already. The
// session's lock must be held.
func (p *probe) drop() {
	s := p.session
	if s.probe != p {
		return
	}
	s.probe = nil
	p.stopTimers()
	if s.state == upgrading {
		s.enter(polling)
	}
}

// giveUp ends an upgrade that takes too long. It may have had to wait for the session:
// an upgrade that was completed meanwhile stands, and one that is given up cannot be
// completed on a WebSocket that is being closed. Where the probe's answer was all that
// its WebSocket carried, it is one that broke.
func (p *probe) giveUp() {
	s := p.session
	s.mu.Lock()
	ours := s.probe == p
	stranded := ours && !p.carries && p.stranded()
	if ours {
		p.drop()
		p.hangUp()
	}
	s.mu.Unlock()
	if stranded {
		s.end(ReasonTransportError, errProbeBroke)
	}
}

// stranded reports whether the client has been told to leave for the probe's WebSocket
// and waits for the end of its poll. The session's lock must be held.
func (p *probe) stranded() bool {
	s := p.session
	return s.probe == p && s.state == upgrading && s.poll != nil
}

// end stops probing. Where the WebSocket is still being taken over, who does that
// closes it.
func (p *probe) end() {
	p.session.mu.Lock()
	p.stopTimers()
	c := p.conn
	p.session.mu.Unlock()
	if c != nil || p.link != nil {
		p.hangUp()
	}
}

// hangUp closes the connection.
func (p *probe) hangUp() {
	if p.link != nil {
		p.link.conn.Close()
		return
	}
	p.conn.Close(websocket.CloseNoStatus, "")
}

// OnMessage implements websocket.Handler.
func (p *probe) OnMessage(_ *websocket.Conn, op websocket.Opcode, data []byte) {
	p.receive(data, op == websocket.OpBinary)
}

// receive takes what the client sends: "2probe", then "5", then everything.
func (p *probe) receive(data []byte, binary bool) {
	s := p.session
	s.mu.Lock()
	done := p.done
	s.mu.Unlock()
	switch {
	case done:
		s.receive(data, binary)
	case !binary && string(data) == "2probe":
		s.beginUpgrade(p)
	case !binary && len(data) == 1 && data[0] == packetUpgrade:
		s.completeUpgrade(p)
	default:
		p.hangUp()
	}
}

// OnClose implements websocket.Handler.
func (p *probe) OnClose(c *websocket.Conn, err error) {
	p.session.mu.Lock()
	done := p.done
	p.session.mu.Unlock()
	if done {
		channel{p.session}.OnClose(c, err)
		return
	}
	p.closed()
}

// closed handles the end of the connection before it took over. A probe that fails leaves the session
// polling, but for one that was answered while a poll waits: the official client has
// read the answer then, and stops polling with the poll's. Where that succeeds it sends
// its "5" into a WebSocket that is no more, and falls silent until a heartbeat is
// missed; where it is told of the end it connects again at once, and recovers.
func (p *probe) closed() {
	s := p.session
	s.mu.Lock()
	stranded := p.stranded()
	p.drop()
	s.mu.Unlock()
	if stranded {
		s.end(ReasonTransportError, errProbeBroke)
	}
}

// beginUpgrade answers the probe: over a WebSocket with a ping behind it, over a foreign
// connection, which has none, in the trust that it carries both ways.
func (s *Session) beginUpgrade(p *probe) {
	s.mu.Lock()
	if s.probe != p || s.state != polling {
		s.mu.Unlock()
		p.hangUp()
		return
	}
	s.enter(upgrading)
	if p.link != nil {
		_ = p.link.push(packetsProbe) // small enough to be free
		p.carried()
	}
	s.mu.Unlock()
	if p.link != nil {
		return
	}
	_ = p.conn.Send(packetsProbe) // a broken connection reports itself
	_ = p.conn.Ping()
}

// OnPong implements websocket.PongHandler. The client has the probe's answer, or will
// soon, over a WebSocket that carries both ways: the poll that waits is ended, so that
// it can stop polling. Had the poll been ended with the probe's answer, and the
// WebSocket broken on the way, nothing would wake the client (see OnClose).
func (p *probe) OnPong(*websocket.Conn, []byte) {
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	p.carried()
}

// carried ends the poll that waits, for the connection carries both ways. The session's
// lock must be held.
func (p *probe) carried() {
	s := p.session
	if s.probe != p || s.state != upgrading || p.carries {
		return
	}
	p.carries = true
	if s.poll == nil {
		return
	}
	if young := promptDelay - time.Since(s.poll.since); young > 0 {
		p.noop = time.AfterFunc(young, p.endPoll)
	} else if len(s.queue.packets) == 0 {
		s.push(packetsNoop)
	}
}

// endPoll ends the poll that waits for the upgrade's sake.
func (p *probe) endPoll() {
	s := p.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe == p && s.state == upgrading && s.poll != nil && len(s.queue.packets) == 0 {
		s.push(packetsNoop)
	}
}

// completeUpgrade makes the probed connection the session's transport. What was queued
// goes first, and what is sent meanwhile waits for the session's lock. A session
// that is closing ends with what was queued.
func (s *Session) completeUpgrade(p *probe) {
	s.mu.Lock()
	last := s.state == closing
	next := onWebSocket
	if p.link != nil {
		next = onForeign
	}
	if s.probe != p || !s.enter(next) && !last {
		s.mu.Unlock()
		p.hangUp()
		return
	}
	p.stopTimers()
	p.done = true
	s.probe = nil
	queue := s.takeQueue()
	packets := withoutClose(queue.packets) // closing the connection says it
	if s.poll != nil {                     // a client that did not wait for its poll
		s.poll.late = time.Since(s.poll.since) < promptDelay
		s.push(packetsNoop)
	}
	var full error
	if p.link == nil {
		s.attach(p.conn, p.base64, packets)
	} else {
		s.foreign = p.link
		full = p.link.push(packets...)
	}
	queue.drop() // the connection charges what waits for it
	written := p.link == nil || !p.link.writing
	s.mu.Unlock()
	if last && written {
		s.end(s.closing, nil)
	}
	if full != nil {
		s.end(ReasonTransportError, full)
	}
	if last || full != nil {
		return
	}
	s.server.stats.upgraded.Add(1)
	if f := s.server.opts.Observer.Upgraded; f != nil {
		f(s)
	}
}
