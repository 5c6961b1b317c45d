package websocket

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/flate"
)

// Compression turns permessage-deflate (RFC 7692) on. Both directions are always
// negotiated without context takeover: that bounds the memory of a connection to
// nothing between messages, and lets a broadcast be compressed once for all.
type Compression struct {
	// Threshold is the smallest payload, in bytes, that is compressed. Zero means
	// 1024; negative means that every message is.
	Threshold int
	// Level is that of compress/flate, 1 (fast) to 9. Zero means 1.
	Level int
}

const defaultThreshold = 1024

// compressor makes compressed frames; nil where compression is off.
type compressor struct {
	threshold int
	level     int
	writers   sync.Pool // *flate.Writer
}

func newCompressor(c *Compression) *compressor {
	if c == nil {
		return nil
	}
	z := &compressor{threshold: c.Threshold, level: c.Level}
	if z.threshold == 0 {
		z.threshold = defaultThreshold
	}
	if z.level < 1 || z.level > 9 {
		z.level = 1
	}
	return z
}

// flushTail ends each deflated message: senders take it off, receivers put it back
// (RFC 7692, sections 7.2.1 and 7.2.2). finalBlock after it lets an inflater see the end.
const (
	flushTail  = "\x00\x00\xff\xff"
	finalBlock = "\x01\x00\x00\xff\xff"
)

// frame is the compressed frame for a payload, or nil where that is not shorter
// than limit.
func (z *compressor) frame(op Opcode, payload []byte, limit int) []byte {
	var packed bytes.Buffer
	packed.Grow(len(payload)/2 + 64)
	w, ok := z.writers.Get().(*flate.Writer)
	if ok {
		w.Reset(&packed)
	} else {
		var err error
		if w, err = flate.NewWriter(&packed, z.level); err != nil {
			return nil // only for a level that newCompressor does not let through
		}
	}
	_, err := w.Write(payload)
	if err == nil {
		err = w.Flush()
	}
	w.Reset(io.Discard)
	z.writers.Put(w)
	if err != nil {
		return nil // a bytes.Buffer does not fail; plain is always right
	}
	body := bytes.TrimSuffix(packed.Bytes(), []byte(flushTail))
	if len(body)+headerSize(len(body)) >= limit {
		return nil
	}
	frame := make([]byte, 0, headerSize(len(body))+len(body))
	frame = appendHeader(frame, bitFin|bitRsv1|byte(op), len(body))
	return append(frame, body...)
}

// inflater undoes one message at a time; pooled.
type inflater struct {
	src  inflateSource
	flat io.ReadCloser
}

// inflateSource reads a payload and the tail that belongs to it. It is an
// io.ByteReader, so that flate does not wrap it in a buffer.
type inflateSource struct {
	body []byte
	tail string
}

// Read implements io.Reader.
func (s *inflateSource) Read(p []byte) (int, error) {
	if len(s.body) > 0 {
		n := copy(p, s.body)
		s.body = s.body[n:]
		return n, nil
	}
	if s.tail == "" {
		return 0, io.EOF
	}
	n := copy(p, s.tail)
	s.tail = s.tail[n:]
	return n, nil
}

// ReadByte implements io.ByteReader.
func (s *inflateSource) ReadByte() (byte, error) {
	var b [1]byte
	_, err := s.Read(b[:])
	return b[0], err
}

// inflate decompresses a message into a pooled buffer. It never holds more than
// Options.MaxMessageBytes and a little, however much the payload would expand to. grows
// is told of the size and the buffer's; where it returns false there is an error.
func (s *Server) inflate(payload []byte, grows func(size, buffer int) bool) (*[]byte, *ProtocolError) {
	z, ok := s.pools.inflate.Get().(*inflater)
	if !ok {
		z = &inflater{}
		z.flat = flate.NewReader(&z.src)
	}
	z.src = inflateSource{payload, flushTail + finalBlock}
	defer func() {
		z.src = inflateSource{}
		s.pools.inflate.Put(z)
	}()
	if err := z.flat.(flate.Resetter).Reset(&z.src, nil); err != nil {
		return nil, &ProtocolError{CloseInternalError, "inflater failed"}
	}
	buf := s.pools.messageBuffer(min(max(2*len(payload), 1<<minClass), largeInflated))
	for {
		buf = s.pools.grow(buf, 512)
		n, err := z.flat.Read((*buf)[len(*buf):cap(*buf)])
		*buf = (*buf)[:len(*buf)+n]
		if int64(len(*buf)) > s.opts.MaxMessageBytes {
			s.pools.freeMessage(buf)
			return nil, &ProtocolError{CloseTooBig, "message too big"}
		}
		if !grows(len(*buf), cap(*buf)) {
			s.pools.freeMessage(buf)
			return nil, &ProtocolError{CloseTryAgainLater, "no memory"}
		}
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			s.pools.freeMessage(buf)
			return nil, &ProtocolError{CloseInvalidPayload, "compressed data invalid"}
		}
	}
}

// deflateAnswer is the extension header that accepts the first acceptable offer of
// permessage-deflate, or "" (RFC 7692, sections 5.1 and 7.1). A window smaller than
// 32 KiB for our direction is declined, because shared frames are made with that.
func deflateAnswer(offers []string) string {
	for _, line := range offers {
		for offer := range strings.SplitSeq(line, ",") {
			if answer, ok := acceptOffer(offer); ok {
				return answer
			}
		}
	}
	return ""
}

func acceptOffer(offer string) (string, bool) {
	params := strings.Split(offer, ";")
	if strings.TrimSpace(params[0]) != "permessage-deflate" {
		return "", false
	}
	answer := "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	seen := make(map[string]bool, 4)
	for _, p := range params[1:] {
		name, value, has := strings.Cut(strings.TrimSpace(p), "=")
		name = strings.TrimSpace(name)
		if seen[name] {
			return "", false
		}
		seen[name] = true
		value = strings.TrimSpace(value)
		if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
			value = value[1 : n-1] // a parameter may be quoted (RFC 6455, section 9.1)
		}
		switch name {
		case "server_no_context_takeover", "client_no_context_takeover":
			if has {
				return "", false
			}
		case "client_max_window_bits":
			if has && !validWindow(value) {
				return "", false
			}
		case "server_max_window_bits":
			if !has || value != "15" {
				return "", false
			}
			answer += "; server_max_window_bits=15"
		default:
			return "", false
		}
	}
	return answer, true
}

func validWindow(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 8 && n <= 15 && s[0] != '0' && s[0] != '+'
}
