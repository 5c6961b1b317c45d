package parser

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
)

// Binary is bytes that travel as an attachment wherever they stand: as an
// argument, or inside a struct, map or slice. A []byte that is an argument by
// itself, or inside a map[string]any or []any, is an attachment too, and so are those
// in a struct's field with the tag
//
//	Data []byte `sio:"binary"`
//
// whether the field is a []byte or a slice, array, map or pointer of them. Elsewhere a
// []byte is base64 text, as encoding/json has it. The server logs a warning for the
// first such field of each type; with the tag `sio:"base64"` it does not. Fields of an
// interface type, and types with a MarshalJSON or MarshalText of their own, are not
// looked into.
//
// Marshalled by itself a Binary is base64 that any decoder takes.
type Binary []byte

var errNotBinary = errors.New("socketio: argument is not binary")

// attachmentMark begins the JSON string of a Binary. It decodes to a line
// feed, which base64 decoders skip, and encoding/json never writes it so for
// an ordinary string: it writes \n.
const attachmentMark = `"\u000a`

// MarshalJSON returns base64 marked as an attachment.
func (b Binary) MarshalJSON() ([]byte, error) {
	return b.AppendJSON(make([]byte, 0, len(attachmentMark)+1+base64.StdEncoding.EncodedLen(len(b)))), nil
}

// AppendJSON appends what MarshalJSON returns.
func (b Binary) AppendJSON(out []byte) []byte {
	out = append(out, attachmentMark...)
	out = base64.StdEncoding.AppendEncode(out, b)
	return append(out, '"')
}

// UnmarshalJSON takes an attachment. Any other value but null is an error.
func (b *Binary) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		*b = nil
		return nil
	}
	if !bytes.HasPrefix(raw, []byte(attachmentMark)) {
		return errNotBinary
	}
	out, err := base64.StdEncoding.AppendDecode(nil, raw[len(attachmentMark):len(raw)-1])
	if err != nil {
		return fmt.Errorf("attachment: %w", err)
	}
	*b = out
	return nil
}
