package nodewire

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"podium/protocol/socketio/msgpack"
	"podium/protocol/socketio/parser"
)

// What is written is a tree of these: fields keep the order in which Node writes them.
type (
	// Object is an object.
	Object = msgpack.Object
	// List is an array.
	List = msgpack.List
)

// ErrShape is wrapped by the errors about what is no message.
var ErrShape = errors.New("not a message of this wire")

// Part is one value of a message that was read, as JSON or MessagePack. The zero part
// is a field that is not there.
type Part struct {
	raw    []byte
	packed bool
}

// Read takes what was published: JSON begins with "{".
func Read(data []byte) (Part, error) {
	if len(data) > 0 && data[0] == '{' {
		if !parser.Valid(data) {
			return Part{}, ErrShape
		}
		return Part{raw: data}, nil
	}
	if err := msgpack.Check(data); err != nil {
		return Part{}, ErrShape
	}
	return Part{data, true}, nil
}

// ReadText takes the field of a stream: JSON, or base64 of MessagePack.
func ReadText(data string) (Part, error) {
	if data == "" || data[0] == '{' {
		return Read([]byte(data))
	}
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return Part{}, ErrShape
	}
	return Read(raw)
}

// Present reports whether the field is there.
func (p Part) Present() bool { return p.raw != nil }

// Fields takes an object apart.
func (p Part) Fields() (map[string]Part, error) {
	var raw map[string][]byte
	if p.packed {
		var err error
		if raw, err = msgpack.Fields(p.raw); err != nil {
			return nil, ErrShape
		}
	} else {
		var texts map[string]json.RawMessage
		if json.Unmarshal(p.raw, &texts) != nil {
			return nil, ErrShape
		}
		raw = make(map[string][]byte, len(texts))
		for name, text := range texts {
			raw[name] = text
		}
	}
	out := make(map[string]Part, len(raw))
	for name, value := range raw {
		out[name] = Part{value, p.packed}
	}
	return out, nil
}

// Elements takes an array apart.
func (p Part) Elements() (out []Part, err error) {
	if p.packed {
		raw, err := msgpack.Elements(p.raw)
		if err != nil {
			return nil, ErrShape
		}
		for _, value := range raw {
			out = append(out, Part{value, true})
		}
		return out, nil
	}
	var texts []json.RawMessage
	if json.Unmarshal(p.raw, &texts) != nil {
		return nil, ErrShape
	}
	for _, text := range texts {
		out = append(out, Part{raw: text})
	}
	return out, nil
}

// value returns it as an argument of an event.
func (p Part) value() parser.Value {
	if p.packed {
		return msgpack.Value(p.raw)
	}
	return parser.NewValue(p.raw, nil)
}

// Decode reads it into a Go value. A field that is not there leaves that as it is.
func (p Part) Decode(into any) error {
	if err := p.value().Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrShape, err)
	}
	return nil
}

// arguments are values as a [socketio.Message] has them.
func arguments(values []Part) ([]json.RawMessage, [][]byte, error) {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v.value()
	}
	return parser.MarshalArgs(args)
}

// appendJSON writes a tree without binary.
func appendJSON(out []byte, v any) ([]byte, error) {
	var err error
	switch v := v.(type) {
	case Object:
		out = append(out, '{')
		for i, f := range v {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(parser.AppendString(out, f.Name), ':')
			if out, err = appendJSON(out, f.Value); err != nil {
				return nil, err
			}
		}
		return append(out, '}'), nil
	case List:
		out = append(out, '[')
		for i, x := range v {
			if i > 0 {
				out = append(out, ',')
			}
			if out, err = appendJSON(out, x); err != nil {
				return nil, err
			}
		}
		return append(out, ']'), nil
	case string:
		return parser.AppendString(out, v), nil
	case int:
		return strconv.AppendInt(out, int64(v), 10), nil
	case bool:
		return strconv.AppendBool(out, v), nil
	case nil:
		return append(out, "null"...), nil
	case json.RawMessage:
		if len(v) == 0 {
			return append(out, "null"...), nil
		}
		return append(out, v...), nil
	case parser.Value: // as it stands: json.Marshal would escape what Node does not
		text, err := v.MarshalJSON()
		return append(out, text...), err
	}
	return nil, fmt.Errorf("nodewire: cannot encode %T", v)
}

// Write makes what is published: JSON where nothing is binary, else MessagePack.
func Write(v any, binary bool) ([]byte, error) {
	if binary {
		return msgpack.Append(nil, v)
	}
	return appendJSON(nil, v)
}

// WriteText makes the field of a stream.
func WriteText(v any, binary bool) (string, error) {
	raw, err := Write(v, binary)
	if err != nil || !binary {
		return string(raw), err
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}
