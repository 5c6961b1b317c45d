package parser

import (
	"bytes"
	"encoding/json"
)

// ArgsOf turns Go values into arguments, encoded as Emit encodes them with the
// JSON parser.
func ArgsOf(values ...any) (Args, error) {
	raw, attachments, err := MarshalArgs(values)
	if err != nil {
		return nil, err
	}
	return UnmarshalArgs(raw, attachments), nil
}

// MarshalArgs encodes arguments as JSON, each by itself, with the attachments
// that their placeholders name. It is how a log, or another server, gets them.
func MarshalArgs(args []any) (raw []json.RawMessage, attachments [][]byte, err error) {
	e := newEncoder()
	defer e.free()
	ends := make([]int, 0, len(args))
	for _, a := range args {
		if err := e.value(a); err != nil {
			return nil, nil, err
		}
		ends = append(ends, len(e.body))
	}
	text := bytes.Clone(e.body)
	from := 0
	for _, end := range ends {
		raw = append(raw, json.RawMessage(text[from:end:end]))
		from = end
	}
	return raw, e.attachments, nil
}

// UnmarshalArgs turns what MarshalArgs returned into arguments. They keep both.
func UnmarshalArgs(raw []json.RawMessage, attachments [][]byte) Args {
	var codec Codec
	if len(attachments) > 0 {
		codec = &jsonAttachments{attachments}
	}
	args := make(Args, len(raw))
	for i, r := range raw {
		args[i] = Value{raw: r, codec: codec}
	}
	return args
}

// IsString reports whether v is encoded as a JSON string.
func IsString(v any) bool {
	switch v := v.(type) {
	case string:
		return true
	case nil, bool, int, int64, float64, []byte, Binary:
		return false
	case Value:
		if v.codec == nil {
			return len(v.raw) > 0 && v.raw[0] == '"'
		}
		text, err := v.MarshalJSON()
		_, isBinary := v.Bytes()
		return err == nil && !isBinary && len(text) > 0 && text[0] == '"'
	case json.RawMessage:
		t := bytes.TrimLeft(v, " \t\r\n")
		return len(t) > 0 && t[0] == '"'
	}
	text, attachments, err := MarshalArgs([]any{v})
	return err == nil && len(attachments) == 0 && text[0][0] == '"'
}
