package engineio

import (
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// With Options.DirectPolls the connection of a parked poll stays with the engine when
// the poll was answered: one goroutine, of pollLoop, reads the next request from it,
// answers it, and watches all connections at whose other end a poll waits. net/http
// gets a connection back, with what was read from it, as soon as anything is unusual:
// a request that says something else than one that went through the handlers before
// (see directrequest.go), one that is not there as a whole, a session that is not just
// polling, a limit that was reached, two seconds without a request. What is to be
// refused is refused there.

// direct is a connection whose requests are read without net/http. It belongs to one
// session, and to the pollLoop's goroutine, but for what is said otherwise.
type direct struct {
	session *Session
	home    *http.Server
	peer    uint64 // its part of fingerprints
	fd      int
	poll    poll // that waits in state directWaits; guarded by Session.mu

	state    directState
	readable bool         // there is something to read, or the client left
	shut     bool         // the client sends nothing more, or left
	pushed   bool         // in pollLoop.todo; guarded by pollLoop.mu
	posted   atomic.Int32 // the status of a POST that a goroutine has handled
	id       int32        // in pollLoop.conns; 0 for none

	since        time.Time // in state directRests
	older, newer *direct   // those that rest, by since
}

// directState is what a direct connection is at.
type directState uint8

const (
	directRests directState = iota // no request is on its way. → directWaits, directPosts, directGone
	directWaits                    // a poll waits. → directRests, directGone
	directPosts                    // a goroutine handles a POST. → directRests, directGone
	directGone                     // terminal: closed, or not ours any more
)

const (
	// maxDirect bounds the direct connections of a session. Browsers need two.
	maxDirect = 4
	// directRest is how long a connection may rest before net/http gets it back, whose
	// timeouts are for that.
	directRest = 2 * time.Second
	// maxDirectAnswer is up to how many bytes of packets are answered by the loop. More
	// is written by a goroutine, and the connection goes back.
	maxDirectAnswer = 16 << 10
	// maxDirectRequest bounds what is read as one request.
	maxDirectRequest = 8 << 10
)

// early reports whether a poll shall be parked at once: where the session has shown
// that it is not just about to upgrade, and that its requests can be read here.
func (s *Session) early() bool {
	o := &s.server.opts
	if !o.DirectPolls || o.ParkAfter < 0 || time.Since(s.request.Time) < o.ParkAfter || s.server.direct.useless.Load() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.approval == nil || s.approval.deviations < maxDeviations
}

// approvePoll notes that the handlers have let r pass, a poll that is about to be
// parked, and reports whether its connection may become direct; then it counts as one.
func (s *Session) approvePoll(w http.ResponseWriter, r *http.Request, q *query) bool {
	if !s.server.opts.DirectPolls || q.jsonp || !s.server.direct.open(s.server) {
		return false
	}
	a := s.server.approve(w, r)
	if a.print == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.directs >= maxDirect {
		return false
	}
	s.directs++
	if s.approval == nil {
		s.approval = new(approval)
	}
	s.approval.poll = a
	return true
}

// approvePost notes that the handlers have let r pass, a POST, where the session has a
// connection that such a one may come over.
func (s *Session) approvePost(w http.ResponseWriter, r *http.Request, q *query, binary bool) {
	s.mu.Lock()
	polled := s.approval != nil
	s.mu.Unlock()
	if !polled || q.jsonp || binary {
		return
	}
	a := s.server.approve(w, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.approval.post = a
}

// adopt makes the connection of pk, which was hijacked with the poll p, a direct one,
// for which approvePoll has returned true. It reports whether it did.
func (s *Session) adopt(pk *parked, p *poll, peer string) bool {
	d := &direct{session: s, home: pk.home, peer: s.server.printPeer(peer), state: directWaits}
	if len(pk.early) > 0 || !d.take(pk.conn) {
		s.leaveDirect()
		return false
	}
	s.mu.Lock()
	d.poll = poll{direct: d, since: p.since, counted: p.counted, late: p.late}
	s.poll = &d.poll
	if len(s.queue.packets) > 0 {
		s.wakePoll()
	}
	s.mu.Unlock()
	s.server.direct.push(d)
	return true
}

// leaveDirect counts a direct connection less.
func (s *Session) leaveDirect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.directs--
}

// deviated notes whether a request said something else than was let pass before.
func (s *Session) deviated(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch a := s.approval; {
	case yes:
		a.deviations = min(a.deviations+2, maxDeviations)
	case a.deviations > 0:
		a.deviations--
	}
}

// beginDirect makes d's poll the one that waits, where that is all there is to do for a
// request with that fingerprint. ready says that there is something to answer; then the
// caller answers.
func (s *Session) beginDirect(d *direct, print uint64) (ready, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != polling || s.poll != nil || s.approval.poll.print != print {
		return false, false
	}
	d.poll = poll{direct: d, since: time.Now()}
	s.poll = &d.poll
	s.pollArrived()
	d.poll.answering = len(s.queue.packets) > 0 && !s.writing
	return d.poll.answering, true
}

// withdraw takes back a poll that AllowPoll refused, unless it is being answered.
func (s *Session) withdraw(d *direct) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poll != &d.poll || d.poll.answering {
		return false
	}
	s.poll = nil
	return true
}

