package engineio

import (
	"bytes"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A poll that waits in a handler costs what net/http holds for a request: two
// goroutines and buffers, some 25 KB. After Options.ParkAfter it is therefore
// parked: its connection is taken from net/http and only watched. When there is
// something to say, the answer is written by hand, and the connection goes back
// to the http.Server that it came from, through a listener that this server
// accepts from: to it, it is a new connection, whose next request passes through
// all of the program's handlers as before.
//
// Parked are polls on plain HTTP/1.1 connections of servers that hand out their
// sockets; all others wait in their handlers. One under TLS then costs 35 KB, and one by
// HTTP/2 on a connection of its own 56 KB. net/http knows TLS by its own *tls.Conn only:
// what a client sent early cannot be put in front of it, and with a connection around it
// requests would be taken for ones without TLS.

// parked is a poll whose connection is only watched. Who takes it from
// Session.poll, with Session.mu held, owns the connection.
type parked struct {
	session  *Session
	poll     *poll
	conn     net.Conn
	raw      syscall.RawConn
	early    []byte // what the client sent after its request
	header   http.Header
	home     *http.Server
	encoding string // that the client takes
	query    query
	last     bool // the client wants the connection closed after the answer
	watch    watch
}

// parking counts the parked polls, so that Shutdown can wait for their answers.
type parking struct {
	mu          sync.Mutex // guards the fields below
	closed      bool
	unwatchable bool // the program's listener does not hand out sockets
	count       int
	polls       sync.WaitGroup // count of them
}

// enter reports whether a poll may be parked; then leave must be called.
func (p *parking) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.unwatchable {
		return false
	}
	p.count++
	p.polls.Add(1)
	return true
}

func (p *parking) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count--
	p.polls.Done()
}

func (p *parking) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// close refuses polls from now on and waits until all were answered.
func (p *parking) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.polls.Wait()
}

// parkable reports whether r's connection can be taken over and given back: a
// body that was not read would be taken for the next request.
func parkable(r *http.Request) bool {
	return r.TLS == nil && r.ProtoMajor == 1 && r.ProtoMinor >= 1 &&
		r.ContentLength == 0 && len(r.TransferEncoding) == 0
}

// park parks p, if that is possible; early only where its connection can become a direct
// one. It reports whether it did: then the handler has nothing more to do, and must not
// use w any more.
func (s *Session) park(w http.ResponseWriter, r *http.Request, q *query, p *poll, early bool) bool {
	home, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok || !parkable(r) || !s.server.idle.open() || !s.server.parking.enter() {
		return false
	}
	direct := s.approvePoll(w, r, q)
	if early && !direct {
		s.server.parking.leave()
		return false
	}
	pk := &parked{
		session: s, poll: p, home: home,
		encoding: acceptedEncoding(r.Header.Get("Accept-Encoding")),
		query:    query{jsonp: q.jsonp, callback: strings.Clone(q.callback)},
		last:     r.Close,
	}
	if h := w.Header(); len(h) > 0 {
		pk.header = maps.Clone(h)
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		if direct {
			s.leaveDirect()
		}
		s.server.parking.leave()
		return false
	}
	if n := buffered.Reader.Buffered(); n > 0 {
		pk.early = make([]byte, n)
		_, _ = buffered.Reader.Read(pk.early) // n bytes are there
	}
	if back, ok := conn.(*returned); ok { // it was parked before
		conn = back.Conn
		pk.early = append(pk.early, back.unread()...)
	}
	pk.conn = conn
	if direct && s.adopt(pk, p, r.RemoteAddr) {
		return true
	}
	if source, ok := conn.(syscall.Conn); ok {
		pk.raw, _ = source.SyscallConn() // nil: as below
	}
	if pk.raw == nil { // this one is not watched, the heartbeat finds out; others will not be parked
		s.server.parking.mu.Lock()
		s.server.parking.unwatchable = true
		s.server.parking.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.parked = pk
	select {
	case <-p.ready:
		p.wake()
	default:
		s.server.idle.add(pk)
	}
	return true
}

// take makes the caller the owner, unless somebody else is, and returns what
// there is to be written.
func (pk *parked) take() (b backlog, st state, ok bool) {
	s := pk.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poll != pk.poll {
		return backlog{}, s.state, false
	}
	s.poll = nil
	s.writing = true
	return s.takeQueue(), s.state, true
}

// answer writes what is queued. It has its own goroutine, for as long as that takes.
func (pk *parked) answer() {
	s := pk.session
	b, st, ok := pk.take()
	if !ok {
		return
	}
	defer s.server.parking.leave()
	s.endPoll(pk.poll)
	s.server.idle.remove(pk)
	if s.server.down.Load() {
		pk.last = true // it would not be taken back
	}
	err := pk.write(&b)
	s.endAnswer(&b)
	s.answered(st, b.packets, err)
	if err != nil || pk.last {
		_ = pk.conn.Close()
		return
	}
	s.server.handback.give(pk.home, pk.conn, pk.early)
}

// gone handles that the client went away. What is queued stays.
func (pk *parked) gone() {
	s := pk.session
	s.mu.Lock()
	st, ok := s.state, s.poll == pk.poll
	if ok {
		s.poll = nil
		if st == closed {
			s.queue.drop()
		}
	}
	s.mu.Unlock()
	if !ok {
		return
	}
	defer s.server.parking.leave()
	s.endPoll(pk.poll)
	s.server.idle.remove(pk)
	_ = pk.conn.Close()
	if st == polling || st == closing {
		s.end(ReasonTransportError, errCancelled)
	}
}

// write writes the answer, in one call where the connection is a socket.
func (pk *parked) write(b *backlog) error {
	if err := pk.conn.SetWriteDeadline(time.Now().Add(pk.session.server.opts.PingTimeout)); err != nil {
		return err
	}
	if err := pk.session.beginAnswer(b, pk.conn); err != nil {
		return err
	}
	h := handWritten{header: pk.header}
	if h.header == nil {
		h.header = make(http.Header, 5)
	}
	if err := pk.session.writePayload(&h, pk.encoding, &pk.query, b.packets); err != nil {
		return err
	}
	whole := net.Buffers{h.head(pk.last), h.body}
	if _, err := whole.WriteTo(pk.conn); err != nil {
		return err
	}
	_ = pk.conn.SetWriteDeadline(time.Time{}) // closed: the answer arrived, and who reads next finds out
	return nil
}

// handWritten is a response that is collected, to be written by hand.
type handWritten struct {
	header http.Header
	status int // 0: 200
	body   []byte
}

func (h *handWritten) Header() http.Header { return h.header }

func (h *handWritten) WriteHeader(status int) { h.status = status }

func (h *handWritten) Write(b []byte) (int, error) {
	h.body = append(h.body, b...)
	return len(b), nil
}

// head is the response but for its body, as HTTP/1.1 (RFC 9112, sections 3 to 5).
func (h *handWritten) head(last bool) []byte {
	if last {
		h.header.Set("Connection", "close")
	}
	h.header["Content-Length"] = []string{strconv.Itoa(len(h.body))}
	h.header["Date"] = []string{time.Now().UTC().Format(http.TimeFormat)}
	b := bytes.NewBuffer(make([]byte, 0, 256))
	status := or(h.status, http.StatusOK)
	b.WriteString("HTTP/1.1 " + strconv.Itoa(status) + " " + http.StatusText(status) + "\r\n")
	_ = h.header.Write(b) // a buffer takes everything; values are sanitised
	b.WriteString("\r\n")
	return b.Bytes()
}
