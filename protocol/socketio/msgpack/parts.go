package msgpack

import (
	"podium/protocol/socketio/parser"
)

// Object is a map that is written in the order of its fields.
type Object []Field

// Field is one field of an [Object].
type Field struct {
	Name  string
	Value any
}

// List is an array of whatever [Append] takes.
type List []any

// Append appends v as MessagePack: an [Object], a [List], or whatever an event may have
// as an argument.
func Append(out []byte, v any) ([]byte, error) {
	w := &writer{out: out}
	err := w.part(v, maxDepth)
	return w.out, err
}

func (e *writer) part(v any, depth int) error {
	if depth == 0 {
		return errDepth
	}
	switch v := v.(type) {
	case Object:
		e.mapHead(len(v))
		for _, f := range v {
			e.str(f.Name)
			if err := e.part(f.Value, depth-1); err != nil {
				return err
			}
		}
		return nil
	case List:
		e.arrayHead(len(v))
		for _, x := range v {
			if err := e.part(x, depth-1); err != nil {
				return err
			}
		}
		return nil
	}
	return e.argument(v)
}

// Check returns an error where data is anything but one whole value.
func Check(data []byte) error {
	r := &reader{data: data}
	if !r.skip(maxDepth) || r.pos != len(data) {
		return errShort
	}
	return nil
}

// Fields takes a map apart, without looking into its values. These refer to data.
func Fields(data []byte) (map[string][]byte, error) {
	r := &reader{data: data}
	n, ok := r.mapHead()
	if !ok {
		return nil, errShort
	}
	out := make(map[string][]byte, min(n, 16))
	for range n {
		key, ok := r.key()
		from := r.pos
		if !ok || !r.skip(maxDepth) {
			return nil, errShort
		}
		out[key] = data[from:r.pos:r.pos]
	}
	return out, nil
}

// Elements takes an array apart, without looking into its values. These refer to data.
func Elements(data []byte) ([][]byte, error) {
	r := &reader{data: data}
	n, ok := r.arrayHead()
	if !ok {
		return nil, errShort
	}
	out := make([][]byte, 0, min(n, 16))
	for range n {
		from := r.pos
		if !r.skip(maxDepth) {
			return nil, errShort
		}
		out = append(out, data[from:r.pos:r.pos])
	}
	return out, nil
}

// Value returns one value as an argument. It refers to data.
func Value(data []byte) parser.Value { return parser.NewValue(data, codec{}) }
