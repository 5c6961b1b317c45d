package websocket

import (
	"bufio"
	"crypto/sha1" // #nosec G505 -- the protocol has it, and it protects nothing
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// acceptGUID is the constant of RFC 6455, section 1.3.
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// HandshakeError says why a request was not upgraded. Upgrade has answered it with
// Status.
type HandshakeError struct {
	Status int
	Reason string
}

// Error implements error.
func (e *HandshakeError) Error() string {
	return fmt.Sprintf("websocket: handshake refused: %s (%d)", e.Reason, e.Status)
}

// IsUpgrade reports whether the request asks for a WebSocket. The rest of its
// handshake may still be wrong.
func IsUpgrade(r *http.Request) bool {
	return hasToken(r.Header["Connection"], "upgrade") && hasToken(r.Header["Upgrade"], "websocket")
}

// Upgrade answers the opening handshake (RFC 6455, section 4.2) and takes the
// connection over. Nothing is written or read before Start (or Close): the answer
// leaves together with what is sent until then. header is added to the answer; of
// the handshake's own fields it may hold the subprotocol. The caller has judged the origin.
//
// On a *HandshakeError the request has been answered, also where that wraps
// http.ErrNotSupported, since w cannot be hijacked; after any other error its
// connection is lost. Neither the Conn nor the Server keeps w, r or header.
func (s *Server) Upgrade(w http.ResponseWriter, r *http.Request, h Handler, header http.Header) (*Conn, error) {
	if bad := checkHandshake(r); bad != nil {
		return nil, refuse(w, bad)
	}
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return nil, refuse(w, &HandshakeError{http.StatusServiceUnavailable, "server is shutting down"})
	}
	nc, buffered, err := takeOver(w)
	if err != nil {
		return nil, err
	}
	var initial []byte
	if n := buffered.Reader.Buffered(); n > 0 {
		initial = make([]byte, n)
		if _, err := buffered.Reader.Read(initial); err != nil {
			_ = nc.Close()
			return nil, fmt.Errorf("websocket: read what the HTTP server had buffered: %w", err)
		}
	}
	if err := nc.SetDeadline(time.Time{}); err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("websocket: clear deadlines: %w", err)
	}
	return s.accept(nc, h, initial, r, header)
}

// turnAwayTimeout is how long TurnAway waits for room to write some hundred bytes.
const turnAwayTimeout = time.Second

// TurnAway answers the opening handshake as Upgrade does, but closes the connection at
// once, behind a close frame with code. Nothing is kept of it: no peer can make it
// last by not answering.
func (s *Server) TurnAway(w http.ResponseWriter, r *http.Request, code int) error {
	if bad := checkHandshake(r); bad != nil {
		return refuse(w, bad)
	}
	nc, _, err := takeOver(w)
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(turnAwayTimeout)); err != nil {
		return fmt.Errorf("websocket: set a deadline: %w", err)
	}
	answer := appendAnswer(nil, r.Header.Get("Sec-Websocket-Key"), "", nil)
	if _, err := nc.Write(appendCloseFrame(answer, code, "")); err != nil {
		return fmt.Errorf("websocket: turn a connection away: %w", err)
	}
	return nil
}

// takeOver takes a connection from net/http.
func takeOver(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
	nc, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		refused := refuse(w, &HandshakeError{http.StatusInternalServerError, "connection cannot be taken over"})
		return nil, nil, fmt.Errorf("%w: %w", refused, err)
	}
	return nc, buffered, nil
}

// accept queues the answer on the connection, which it owns.
func (s *Server) accept(nc net.Conn, h Handler, initial []byte, r *http.Request, header http.Header) (*Conn, error) {
	extension := ""
	if s.compression != nil {
		extension = deflateAnswer(r.Header["Sec-Websocket-Extensions"])
	}
	buf := s.pools.encodeBuffer()
	*buf = appendAnswer(*buf, r.Header.Get("Sec-Websocket-Key"), extension, header)
	c, err := s.adopt(nc, h, initial, *buf, extension != "")
	s.pools.freeEncode(buf)
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	return c, nil
}

// checkHandshake judges the request by section 4.2.1.
func checkHandshake(r *http.Request) *HandshakeError {
	switch {
	case r.Method != http.MethodGet:
		return &HandshakeError{http.StatusMethodNotAllowed, "method is not GET"}
	case !r.ProtoAtLeast(1, 1):
		return &HandshakeError{http.StatusBadRequest, "protocol is older than HTTP/1.1"}
	case !hasToken(r.Header["Upgrade"], "websocket"):
		return &HandshakeError{http.StatusUpgradeRequired, "no upgrade to websocket requested"}
	case !hasToken(r.Header["Connection"], "upgrade"):
		return &HandshakeError{http.StatusBadRequest, "connection header lacks upgrade"}
	case r.Header.Get("Sec-Websocket-Version") != "13":
		return &HandshakeError{http.StatusUpgradeRequired, "version is not 13"}
	}
	key := r.Header["Sec-Websocket-Key"]
	if len(key) != 1 {
		return &HandshakeError{http.StatusBadRequest, "not one key"}
	}
	var raw [18]byte
	if n, err := base64.StdEncoding.Decode(raw[:], limitKey(key[0])); err != nil || n != 16 {
		return &HandshakeError{http.StatusBadRequest, "key is not 16 bytes in base64"}
	}
	return nil
}

// limitKey keeps a key of any other length than that of 16 bytes from being decoded.
func limitKey(key string) []byte {
	if len(key) != 24 {
		return nil
	}
	return []byte(key)
}

// refuse answers a request that is not upgraded, and returns bad.
func refuse(w http.ResponseWriter, bad *HandshakeError) error {
	if bad.Status == http.StatusUpgradeRequired {
		w.Header().Set("Sec-Websocket-Version", "13") // section 4.2.2
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
	}
	if bad.Status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodGet)
	}
	http.Error(w, bad.Reason, bad.Status)
	return bad
}

// appendAnswer appends the answer of section 4.2.2.
func appendAnswer(b []byte, key, extension string, header http.Header) []byte {
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	b = appendAccept(b, key)
	b = append(b, "\r\n"...)
	if extension != "" {
		b = append(b, "Sec-WebSocket-Extensions: "...)
		b = append(b, extension...)
		b = append(b, "\r\n"...)
	}
	for name, values := range header {
		if !validFieldName(name) {
			continue
		}
		for _, v := range values {
			b = append(b, name...)
			b = append(b, ": "...)
			for i := range len(v) {
				if c := v[i]; c == '\r' || c == '\n' || c == 0 {
					b = append(b, ' ') // a value cannot begin another field
				} else {
					b = append(b, c)
				}
			}
			b = append(b, "\r\n"...)
		}
	}
	return append(b, "\r\n"...)
}

// appendAccept appends the proof that the key was read (section 4.2.2, step 5.4).
func appendAccept(b []byte, key string) []byte {
	sum := sha1.Sum([]byte(key + acceptGUID)) // #nosec G401 -- as RFC 6455 has it; it protects nothing
	return base64.StdEncoding.AppendEncode(b, sum[:])
}

// validFieldName reports whether name is a token (RFC 9110, section 5.6.2).
func validFieldName(name string) bool {
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return name != ""
}

// hasToken reports whether one of the comma-separated lists holds token,
// whatever its case.
func hasToken(lists []string, token string) bool {
	for _, list := range lists {
		for item := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(item), token) {
				return true
			}
		}
	}
	return false
}
