package msgpack

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxDepth is how deep values may be nested.
const maxDepth = 512

// reader reads MessagePack. Its methods return false where the data is cut
// short or of another kind; it is of no use afterwards.
type reader struct {
	data []byte
	pos  int
}

func (r *reader) take(n int) ([]byte, bool) {
	if n < 0 || len(r.data)-r.pos < n {
		return nil, false
	}
	b := r.data[r.pos : r.pos+n]
	r.pos += n
	return b, true
}

// size reads a length of n bytes.
func (r *reader) size(n int) (int, bool) {
	b, ok := r.take(n)
	if !ok {
		return 0, false
	}
	switch n {
	case 1:
		return int(b[0]), true
	case 2:
		return int(binary.BigEndian.Uint16(b)), true
	}
	return int(binary.BigEndian.Uint32(b)), true
}

// head reads the length of a container: fix is its short form with up to mask
// elements, long is the code of the 16 bit form, followed by the 32 bit one.
// Every element has at least unit bytes, so that no length is believed that
// the data cannot hold.
func (r *reader) head(fix, mask, long byte, unit int) (int, bool) {
	b, ok := r.take(1)
	if !ok {
		return 0, false
	}
	n := 0
	switch {
	case b[0]&^mask == fix:
		n = int(b[0] & mask)
	case b[0] == long:
		n, ok = r.size(2)
	case b[0] == long+1:
		n, ok = r.size(4)
	default:
		return 0, false
	}
	return n, ok && n <= (len(r.data)-r.pos)/unit
}

func (r *reader) mapHead() (int, bool)   { return r.head(0x80, 0x0f, 0xde, 2) }
func (r *reader) arrayHead() (int, bool) { return r.head(0x90, 0x0f, 0xdc, 1) }

// text reads a string. Invalid UTF-8 becomes U+FFFD, as in Node.
func (r *reader) text() (string, bool) {
	b, ok := r.textBytes()
	return strings.ToValidUTF8(string(b), "\ufffd"), ok
}

// textBytes reads a string as it stands.
func (r *reader) textBytes() ([]byte, bool) {
	b, ok := r.take(1)
	if !ok {
		return nil, false
	}
	n := 0
	switch {
	case b[0]&0xe0 == 0xa0:
		n = int(b[0] & 0x1f)
	case b[0] >= 0xd9 && b[0] <= 0xdb:
		n, ok = r.size(1 << (b[0] - 0xd9))
	default:
		return nil, false
	}
	if !ok {
		return nil, false
	}
	return r.take(n)
}

// integer reads a number without a fraction.
func (r *reader) integer() (int64, bool) {
	v, ok := r.value(0)
	if !ok {
		return 0, false
	}
	switch v := v.(type) {
	case int64:
		return v, true
	case uint64:
		return int64(v), v <= math.MaxInt64
	case float64:
		return int64(v), v == math.Trunc(v) && math.Abs(v) <= maxID
	}
	return 0, false
}

// isUndefined reports whether raw is what notepack writes for undefined.
func isUndefined(raw []byte) bool {
	return len(raw) == 3 && raw[0] == 0xd4 && raw[1] == 0
}

// value reads any value: nil, bool, int64, uint64 beyond int64, float64,
// string, []byte, time.Time, []any or map[string]any.
func (r *reader) value(depth int) (any, bool) {
	if r.pos >= len(r.data) {
		return nil, false
	}
	switch c := r.data[r.pos]; {
	case c < 0x80:
		r.pos++
		return int64(c), true
	case c >= 0xe0:
		r.pos++
		return int64(int8(c)), true
	case c < 0x90, c == 0xde, c == 0xdf:
		return r.object(depth)
	case c < 0xa0, c == 0xdc, c == 0xdd:
		return r.array(depth)
	case c < 0xc0, c >= 0xd9 && c <= 0xdb:
		return asAny(r.text())
	default:
		r.pos++
		return r.scalar(c)
	}
}

func asAny(s string, ok bool) (any, bool) { return s, ok }

func (r *reader) object(depth int) (any, bool) {
	n, ok := r.mapHead()
	if !ok || depth <= 0 {
		return nil, false
	}
	out := make(map[string]any, min(n, 64))
	for range n {
		key, ok := r.key()
		if !ok {
			return nil, false
		}
		v, ok := r.value(depth - 1)
		if !ok {
			return nil, false
		}
		out[key] = v
	}
	return out, true
}

