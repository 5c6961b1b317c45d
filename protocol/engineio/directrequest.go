package engineio

import (
	"bytes"
	"hash/maphash"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"unique"
)

// What of HTTP is read without net/http is this: a request that says the same as one of
// its session that net/http has read and all handlers have let pass before. The same is
// the method, the path, the query but for the value of "t", which only keeps caches
// away, the peer's address, and each header field, Host, Cookie, Origin, Authorization
// and what proxies add among them; a POST's Content-Length alone may differ. So nobody
// has to know here what a field means. (RFC 9112, sections 2 to 6)

// approval is what the handlers have let pass of a session's requests.
type approval struct {
	poll, post approved
	deviations int8 // how often a request said something else, less how often one did not, about
}

// maxDeviations is from how many deviations on polls wait in their handlers for
// Options.ParkAfter again: who has his requests read by net/http in any case is to
// have it keep the connection.
const maxDeviations = 6

// approved is a request that the handlers have let pass, and what was to be in its answer.
type approved struct {
	print    uint64                // of the request; 0 for none
	header   unique.Handle[string] // of the answer, as lines; most sessions share them
	encoding string                // that the client takes
}

// approve notes what w's and r's handlers have let pass. The zero value says that no
// request like it may be answered without them.
func (srv *Server) approve(w http.ResponseWriter, r *http.Request) approved {
	print, ok := srv.fingerprint(r)
	if !ok || w.Header().Get("Connection") != "" {
		return approved{}
	}
	return approved{
		print:    print,
		header:   unique.Make(headerLines(w.Header())),
		encoding: acceptedEncoding(r.Header.Get("Accept-Encoding")),
	}
}

// ownFields are the fields of answers that the engine writes itself.
var ownFields = []string{"Cache-Control", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Date", "Transfer-Encoding"}

// headerLines are the fields of an answer that handlers have set.
func headerLines(h http.Header) string {
	others := maps.Clone(h)
	maps.DeleteFunc(others, func(name string, _ []string) bool { return slices.Contains(ownFields, name) })
	var b strings.Builder
	_ = others.Write(&b) // a builder takes everything; values are sanitised
	return b.String()
}

// parseHeaderLines is the opposite.
func parseHeaderLines(lines string) http.Header {
	h := make(http.Header)
	for line := range strings.SplitSeq(lines, "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			h[name] = append(h[name], value)
		}
	}
	return h
}

