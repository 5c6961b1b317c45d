package engineio

import (
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"time"
)

// poll is a GET that waits for packets.
type poll struct {
	ready chan struct{} // of capacity 1: there is something to take
	timer *time.Timer   // of await, kept for the next poll; nil before the first

	// Guarded by Session.mu.
	since     time.Time // when it came
	late      bool      // it came when the session was leaving for its WebSocket
	parked    *parked   // where the poll waits, once it has left its handler; or
	direct    *direct   // where it waits that net/http does not know of
	answering bool      // its answer is being made
	counted   bool      // Options.AllowPoll let it wait; set before it can be parked
}

// wake tells a poll to take what is queued. On nil it does nothing. Session.mu
// must be held.
func (p *poll) wake() {
	switch {
	case p == nil || p.answering:
		return
	case p.direct != nil:
		p.answering = true
		p.direct.session.server.direct.push(p.direct)
		return
	case p.parked != nil:
		p.answering = true
		go p.parked.answer()
		return
	}
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// newPoll is a poll from the pool, or a new one.
func (srv *Server) newPoll() *poll {
	if p, ok := srv.polls.Get().(*poll); ok {
		return p
	}
	return &poll{ready: make(chan struct{}, 1)}
}

// openPolling answers a handshake over long-polling: with the open packet alone,
// as the official server does; what the receiver sends waits for the first poll.
func (s *Session) openPolling(w http.ResponseWriter, r *http.Request, q *query) {
	s.mu.Lock()
	s.enter(polling)
	s.mu.Unlock()
	if refusal := s.admit(); refusal != nil {
		s.server.reject(w, r, refusal, false)
		return
	}
	if err := s.writePayload(w, r.Header.Get("Accept-Encoding"), q, []*Message{s.openPacket(true)}); err != nil {
		s.end(ReasonTransportError, err)
		return
	}
	s.server.opened(s)
}

// servePolling serves a request of a session that polls.
func (s *Session) servePolling(w http.ResponseWriter, r *http.Request, q *query) {
	s.mu.Lock()
	s.used = true
	s.mu.Unlock()
	switch r.Method {
	case http.MethodGet:
		s.servePoll(w, r, q)
	case http.MethodPost:
		s.servePost(w, r, q)
	default:
		w.WriteHeader(http.StatusInternalServerError) // as the official server answers
	}
}

// servePoll waits until there are packets and answers with them. They stay in
// the queue until the moment before they are written: a poll that is cancelled
// earlier takes none with it. Whether the client has read what was written
// cannot be known; where the kernel reports an error, the session ends.
// (Engine.IO protocol v4, "HTTP long-polling")
func (s *Session) servePoll(w http.ResponseWriter, r *http.Request, q *query) {
	p := s.server.newPoll()
	delay, ok := s.beginPoll(p)
	if !ok {
		s.server.polls.Put(p)
		s.misused(w, errTwoPolls)
		return
	}
	outcome := s.await(w, r, q, p, delay)
	if outcome == wasParked {
		return
	}
	s.endPoll(p)
	gone := outcome == clientGone

	s.mu.Lock()
	s.poll = nil
	var b backlog
	if outcome == somethingToSay {
		b = s.takeQueue()
	} else if s.state == closed {
		s.queue.drop() // nobody else will take it
	}
	st, late := s.state, p.late
	p.late = false
	if outcome == somethingToSay && !late {
		s.writing = true
	}
	s.mu.Unlock()
	select { // it goes back as it came
	case <-p.ready:
	default:
	}
	s.server.polls.Put(p)

	if outcome == notAllowed {
		s.end(ReasonTransportError, errTooManyPolls)
		s.server.refuse(w, errTooManyPolls, false)
		return
	}
	if gone {
		if st == polling || st == closing {
			s.end(ReasonTransportError, errCancelled)
		}
		return // else the WebSocket carries on, and what is queued with it
	}
	if late {
		b.drop()
		s.server.refuse(w, ErrBadRequest, false)
		return
	}
	err := errUnwritten // where a ResponseWriter panics
	defer func() {
		s.endAnswer(&b)
		s.answered(st, b.packets, err)
	}()
	if err = s.beginAnswer(&b, http.NewResponseController(w)); err == nil {
		err = s.writePayload(w, r.Header.Get("Accept-Encoding"), q, b.packets)
	}
}

// answered ends the writing of packets to a poll, taken in state st. Where they are
// lost the session ends, and nothing that was sent after them reaches the client any
// more. One that is upgrading, or has upgraded, goes on where nothing was lost but
// noops, as it does where the client was seen to be gone before.
func (s *Session) answered(st state, packets []*Message, err error) {
	lost := err != nil && (st != upgrading && st != onWebSocket && st != onForeign ||
		slices.ContainsFunc(packets, func(m *Message) bool { return m != packetsNoop }))
	reason := ReasonTransportError
	s.mu.Lock()
	s.writing = false
	s.answeredAt = max(1, s.server.wheel.now())
	if lost {
		if s.state == closing {
			reason = s.closing
		}
		if s.enter(closed) {
			s.dropQueue()
		}
	} else if len(s.queue.packets) > 0 {
		s.wakePoll()
	}
	drained := !lost && err == nil && len(s.queue.packets) == 0
	s.mu.Unlock()
	if f := s.server.opts.Observer.Drained; f != nil && drained {
		f(s)
	}
	switch {
	case lost:
		s.end(reason, err)
	case err == nil && st == closing && saysGoodbye(packets):
		s.end(ReasonForcedClose, nil)
	}
}

// beginPoll makes p the poll that waits, unless there is one. delay is after
// what time it shall be ended with a noop; 0 means never.
func (s *Session) beginPoll(p *poll) (delay time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poll != nil {
		return 0, false
	}
	s.poll = p
	p.since = time.Now()
	s.pollArrived()
	switch {
	case len(s.queue.packets) > 0:
		s.wakePoll()
	case s.state == upgrading && !s.probe.carries: // ended when it does
	case s.state == upgrading: // ended, so that the client can stop polling
		if s.probe.noops++; s.probe.noops > promptNoops {
			return noopDelay, true
		}
		return promptDelay, true
	case s.state == onWebSocket, s.state == onForeign:
		p.late = true
		s.push(packetsNoop)
	case s.state == closing:
		s.push(packetsNoop, packetsClose) // as the official server says it
	case s.state == closed:
		s.push(packetsClose)
	}
	return 0, true
}

// outcome is how the waiting of a poll ended.
type outcome uint8

const (
	somethingToSay outcome = iota
	clientGone
	wasParked
	notAllowed
)

// await waits until there is something for p.
func (s *Session) await(w http.ResponseWriter, r *http.Request, q *query, p *poll, delay time.Duration) outcome {
	select {
	case <-p.ready: // mostly: no need to prepare for waiting
		return stillThere(r)
	default:
	}
	if f := s.server.opts.AllowPoll; f != nil {
		if !f(s) {
			return notAllowed
		}
		p.counted = true
	}
	s.liftDeadlines(w, r)
	var hurry, enough <-chan time.Time
	if delay > 0 {
		hurry = p.after(delay)
	} else if s.early() && s.park(w, r, q, p, true) {
		return wasParked
	} else if d := s.server.opts.ParkAfter; d > 0 {
		enough = p.after(d)
	}
	defer p.stopTimer()
	for {
		select {
		case <-p.ready:
			return stillThere(r)
		case <-r.Context().Done():
			return clientGone
		case <-enough:
			timer := p.timer
			p.timer = nil // while it is parked a poll holds none
			if s.park(w, r, q, p, false) {
				return wasParked
			}
			p.timer = timer
		case <-hurry:
			s.mu.Lock()
			if len(s.queue.packets) == 0 { // else it is being ended already, perhaps with a close packet, the last
				s.push(packetsNoop)
			}
			s.mu.Unlock()
		}
	}
}

// after is time.After with the poll's own timer.
func (p *poll) after(d time.Duration) <-chan time.Time {
	if p.timer == nil {
		p.timer = time.NewTimer(d)
	} else {
		p.timer.Reset(d)
	}
	return p.timer.C
}

// stopTimer ends what after began.
func (p *poll) stopTimer() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// endPoll reports the end of a poll that was allowed to wait.
func (s *Session) endPoll(p *poll) {
	if !p.counted {
		return
	}
	p.counted = false
	if f := s.server.opts.Observer.PollEnded; f != nil {
		f(s)
	}
}

// limitBody sets the time in which a request's body has to arrive. What is not
// read by then ends the connection: net/http reads the rest after the answer.
func (srv *Server) limitBody(w http.ResponseWriter) {
	if d := srv.opts.BodyTimeout; d > 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(d)) // not possible: then there is none
	}
}