// key reads the key of a map: a string, or an integer, which is a string in JavaScript.
func (r *reader) key() (string, bool) {
	if r.pos >= len(r.data) {
		return "", false
	}
	if !isInteger(r.data[r.pos]) {
		return r.text()
	}
	switch n, _ := r.value(0); n := n.(type) {
	case int64:
		return strconv.FormatInt(n, 10), true
	case uint64:
		return strconv.FormatUint(n, 10), true
	}
	return "", false // cut short
}

// isInteger reports whether a value that begins with c is an integer.
func isInteger(c byte) bool { return c < 0x80 || c >= 0xe0 || c >= 0xcc && c <= 0xd3 }

func (r *reader) array(depth int) (any, bool) {
	n, ok := r.arrayHead()
	if !ok || depth <= 0 {
		return nil, false
	}
	out := make([]any, 0, min(n, 64))
	for range n {
		v, ok := r.value(depth - 1)
		if !ok {
			return nil, false
		}
		out = append(out, v)
	}
	return out, true
}

// scalar reads what follows the code c.
func (r *reader) scalar(c byte) (any, bool) {
	switch {
	case c == 0xc0:
		return nil, true
	case c == 0xc2, c == 0xc3:
		return c == 0xc3, true
	case c >= 0xc4 && c <= 0xc6:
		n, ok := r.size(1 << (c - 0xc4))
		if !ok {
			return nil, false
		}
		b, ok := r.take(n)
		return append([]byte{}, b...), ok
	case c >= 0xc7 && c <= 0xc9:
		n, ok := r.size(1 << (c - 0xc7))
		if !ok {
			return nil, false
		}
		return r.extension(n, false)
	case c == 0xca || c == 0xcb:
		return r.float(c)
	case c >= 0xcc && c <= 0xd3:
		return r.fixed(c)
	case c >= 0xd4 && c <= 0xd8:
		return r.extension(1<<(c-0xd4), true)
	}
	return nil, false
}

func (r *reader) float(c byte) (any, bool) {
	if c == 0xca {
		b, ok := r.take(4)
		if !ok {
			return nil, false
		}
		return number(float64(math.Float32frombits(binary.BigEndian.Uint32(b))))
	}
	b, ok := r.take(8)
	if !ok {
		return nil, false
	}
	return number(math.Float64frombits(binary.BigEndian.Uint64(b)))
}

// number returns f; what JSON has no number for is nil, as in JavaScript.
func number(f float64) (any, bool) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, true
	}
	return f, true
}

// fixed reads an integer of 1, 2, 4 or 8 bytes, unsigned up to 0xcf.
func (r *reader) fixed(c byte) (any, bool) {
	b, ok := r.take(1 << ((c - 0xcc) % 4))
	if !ok {
		return nil, false
	}
	var n uint64
	for _, x := range b {
		n = n<<8 | uint64(x)
	}
	if c <= 0xcf {
		if n > math.MaxInt64 {
			return n, true
		}
		return int64(n), true
	}
	shift := 64 - 8*len(b)
	return int64(n<<shift) >> shift, true
}

// extension reads notepack's extensions, all of type 0. Of the fixed forms, one
// byte (d4 00) is undefined and eight (d7 00) are a Date; everything else is an
// ArrayBuffer or a typed array, of one or eight bytes too (c7 01 00, c7 08 00).
// Type -1 is the MessagePack timestamp. Others are taken as bytes.
func (r *reader) extension(n int, fixed bool) (any, bool) {
	kind, ok := r.take(1)
	if !ok {
		return nil, false
	}
	b, ok := r.take(n)
	if !ok {
		return nil, false
	}
	switch {
	case kind[0] == 0 && fixed && n == 1:
		return nil, true
	case kind[0] == 0 && fixed && n == 8:
		return date(time.UnixMilli(int64(binary.BigEndian.Uint64(b))))
	case kind[0] == 0xff && n == 4:
		return date(time.Unix(int64(binary.BigEndian.Uint32(b)), 0))
	case kind[0] == 0xff && n == 8:
		x := binary.BigEndian.Uint64(b)
		return date(time.Unix(int64(x&(1<<34-1)), int64(x>>34)))
	case kind[0] == 0xff && n == 12:
		return date(time.Unix(int64(binary.BigEndian.Uint64(b[4:])), int64(binary.BigEndian.Uint32(b))))
	}
	return append([]byte{}, b...), true
}

// date returns t; a year that JSON has no form for is nil.
func date(t time.Time) (any, bool) {
	if t = t.UTC(); t.Year() < 0 || t.Year() > 9999 {
		return nil, true
	}
	return t, true
}
