package parser

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"reflect"
)

// Decoded through encoding/json, each mention of an attachment would be a copy, and a
// packet may name one many times over. So tokens stand in for the bytes while
// encoding/json decodes, and the bytes, shared, take their place afterwards.

// token is what stands for an attachment: its number behind a random prefix that no
// peer knows.
type token [20]byte

func (t token) with(num int) token {
	binary.BigEndian.PutUint32(t[16:], uint32(num))
	return t
}

// unmarshalShared decodes raw as Unmarshal does, with the attachments shared. It is
// not done where a token ended up elsewhere than in bytes (text, say, or a type that
// decodes itself): then raw has to be decoded another way.
func (j *jsonAttachments) unmarshalShared(raw []byte, into any) (done bool, err error) {
	var t token
	rand.Read(t[:16])
	mentions := 0
	text, err := j.replace(raw, func(out []byte, num int) []byte {
		mentions++
		named := t.with(num)
		return Binary(named[:]).AppendJSON(out)
	})
	if err != nil {
		return true, err
	}
	if err := unmarshalJSON(text, into); err != nil {
		var mismatch *json.UnmarshalTypeError
		return errors.As(err, &mismatch) || errors.Is(err, errNotBinary), err // whatever the bytes are
	}
	w := sharing{list: j.list, token: t}
	w.walk(reflect.ValueOf(into), 2*maxDepth)
	return w.placed == mentions, nil
}

// sharing puts attachments in the place of tokens.
type sharing struct {
	list   [][]byte
	token  token
	placed int
}

// bytesOf returns the attachment that b is the token of.
func (w *sharing) bytesOf(b []byte) ([]byte, bool) {
	if len(b) != len(w.token) || string(b[:16]) != string(w.token[:16]) {
		return nil, false
	}
	num := int(binary.BigEndian.Uint32(b[16:]))
	if num >= len(w.list) {
		return nil, false
	}
	a := w.list[num]
	return a[:len(a):len(a)], true
}

// walk goes through what was decoded, at most depth deep.
func (w *sharing) walk(v reflect.Value, depth int) {
	if depth == 0 {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			w.walk(v.Elem(), depth-1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			w.walk(v.Field(i), depth-1)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			w.place(v)
			return
		}
		fallthrough
	case reflect.Array:
		if !mayHoldBytes(v.Type().Elem()) {
			return
		}
		for i := range v.Len() {
			w.walk(v.Index(i), depth-1)
		}
	case reflect.Map:
		w.walkMap(v, depth)
	}
}

// place puts an attachment into v, which is bytes.
func (w *sharing) place(v reflect.Value) {
	if !v.CanSet() {
		return
	}
	if a, ok := w.bytesOf(v.Bytes()); ok {
		v.SetBytes(a)
		w.placed++
	}
}

// walkMap goes through copies of the elements, which cannot be set in their place.
func (w *sharing) walkMap(v reflect.Value, depth int) {
	if !mayHoldBytes(v.Type().Elem()) || !v.CanInterface() {
		return
	}
	for entries := v.MapRange(); entries.Next(); {
		elem := reflect.New(v.Type().Elem()).Elem()
		elem.Set(entries.Value())
		before := w.placed
		if w.walk(elem, depth-1); w.placed > before {
			v.SetMapIndex(entries.Key(), elem)
		}
	}
}

// mayHoldBytes reports whether bytes may be found in a value of the type.
func mayHoldBytes(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Struct, reflect.Slice, reflect.Array, reflect.Map:
		return true
	}
	return false
}