// bodyArrived lifts limitBody's deadline.
func (srv *Server) bodyArrived(w http.ResponseWriter) {
	if srv.opts.BodyTimeout > 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // as above
	}
}

// stillThere spares a client that is known to be gone an answer: what is queued
// stays for the WebSocket that it may be upgrading to.
func stillThere(r *http.Request) outcome {
	if r.Context().Err() != nil {
		return clientGone
	}
	return somethingToSay
}

// liftDeadlines keeps timeouts of the HTTP server, which are made for requests
// that are answered at once, from ending a poll.
func (s *Session) liftDeadlines(w http.ResponseWriter, r *http.Request) {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok || server.ReadTimeout <= 0 && server.WriteTimeout <= 0 {
		return
	}
	o := &s.server.opts
	control := http.NewResponseController(w)
	if r.ContentLength == 0 {
		_ = control.SetReadDeadline(time.Time{}) // not possible: then the timeouts stay
	}
	_ = control.SetWriteDeadline(time.Now().Add(o.PingInterval + 2*o.PingTimeout))
}

// servePost takes the packets in the body.
func (s *Session) servePost(w http.ResponseWriter, r *http.Request, q *query) {
	binary := r.Header.Get("Content-Type") == "application/octet-stream"
	if binary && s.Protocol() == 4 {
		s.misused(w, errBinaryPost)
		return
	}
	s.mu.Lock()
	overlap := s.posting
	s.posting = true
	s.mu.Unlock()
	if overlap {
		s.misused(w, errTwoPosts)
		return
	}
	status := s.takePost(w, r, q, binary)
	s.endPost()
	w.Header()["Cache-Control"] = cacheControl
	switch status {
	case http.StatusOK:
		s.approvePost(w, r, q, binary)
		w.Header()["Content-Type"] = contentTypeHTML
		w.Header()["Content-Length"] = lengthOfOK
		_, _ = w.Write(answerOK) // a client that is gone misses nothing
	case http.StatusBadRequest:
		s.server.refuse(w, ErrBadRequest, false)
	default:
		w.WriteHeader(status)
	}
}

