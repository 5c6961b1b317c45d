package msgpack

import (
	"math"
	"strconv"
	"time"

	"podium/protocol/socketio/parser"
)

// appendJSON reads one value and appends it as JSON, without building it: binary as
// [parser.Binary] marks it, and dates as [time.Time] has them.
func (r *reader) appendJSON(out []byte, depth int) ([]byte, bool) {
	if r.pos >= len(r.data) {
		return out, false
	}
	switch c := r.data[r.pos]; {
	case isContainer(c) && depth <= 0:
		return out, false
	case isMap(c):
		return r.appendObject(out, depth-1)
	case isContainer(c):
		return r.appendArray(out, depth-1)
	}
	v, ok := r.value(0)
	if !ok {
		return out, false
	}
	return appendScalar(out, v), true
}

// isMap reports whether a value that begins with c is a map.
func isMap(c byte) bool { return c&0xf0 == 0x80 || c == 0xde || c == 0xdf }

// isContainer reports whether it is a map or an array.
func isContainer(c byte) bool { return isMap(c) || c&0xf0 == 0x90 || c == 0xdc || c == 0xdd }

// mayBeBytes reports whether it is binary or an extension.
func mayBeBytes(c byte) bool { return c >= 0xc4 && c <= 0xc9 || c >= 0xd4 && c <= 0xd8 }

func (r *reader) appendObject(out []byte, depth int) ([]byte, bool) {
	n, ok := r.mapHead()
	if !ok {
		return out, false
	}
	out = append(out, '{')
	for i := range n {
		if i > 0 {
			out = append(out, ',')
		}
		key, ok := r.key()
		if !ok {
			return out, false
		}
		out = append(parser.AppendString(out, key), ':')
		if out, ok = r.appendJSON(out, depth); !ok {
			return out, false
		}
	}
	return append(out, '}'), true
}

func (r *reader) appendArray(out []byte, depth int) ([]byte, bool) {
	n, ok := r.arrayHead()
	if !ok {
		return out, false
	}
	out = append(out, '[')
	for i := range n {
		if i > 0 {
			out = append(out, ',')
		}
		if out, ok = r.appendJSON(out, depth); !ok {
			return out, false
		}
	}
	return append(out, ']'), true
}

// appendScalar appends what [reader.value] returns for anything but a container.
func appendScalar(out []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(out, v)
	case int64:
		return strconv.AppendInt(out, v, 10)
	case uint64:
		return strconv.AppendUint(out, v, 10)
	case float64:
		return appendFloat(out, v)
	case string:
		return parser.AppendString(out, v)
	case []byte:
		return parser.Binary(v).AppendJSON(out)
	case time.Time:
		return append(v.AppendFormat(append(out, '"'), time.RFC3339Nano), '"')
	}
	return append(out, "null"...)
}

// appendFloat appends f as JavaScript prints it: integers without an exponent, so
// that they decode into integers.
func appendFloat(out []byte, f float64) []byte {
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(out, f, format, -1, 64)
}
