package parser

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// jsonAttachments is the codec of the values of one binary packet. Their
// placeholders were checked when the packet arrived.
type jsonAttachments struct{ list [][]byte }

var _ Codec = (*jsonAttachments)(nil)

// Binary implements [Codec].
func (j *jsonAttachments) Binary(raw []byte) ([]byte, bool) {
	found, _ := findPlaceholders(raw, len(j.list))
	if len(found) == 1 && found[0].from == 0 && found[0].to == len(raw) {
		return j.list[found[0].num], true
	}
	return nil, false
}

// Unmarshal implements [Codec].
func (j *jsonAttachments) Unmarshal(raw []byte, into any) error {
	whole, isBinary := j.Binary(raw)
	switch p := into.(type) {
	case *json.RawMessage:
		out, err := j.JSON(raw)
		*p = out
		return err
	case *Binary:
		if !isBinary {
			return errNotBinary
		}
		*p = whole
		return nil
	case *[]byte:
		if isBinary {
			*p = whole
			return nil
		}
	case *any:
		return j.untyped(raw, p)
	case *map[string]any:
		return untypedAs(j, raw, p)
	case *[]any:
		return untypedAs(j, raw, p)
	}
	if done, err := j.unmarshalShared(raw, into); done {
		return err
	}
	text, err := j.JSON(raw)
	if err != nil {
		return err
	}
	return unmarshalJSON(text, into)
}

// JSON implements [Codec]: attachments become base64 strings that decode into
// []byte and, by their mark, into Binary.
func (j *jsonAttachments) JSON(raw []byte) ([]byte, error) {
	left := maxCopies*j.size() + freeCopies
	tooMany := false
	out, err := j.replace(raw, func(out []byte, num int) []byte {
		if left -= len(j.list[num]); left < 0 {
			tooMany = true
			return out
		}
		return Binary(j.list[num]).AppendJSON(out)
	})
	if tooMany {
		return nil, errTooManyCopies
	}
	return out, err
}

// The bytes that are copied for the placeholders of one value are freeCopies at most,
// and maxCopies times what the attachments have: a few bytes of JSON name an
// attachment, and may do so as often as they like.
const (
	freeCopies = 1 << 20
	maxCopies  = 8
)

var errTooManyCopies = errors.New("socketio: attachments are named too often to be copied")

// size is the length of the attachments together.
func (j *jsonAttachments) size() (n int) {
	for _, a := range j.list {
		n += len(a)
	}
	return n
}

// replace copies raw with put's text in place of each placeholder.
func (j *jsonAttachments) replace(raw []byte, put func(out []byte, num int) []byte) ([]byte, error) {
	found, ok := findPlaceholders(raw, len(j.list))
	if !ok {
		return nil, parseError("placeholder without an attachment")
	}
	var out []byte
	at := 0
	for _, p := range found {
		out = append(out, raw[at:p.from]...)
		out = put(out, p.num)
		at = p.to
	}
	return append(out, raw[at:]...), nil
}

func untypedAs[T any](j *jsonAttachments, raw []byte, into *T) error {
	var v any
	if err := j.untyped(raw, &v); err != nil {
		return err
	}
	t, ok := v.(T)
	if !ok && v != nil {
		return fmt.Errorf("socketio: cannot decode %T into %T", v, t)
	}
	*into = t
	return nil
}

// untyped decodes into an interface, with []byte in place of placeholders.
func (j *jsonAttachments) untyped(raw []byte, into *any) error {
	if err := unmarshalJSON(raw, into); err != nil {
		return err
	}
	*into = j.fillIn(*into)
	return nil
}

func (j *jsonAttachments) fillIn(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = j.fillIn(v[i])
		}
	case map[string]any:
		if v["_placeholder"] == true {
			if n, ok := v["num"].(float64); ok && n >= 0 && int(n) < len(j.list) {
				return j.list[int(n)]
			}
		}
		for k := range v {
			v[k] = j.fillIn(v[k])
		}
	}
	return v
}

// markBytes returns v with Binary in place of each []byte that stands in a
// map[string]any or []any, however deep, and with tokens of t in the place of bytes in
// tagged fields. Where there are none, changed is false and v is as it was; else
// containers are copied on the way.
func markBytes(v any, t *tagged, depth int) (marked any, changed bool) {
	if depth == 0 {
		return v, false
	}
	switch v := v.(type) {
	case nil, string, bool, int, int64, float64, Binary, Value, json.RawMessage:
		return v, false
	case []byte:
		return Binary(v), true
	case []any:
		out := v
		for i, e := range v {
			if m, ok := markBytes(e, t, depth-1); ok {
				if !changed {
					out, changed = slices.Clone(v), true
				}
				out[i] = m
			}
		}
		return out, changed
	case map[string]any:
		out := v
		for k, e := range v {
			if m, ok := markBytes(e, t, depth-1); ok {
				if !changed {
					out, changed = maps.Clone(v), true
				}
				out[k] = m
			}
		}
		return out, changed
	}
	if planOf(reflect.TypeOf(v)).tagged {
		return t.mark(v), true
	}
	return v, false
}

// takeMarked moves the marked attachments in text, which was just marshalled,
// to attachments, and leaves placeholders.
func takeMarked(text []byte, attachments *[][]byte) []byte {
	mark := []byte(attachmentMark)
	if !bytes.Contains(text, mark) {
		return text
	}
	var out []byte
	for {
		i := bytes.Index(text, mark)
		if i < 0 {
			return append(out, text...)
		}
		end := bytes.IndexByte(text[i+len(mark):], '"') + i + len(mark)
		content, err := base64.StdEncoding.AppendDecode(nil, text[i+len(mark):end])
		if err != nil {
			out, text = append(out, text[:i+len(mark)]...), text[i+len(mark):]
			continue
		}
		out = appendPlaceholder(append(out, text[:i]...), len(*attachments))
		*attachments = append(*attachments, content)
		text = text[end+1:]
	}
}