// misused ends a session whose client misuses long-polling. The answer has no
// body, as the official server's has none.
func (s *Session) misused(w http.ResponseWriter, err error) {
	s.end(ReasonTransportError, err)
	w.WriteHeader(http.StatusBadRequest)
}

var (
	answerOK   = []byte("ok")
	lengthOfOK = []string{"2"}
)

// takePost reads and handles the body and returns the status of the answer.
func (s *Session) takePost(w http.ResponseWriter, r *http.Request, q *query, binary bool) int {
	buffer := payloads.Get().(*[]byte)
	kept := bodyCharge{session: s}
	body, err := s.readPost(*buffer, w, r, kept.hold)
	defer func() {
		freePayload(buffer, body)
		kept.charge.Close()
	}()
	s.server.stats.pollIn.Add(uint64(len(body)))
	if err != nil {
		if !errors.Is(err, errAborted) { // else what is queued has yet to leave
			s.end(ReasonTransportError, err)
		}
		return unreadStatus(err)
	}
	s.server.bodyArrived(w)
	payload := body
	if q.jsonp {
		var ok bool
		if payload, ok = decodeJSONP(body); !ok {
			return http.StatusOK
		}
	}
	return s.takePayload(payload, binary, func() {
		s.awaitResume(func() { s.liftDeadlines(w, r) })
	})
}

