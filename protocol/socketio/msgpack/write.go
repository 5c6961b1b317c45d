package msgpack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sort"
)

// writer writes MessagePack in the shortest forms, as notepack does.
type writer struct{ out []byte }

var errDepth = errors.New("nested too deep")

// value writes what JSON decoding makes, and the plain types that need none.
func (e *writer) value(v any, depth int) error {
	if depth == 0 {
		return errDepth
	}
	switch v := v.(type) {
	case nil:
		e.out = append(e.out, 0xc0)
	case bool:
		if v {
			e.out = append(e.out, 0xc3)
		} else {
			e.out = append(e.out, 0xc2)
		}
	case int:
		e.integer(int64(v))
	case int64:
		e.integer(v)
	case float64:
		e.float(v)
	case string:
		e.str(v)
	case []byte:
		e.bin(v)
	case []any:
		e.arrayHead(len(v))
		for _, x := range v {
			if err := e.value(x, depth-1); err != nil {
				return err
			}
		}
	case map[string]any:
		e.mapHead(len(v))
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys) // the same value, the same bytes
		for _, k := range keys {
			e.str(k)
			if err := e.value(v[k], depth-1); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("cannot encode %T", v)
	}
	return nil
}

// head writes the length of a container or string.
func (e *writer) head(n int, fix byte, max int, codes ...byte) {
	switch {
	case n <= max:
		e.out = append(e.out, fix|byte(n))
	case n <= math.MaxUint8 && codes[0] != 0:
		e.out = append(e.out, codes[0], byte(n))
	case n <= math.MaxUint16:
		e.out = binary.BigEndian.AppendUint16(append(e.out, codes[1]), uint16(n))
	default:
		e.out = binary.BigEndian.AppendUint32(append(e.out, codes[2]), uint32(n))
	}
}

func (e *writer) mapHead(n int)   { e.head(n, 0x80, 15, 0, 0xde, 0xdf) }
func (e *writer) arrayHead(n int) { e.head(n, 0x90, 15, 0, 0xdc, 0xdd) }

func (e *writer) str(s string) {
	e.head(len(s), 0xa0, 31, 0xd9, 0xda, 0xdb)
	e.out = append(e.out, s...)
}

func (e *writer) bin(b []byte) {
	e.head(len(b), 0, -1, 0xc4, 0xc5, 0xc6)
	e.out = append(e.out, b...)
}

func (e *writer) float(f float64) {
	if f == math.Trunc(f) && math.Abs(f) <= maxID {
		e.integer(int64(f))
		return
	}
	e.out = binary.BigEndian.AppendUint64(append(e.out, 0xcb), math.Float64bits(f))
}

func (e *writer) integer(n int64) {
	switch {
	case n >= 0 && n < 0x80, n < 0 && n >= -32:
		e.out = append(e.out, byte(n))
	case n >= 0 && n <= math.MaxUint8:
		e.out = append(e.out, 0xcc, byte(n))
	case n >= 0 && n <= math.MaxUint16:
		e.out = binary.BigEndian.AppendUint16(append(e.out, 0xcd), uint16(n))
	case n >= 0 && n <= math.MaxUint32:
		e.out = binary.BigEndian.AppendUint32(append(e.out, 0xce), uint32(n))
	case n >= 0:
		e.out = binary.BigEndian.AppendUint64(append(e.out, 0xcf), uint64(n))
	case n >= math.MinInt8:
		e.out = append(e.out, 0xd0, byte(n))
	case n >= math.MinInt16:
		e.out = binary.BigEndian.AppendUint16(append(e.out, 0xd1), uint16(n))
	case n >= math.MinInt32:
		e.out = binary.BigEndian.AppendUint32(append(e.out, 0xd2), uint32(n))
	default:
		e.out = binary.BigEndian.AppendUint64(append(e.out, 0xd3), uint64(n))
	}
}
