package officialwire

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
	object = msgpack.Object
	list   = msgpack.List
)

var errShape = errors.New("officialwire: not a message of this wire")

// part is one value of a message that was read, as JSON or MessagePack. The zero part
// is a field that is not there.
type part struct {
	raw    []byte
	packed bool
}

// read takes what was published: JSON begins with "{".
func read(data []byte) (part, error) {
	if len(data) > 0 && data[0] == '{' {
		if !parser.Valid(data) {
			return part{}, errShape
		}
		return part{raw: data}, nil
	}
	if err := msgpack.Check(data); err != nil {
		return part{}, errShape
	}
	return part{data, true}, nil
}

// readText takes the field of a stream: JSON, or base64 of MessagePack.
func readText(data string) (part, error) {
	if data == "" || data[0] == '{' {
		return read([]byte(data))
	}
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return part{}, errShape
	}
	return read(raw)
}

func (p part) present() bool { return p.raw != nil }

// fields takes an object apart.
func (p part) fields() (map[string]part, error) {
	var raw map[string][]byte
	if p.packed {
		var err error
		if raw, err = msgpack.Fields(p.raw); err != nil {
			return nil, errShape
		}
	} else {
		var texts map[string]json.RawMessage
		if json.Unmarshal(p.raw, &texts) != nil {
			return nil, errShape
		}
		raw = make(map[string][]byte, len(texts))
		for name, text := range texts {
			raw[name] = text
		}
	}
	out := make(map[string]part, len(raw))
	for name, value := range raw {
		out[name] = part{value, p.packed}
	}
	return out, nil
}

// elements takes an array apart.
func (p part) elements() (out []part, err error) {
	if p.packed {
		raw, err := msgpack.Elements(p.raw)
		if err != nil {
			return nil, errShape
		}
		for _, value := range raw {
			out = append(out, part{value, true})
		}
		return out, nil
	}
	var texts []json.RawMessage
	if json.Unmarshal(p.raw, &texts) != nil {
		return nil, errShape
	}
	for _, text := range texts {
		out = append(out, part{raw: text})
	}
	return out, nil
}

// value returns it as an argument of an event.
func (p part) value() parser.Value {
	if p.packed {
		return msgpack.Value(p.raw)
	}
	return parser.NewValue(p.raw, nil)
}

// decode reads it into a Go value. A field that is not there leaves that as it is.
func (p part) decode(into any) error {
	if err := p.value().Decode(into); err != nil {
		return fmt.Errorf("%w: %w", errShape, err)
	}
	return nil
}

// arguments are values as a [socketio.Message] has them.
func arguments(values []part) ([]json.RawMessage, [][]byte, error) {
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
	case object:
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
	case list:
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
	return nil, fmt.Errorf("officialwire: cannot encode %T", v)
}

// write makes what is published: JSON where nothing is binary, else MessagePack.
func write(v any, binary bool) ([]byte, error) {
	if binary {
		return msgpack.Append(nil, v)
	}
	return appendJSON(nil, v)
}

// writeText makes the field of a stream.
func writeText(v any, binary bool) (string, error) {
	raw, err := write(v, binary)
	if err != nil || !binary {
		return string(raw), err
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}