// isDecisive reports whether a request with that field, in lower case, is none of those
// that are read here, whatever it says.
func isDecisive(name string) bool {
	switch name {
	case "expect", "trailer", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

// contentLength is the field of which a POST's fingerprint knows nothing.
const contentLength = "content-length"

// fingerprint is a number that only requests which say the same have in common, as far
// as anybody can find out who does not know the seed. ok is false for those of which
// none like it is read without net/http.
func (srv *Server) fingerprint(r *http.Request) (_ uint64, ok bool) {
	post := r.Method == http.MethodPost
	if r.TLS != nil || r.Proto != "HTTP/1.1" || r.Close || len(r.TransferEncoding) > 0 || len(r.Trailer) > 0 ||
		!strings.HasPrefix(r.RequestURI, "/") || !post && (r.Method != http.MethodGet || r.ContentLength != 0) {
		return 0, false
	}
	var scratch []byte
	print := srv.printTarget(&scratch, []byte(r.RequestURI)) + srv.printField(&scratch, "host", r.Host) + srv.printPeer(r.RemoteAddr)
	for name, values := range r.Header {
		name = strings.ToLower(name)
		switch {
		case len(values) != 1, name == "host", isDecisive(name):
			return 0, false // of repeated fields the order would matter
		case post && name == contentLength:
		default:
			print += srv.printField(&scratch, name, values[0])
		}
	}
	return max(print, 1), true
}

// printField is the part of a fingerprint for a field, whose name is in lower case.
func (srv *Server) printField(scratch *[]byte, name, value string) uint64 {
	*scratch = append(append(append((*scratch)[:0], name...), ':'), value...)
	return maphash.Bytes(srv.seed, *scratch)
}

// printTarget is the part for the target, without the value of "t". The second byte
// keeps it apart from fields.
func (srv *Server) printTarget(scratch *[]byte, target []byte) uint64 {
	path, query, _ := bytes.Cut(target, []byte("?"))
	b := append(append((*scratch)[:0], "/:"...), path...)
	b = append(b, '?')
	for more := true; more; {
		var part []byte
		part, query, more = bytes.Cut(query, []byte("&"))
		if isTime(part) {
			part = part[:2]
		}
		b = append(append(b, part...), '&')
	}
	*scratch = b
	return maphash.Bytes(srv.seed, b)
}

// maxTime bounds the value of "t". Clients send some ten characters.
const maxTime = 32

// isTime reports whether part of a query is a "t" as clients send it.
func isTime(part []byte) bool {
	return len(part) <= 2+maxTime && bytes.HasPrefix(part, []byte("t=")) &&
		!slices.ContainsFunc(part[2:], func(c byte) bool { return !isDigit(c) && !isLetter(c) && c != '-' && c != '_' && c != '.' })
}

// printPeer is the part for the peer's address, without its port.
func (srv *Server) printPeer(address string) uint64 {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	return maphash.String(srv.seed, ";:"+host) // no field's name has a semicolon
}

// directHead is the head of a request.
type directHead struct {
	print  uint64 // without the peer
	length int    // in bytes, with the empty line
	post   bool
	body   int // Content-Length of a POST; -1 where it says none
}

var (
	lineEnd = []byte("\r\n")
	headEnd = []byte("\r\n\r\n")
)

// readHead reads the head that b begins with. ok is false where it is not there as a
// whole, or is anything but the plainest of HTTP/1.1: net/http is to judge that.
func (srv *Server) readHead(b []byte, scratch *[]byte) (h directHead, ok bool) {
	end := bytes.Index(b, headEnd)
	if end < 0 {
		return h, false
	}
	h.length, h.body = end+len(headEnd), -1
	line, fields, _ := bytes.Cut(b[:end+len(lineEnd)], lineEnd)
	target, ok := h.readLine(line)
	if !ok {
		return h, false
	}
	h.print = srv.printTarget(scratch, target)
	for len(fields) > 0 {
		line, fields, _ = bytes.Cut(fields, lineEnd)
		part, ok := srv.readField(&h, line, scratch)
		if !ok {
			return h, false
		}
		h.print += part
	}
	return h, true
}

// readLine reads the request line and returns the target.
func (h *directHead) readLine(line []byte) (target []byte, ok bool) {
	if target, ok = bytes.CutPrefix(line, []byte("POST ")); ok {
		h.post = true
	} else if target, ok = bytes.CutPrefix(line, []byte("GET ")); !ok {
		return nil, false
	}
	target, ok = bytes.CutSuffix(target, []byte(" HTTP/1.1"))
	if !ok || len(target) == 0 || target[0] != '/' || slices.ContainsFunc(target, func(c byte) bool { return c <= ' ' || c >= 0x7f }) {
		return nil, false
	}
	return target, true
}

// readField reads a line of the head and returns its part of the fingerprint.
func (srv *Server) readField(h *directHead, line []byte, scratch *[]byte) (part uint64, ok bool) {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return 0, false
	}
	b := (*scratch)[:0]
	for _, c := range line[:colon] {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if !isDigit(c) && !isLetter(c) && c != '-' && c != '_' {
			return 0, false // tokens may have more; no field does that clients send
		}
		b = append(b, c)
	}
	value := bytes.Trim(line[colon+1:], " \t")
	for _, c := range value {
		if (c < ' ' && c != '\t') || c >= 0x7f {
			return 0, false
		}
	}
	switch {
	case isDecisive(string(b)):
		return 0, false
	case h.post && string(b) == contentLength:
		*scratch = b
		return 0, h.readLength(value)
	}
	b = append(append(b, ':'), value...)
	*scratch = b
	return maphash.Bytes(srv.seed, b), true
}

// readLength reads a Content-Length, of which there must be one.
func (h *directHead) readLength(value []byte) bool {
	if h.body >= 0 || len(value) == 0 || len(value) > 9 {
		return false
	}
	n := 0
	for _, c := range value {
		if !isDigit(c) {
			return false
		}
		n = 10*n + int(c-'0')
	}
	h.body = n
	return true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