// takePayload handles the packets of a POST and returns the status of the answer. await
// is called before each of them, and waits where the session is paused.
func (s *Session) takePayload(payload []byte, binary bool, await func()) int {
	each := func(p packet) bool {
		await()
		return s.onPosted(p)
	}
	if err := s.codec.decodePayload(payload, binary, each); err != nil {
		s.end(ReasonParseError, err)
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// readPost appends the body to b[:0]. It fails with errAborted where the session ends
// or begins to close meanwhile: nobody wants what is yet to come. hold is told of the
// size that the body takes.
func (s *Session) readPost(b []byte, w http.ResponseWriter, r *http.Request, hold func(int) error) ([]byte, error) {
	if limit := s.server.opts.MaxPayload; r.ContentLength > limit {
		return b[:0], &http.MaxBytesError{Limit: limit}
	}
	s.mu.Lock()
	s.body = http.NewResponseController(w)
	if s.state == closed {
		s.abortBody()
	}
	s.mu.Unlock()
	b, err := readBody(b, http.MaxBytesReader(w, r.Body, s.server.opts.MaxPayload), hold)
	s.mu.Lock()
	aborted := s.body == nil
	s.body = nil
	s.mu.Unlock()
	if aborted {
		w.Header().Set("Connection", "close") // net/http's reader may have failed, too
		if err != nil {
			err = errAborted
		}
	}
	return b, err
}

// abortBody ends the reading of a POST's body, if there is one. s.mu must be held.
func (s *Session) abortBody() {
	if s.body != nil {
		_ = s.body.SetReadDeadline(time.Unix(1, 0)) // not possible: then BodyTimeout ends it
		s.body = nil
	}
}

// unreadStatus is the status for a body that could not be read because of err.
func unreadStatus(err error) int {
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return http.StatusRequestEntityTooLarge
	}
	if errors.Is(err, errNoMemory) {
		return http.StatusServiceUnavailable
	}
	if errors.Is(err, errAborted) || errors.Is(err, os.ErrDeadlineExceeded) {
		return http.StatusRequestTimeout
	}
	return http.StatusBadRequest
}

// onPosted handles a packet of a POST.
func (s *Session) onPosted(p packet) bool {
	if p.kind == packetClose {
		s.awaitPoll()
	}
	return s.onPacket(p)
}

// reorderDelay is how long a client's close waits for the client's poll.
const reorderDelay = 50 * time.Millisecond

// awaitPoll waits a moment for a poll, where there is none. A client that closes
// has sent one as a rule, but on another connection: it may be read after the
// close, and must not be told then that its session is unknown.
func (s *Session) awaitPoll() {
	arrived := make(chan struct{})
	s.mu.Lock()
	if s.poll != nil || s.state != polling && s.state != upgrading {
		s.mu.Unlock()
		return
	}
	s.awaited = arrived
	s.mu.Unlock()
	timer := time.NewTimer(reorderDelay)
	defer timer.Stop()
	select {
	case <-arrived:
	case <-timer.C:
		s.mu.Lock()
		s.awaited = nil
		s.mu.Unlock()
	}
}

// pollArrived tells awaitPoll. s.mu must be held.
func (s *Session) pollArrived() {
	if s.awaited != nil {
		close(s.awaited)
		s.awaited = nil
	}
}

// readBody appends all of r to b[:0]. hold is asked before b grows.
func readBody(b []byte, r io.Reader, hold func(size int) error) ([]byte, error) {
	b = b[:0]
	if cap(b) == 0 {
		b = make([]byte, 0, 512)
	}
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
		if len(b) == cap(b) {
			if err := hold(2 * cap(b)); err != nil {
				return b, err
			}
			b = slices.Grow(b, cap(b))
		}
	}
}