// due reports whether d's poll is to be answered.
func (s *Session) due(d *direct) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.poll == &d.poll && d.poll.answering
}

// directTake is parked.take for a direct connection; late as in servePoll.
func (s *Session) directTake(d *direct) (b backlog, a approved, st state, late, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poll != &d.poll {
		return backlog{}, approved{}, s.state, false, false
	}
	s.poll = nil
	late = d.poll.late
	s.writing = !late
	return s.takeQueue(), s.approval.poll, s.state, late, true
}

// beginDirectPost reports whether a POST with that fingerprint is let in. inline says
// that handling it waits for nothing: it has one packet, which closes nothing, and the
// session is not paused.
func (s *Session) beginDirectPost(print uint64, body []byte) (inline, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != polling || s.posting || s.approval.post.print != print {
		return false, false
	}
	s.posting = true
	inline = s.resumed == nil && s.Protocol() == 4 && len(body) > 0 && body[0] != packetClose && !slices.Contains(body, recordSeparator)
	return inline, true
}

// postHeader are the fields that the handlers have set for a POST.
func (s *Session) postHeader() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.approval.post.header.Value()
}

// directPost handles the body of a POST and returns the status of the answer. await is as
// in takePayload.
func (s *Session) directPost(body []byte, await func()) (status int) {
	defer func() {
		if r := recover(); r != nil {
			s.server.opts.Logger.Error("engine.io: panic in a receiver", "panic", r)
			s.end(ReasonTransportError, errPanic)
			status = http.StatusInternalServerError
		}
		s.endPost()
	}()
	s.server.stats.pollIn.Add(uint64(len(body)))
	return s.takePayload(body, false, await)
}

// endPost lets the next POST in.
func (s *Session) endPost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posting = false
}

// appendAnswer appends the answer to a poll or POST that was let pass: 200, with a body
// of that type.
func appendAnswer(b []byte, header, contentType string, body, date []byte) []byte {
	b = append(b, "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\n"...)
	b = append(b, header...)
	b = append(append(b, "Content-Type: "...), contentType...)
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	b = append(b, "\r\nDate: "...)
	b = append(append(b, date...), "\r\n\r\n"...)
	return append(b, body...)
}

// refusal is an answer that is not 200, after which the connection is closed.
func (s *Session) refusal(header string, status int) []byte {
	h := handWritten{header: parseHeaderLines(header), status: status}
	h.header["Cache-Control"] = cacheControl
	if status == http.StatusBadRequest {
		s.server.refuse(&h, ErrBadRequest, false)
	}
	return append(h.head(true), h.body...)
}
