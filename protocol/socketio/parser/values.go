package parser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Value is one argument as it came off the wire, not yet decoded. The zero
// Value is an argument that was not sent; it decodes to nothing.
//
// Given to Emit or returned from a handler, a Value is passed on as it came,
// attachments included, without being decoded.
type Value struct {
	raw   []byte
	codec Codec // nil: JSON without attachments
}

// Codec reads the values of one parser. A codec may hold what the values
// share, such as the attachments of their packet.
type Codec interface {
	// Unmarshal decodes raw into what into points to.
	Unmarshal(raw []byte, into any) error
	// Binary returns the bytes that raw stands for, and whether it is binary.
	Binary(raw []byte) ([]byte, bool)
	// JSON returns raw as JSON; binary as base64.
	JSON(raw []byte) ([]byte, error)
}

// NewValue makes a value for a custom [Parser]'s decoder.
func NewValue(raw []byte, c Codec) Value { return Value{raw, c} }

// Codec returns what reads the value, nil for JSON without attachments.
func (v Value) Codec() Codec { return v.codec }

// Raw returns the value as the parser has it: JSON, with the JSON parser.
func (v Value) Raw() []byte { return v.raw }

// Present reports whether the argument was sent.
func (v Value) Present() bool { return v.raw != nil }

// Bytes returns the content of a binary argument and true, or false where the
// argument is not binary.
func (v Value) Bytes() ([]byte, bool) {
	if v.codec == nil || v.raw == nil {
		return nil, false
	}
	return v.codec.Binary(v.raw)
}

// Decode decodes the argument into what into points to, by the rules of
// [encoding/json]. Attachments anywhere inside it may be decoded into []byte
// or [Binary]; inside an interface they become []byte.
func (v Value) Decode(into any) error {
	switch p := into.(type) {
	case *Value:
		*p = v.Clone()
		return nil
	}
	if v.raw == nil {
		return nil
	}
	if v.codec != nil {
		return v.codec.Unmarshal(v.raw, into)
	}
	switch p := into.(type) {
	case *Binary:
		return errNotBinary
	case *json.RawMessage:
		*p = bytes.Clone(v.raw)
		return nil
	case *string: // the common kinds, without encoding/json's cost
		if n := len(v.raw); n >= 2 && v.raw[0] == '"' && bytes.IndexByte(v.raw, '\\') < 0 {
			*p = string(v.raw[1 : n-1])
			return nil
		}
	case *int:
		if n := smallInt(v.raw); n >= 0 {
			*p = n
			return nil
		}
	}
	return unmarshalJSON(v.raw, into)
}

// MarshalJSON returns the value as JSON; binary is base64 there.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.raw == nil {
		return []byte("null"), nil
	}
	if v.codec == nil {
		return v.raw, nil
	}
	return v.codec.JSON(v.raw)
}

// String returns the JSON of the value, binary as base64, for logs and tests.
func (v Value) String() string {
	b, err := v.MarshalJSON()
	if err != nil {
		return "!" + err.Error()
	}
	if v.codec != nil {
		b = bytes.ReplaceAll(b, []byte(attachmentMark), []byte(`"`))
	}
	return string(b)
}

// Clone returns a copy that stays valid after the handler returns.
func (v Value) Clone() Value { return Value{bytes.Clone(v.raw), v.codec} }

// Args are the arguments of an event or an acknowledgement. As a handler's
// argument type it takes all of them undecoded; as its result type it answers
// with all of them. In a handler registered with Inline the values are
// valid until the handler returns; everywhere else they may be kept.
type Args []Value

// Get returns the i-th argument, or the zero Value where there is none.
func (a Args) Get(i int) Value {
	if i < 0 || i >= len(a) {
		return Value{}
	}
	return a[i]
}

// Decode decodes the arguments in order into what the pointers point to.
// Arguments that were not sent leave their target as it is; further ones are
// ignored, as in JavaScript.
func (a Args) Decode(into ...any) error {
	for i, p := range into {
		if i >= len(a) {
			return nil
		}
		if err := a[i].Decode(p); err != nil {
			return fmt.Errorf("argument %d: %w", i, err)
		}
	}
	return nil
}

// Any returns the arguments as Emit takes them.
func (a Args) Any() []any {
	out := make([]any, len(a))
	for i, v := range a {
		out[i] = v
	}
	return out
}

// Clone returns a copy that stays valid after the handler returns.
func (a Args) Clone() Args {
	out := slices.Clone(a)
	for i := range out {
		out[i] = out[i].Clone()
	}
	return out
}

func unmarshalJSON(raw []byte, into any) error { return json.Unmarshal(raw, into) }
