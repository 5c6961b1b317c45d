package engineio

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// poll is a GET that waits for packets.
type poll struct {
	ready chan struct{} // of capacity 1: there is something to take
}

// wake tells a poll to take what is queued. On nil it does nothing.
func (p *poll) wake() {
	if p == nil {
		return
	}
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

var polls = sync.Pool{New: func() any { return &poll{ready: make(chan struct{}, 1)} }}

var payloads = sync.Pool{New: func() any { return new([]byte) }}

// maxPooledPayload is the capacity, in bytes, up to which a payload's buffer is kept.
const maxPooledPayload = 64 << 10

// openPolling answers a handshake over long-polling.
func (s *Session) openPolling(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.enter(polling)
	s.push(s.openPacket(true))
	s.mu.Unlock()
	s.admit()
	s.servePoll(w, r)
}

// servePolling serves a request of a session that polls.
func (s *Session) servePolling(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		s.servePoll(w, r)
	case http.MethodPost:
		s.servePost(w, r)
	default:
		w.WriteHeader(http.StatusInternalServerError) // as the official server answers
	}
}

// servePoll waits until there are packets and answers with them.
// (Engine.IO protocol v4, "HTTP long-polling")
func (s *Session) servePoll(w http.ResponseWriter, r *http.Request) {
	p := polls.Get().(*poll)
	s.mu.Lock()
	if s.poll != nil {
		s.mu.Unlock()
		polls.Put(p)
		s.end(ReasonTransportError, errors.New("engineio: two polls at the same time"))
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.poll = p
	switch {
	case len(s.queue) > 0:
		p.wake()
	case s.state == upgrading:
		s.push(packetsNoop) // so that the client can stop polling
	case s.state == onWebSocket || s.state == closed:
		s.push(packetsClose)
	}
	s.mu.Unlock()

	gone := false
	select {
	case <-p.ready:
	case <-r.Context().Done():
		gone = true
	}

	s.mu.Lock()
	s.poll = nil
	var packets []*Message
	if !gone {
		packets, s.queue, s.queued = s.queue, nil, 0
	}
	last := s.state == closing
	s.mu.Unlock()
	select { // it goes back as it came
	case <-p.ready:
	default:
	}
	polls.Put(p)

	if gone {
		s.end(ReasonTransportError, errors.New("engineio: poll was cancelled"))
		return
	}
	if err := s.writePayload(w, r, packets); err != nil {
		s.end(ReasonTransportError, err)
		return
	}
	if last {
		s.end(ReasonForcedClose, nil)
	}
}

// writePayload answers a poll.
func (s *Session) writePayload(w http.ResponseWriter, r *http.Request, packets []*Message) error {
	buffer := payloads.Get().(*[]byte)
	body := (*buffer)[:0]
	for _, m := range packets {
		body = appendPacket(body, m)
	}
	defer func() {
		if cap(body) <= maxPooledPayload {
			*buffer = body
		}
		payloads.Put(buffer)
	}()
	h := w.Header()
	h["Content-Type"] = contentTypeText
	h["Cache-Control"] = cacheControl
	if n := s.server.opts.HTTPCompression; n >= 0 && len(body) >= n && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		return writeGzip(w, body)
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	_, err := w.Write(body)
	return err
}

// Header values that many answers share.
var (
	contentTypeText = []string{"text/plain; charset=UTF-8"}
	contentTypeHTML = []string{"text/html"}
	cacheControl    = []string{"no-store"}
)

var gzips = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is valid
	return z
}}

func writeGzip(w http.ResponseWriter, body []byte) error {
	z := gzips.Get().(*gzip.Writer)
	defer gzips.Put(z)
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Add("Vary", "Accept-Encoding")
	z.Reset(w)
	if _, err := z.Write(body); err != nil {
		return err
	}
	return z.Close()
}

// servePost takes the packets in the body.
func (s *Session) servePost(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	overlap := s.posting
	s.posting = true
	s.mu.Unlock()
	if overlap {
		s.end(ReasonTransportError, errors.New("engineio: two POSTs at the same time"))
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	status := s.takePost(w, r)
	s.mu.Lock()
	s.posting = false
	s.mu.Unlock()
	w.Header()["Cache-Control"] = cacheControl
	if status != http.StatusOK {
		w.WriteHeader(status)
		return
	}
	w.Header()["Content-Type"] = contentTypeHTML
	_, _ = io.WriteString(w, "ok") // a client that is gone misses nothing
}

// takePost reads and handles the body and returns the status of the answer.
func (s *Session) takePost(w http.ResponseWriter, r *http.Request) int {
	if r.Header.Get("Content-Type") == "application/octet-stream" {
		s.end(ReasonParseError, errors.New("engineio: binary payload"))
		return http.StatusBadRequest
	}
	buffer := payloads.Get().(*[]byte)
	body, err := readBody(*buffer, http.MaxBytesReader(w, r.Body, s.server.opts.MaxPayload))
	defer func() {
		if cap(body) <= maxPooledPayload {
			*buffer = body[:0]
		}
		payloads.Put(buffer)
	}()
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return http.StatusRequestEntityTooLarge
	}
	if err != nil {
		s.end(ReasonTransportError, err)
		return http.StatusBadRequest
	}
	if err := decodePayload(body, func(p packet) { s.onPacket(p.kind, p.data, p.binary) }); err != nil {
		s.end(ReasonParseError, err)
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// readBody appends all of r to b[:0].
func readBody(b []byte, r io.Reader) ([]byte, error) {
	b = b[:0]
	if cap(b) == 0 {
		b = make([]byte, 0, 512)
	}
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}
