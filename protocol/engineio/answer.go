package engineio

import (
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

var payloads = sync.Pool{New: func() any { return new([]byte) }}

// maxPooledPayload is the capacity, in bytes, up to which a payload's buffer is kept.
const maxPooledPayload = 64 << 10

// freePayload gives back a buffer from payloads, which may have grown.
func freePayload(buffer *[]byte, b []byte) {
	if cap(b) <= maxPooledPayload {
		*buffer = b[:0]
	}
	payloads.Put(buffer)
}

// Header values that many answers share.
var (
	contentTypeText   = []string{"text/plain; charset=UTF-8"}
	contentTypeBinary = []string{"application/octet-stream"}
	contentTypeScript = []string{"text/javascript; charset=UTF-8"} // nosniff would refuse a script in plain text
	contentTypeHTML   = []string{"text/html"}
	cacheControl      = []string{"no-store"}
)

// guardOldBrowser keeps Internet Explorer from altering an answer that looks to
// it as if a script had been injected.
func guardOldBrowser(w http.ResponseWriter, r *http.Request) {
	if agent := r.UserAgent(); strings.Contains(agent, ";MSIE") || strings.Contains(agent, "Trident/") {
		w.Header().Set("X-Xss-Protection", "0")
	}
}

// writePayload answers a poll. The error is what the kernel said; nil does not
// mean that the client has read it.
func (s *Session) writePayload(w http.ResponseWriter, accept string, q *query, packets []*Message) error {
	buffer := payloads.Get().(*[]byte)
	body, binary := s.codec.appendPayload((*buffer)[:0], packets, s.textPolls || q.jsonp)
	defer func() { freePayload(buffer, body) }()
	h := w.Header()
	h["Content-Type"] = contentTypeText
	switch {
	case q.jsonp:
		h["Content-Type"] = contentTypeScript
		body = appendJSONP(make([]byte, 0, len(body)+len(body)/8+32), q.callback, body)
	case binary:
		h["Content-Type"] = contentTypeBinary
	}
	h["Cache-Control"] = cacheControl
	s.server.stats.pollOut.Add(uint64(len(body)))
	n := s.server.opts.HTTPCompression
	if n >= 0 && len(body) >= n && slices.ContainsFunc(packets, (*Message).Compressible) {
		if encoding := acceptedEncoding(accept); encoding != "" {
			return writeCompressed(w, encoding, body)
		}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	if _, err := w.Write(body); err != nil {
		return err
	}
	// The answer would leave in any case when the handler returns; but then nobody
	// would learn of an error.
	if err := http.NewResponseController(w).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// maxEncodings bounds the items of an Accept-Encoding header that are looked at.
// Browsers send five at most.
const maxEncodings = 16

// acceptedEncoding is "gzip" or "deflate", whichever the Accept-Encoding header
// prefers, the earlier one where it prefers neither; or "" where it takes none. "*"
// stands for whichever of the two is not named. (RFC 9110, section 12.5.3)
func acceptedEncoding(accept string) string {
	gzip, deflate, other := unnamed, unnamed, unnamed
	for place := range maxEncodings {
		item, rest, more := strings.Cut(accept, ",")
		switch name, weight := weighted(item); name {
		case "gzip":
			gzip.prefer(weight, place)
		case "deflate":
			deflate.prefer(weight, place)
		case "*":
			other.prefer(weight, place)
		}
		if accept = rest; !more {
			break
		}
	}
	switch {
	case gzip == unnamed:
		gzip = other
	case deflate == unnamed:
		deflate = other
	}
	switch {
	case gzip.weight <= 0 && deflate.weight <= 0:
		return ""
	case gzip.weight > deflate.weight, gzip.weight == deflate.weight && gzip.place <= deflate.place:
		return "gzip"
	}
	return "deflate"
}

// preference is how much a client wants an encoding, and where it said so.
type preference struct {
	weight float64
	place  int
}

// unnamed is the preference for what a client does not name.
var unnamed = preference{weight: -1}

// prefer notes a weight; of several for one encoding the highest counts.
func (p *preference) prefer(weight float64, place int) {
	if weight > p.weight {
		*p = preference{weight, place}
	}
}

// weighted is an encoding of an Accept-Encoding header and its weight, 1 where it has
// none and 0 where that is no number.
func weighted(item string) (name string, weight float64) {
	name, parameters, _ := strings.Cut(item, ";")
	weight = 1
	if q, ok := strings.CutPrefix(strings.TrimSpace(parameters), "q="); ok {
		weight, _ = strconv.ParseFloat(strings.TrimSpace(q), 64) // 0 where it is no number
	}
	return strings.ToLower(strings.TrimSpace(name)), weight
}

// compressor is what gzip's and zlib's writers have in common.
type compressor interface {
	io.WriteCloser
	Reset(io.Writer)
}

var (
	gzips = sync.Pool{New: func() any {
		z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is valid
		return z
	}}
	zlibs = sync.Pool{New: func() any {
		z, _ := zlib.NewWriterLevel(io.Discard, zlib.BestSpeed) // the level is valid
		return z
	}}
)

// writeCompressed writes body in the given encoding ("deflate" is zlib's format:
// RFC 9110, section 8.4.1.2).
func writeCompressed(w http.ResponseWriter, encoding string, body []byte) error {
	pool := &gzips
	if encoding == "deflate" {
		pool = &zlibs
	}
	z := pool.Get().(compressor)
	defer pool.Put(z)
	w.Header().Set("Content-Encoding", encoding)
	w.Header().Add("Vary", "Accept-Encoding")
	z.Reset(w)
	if _, err := z.Write(body); err != nil {
		return err
	}
	return z.Close()
}
