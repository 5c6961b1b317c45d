package parser

import (
	"bytes"
	"crypto/rand"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
)

// encoding/json writes a []byte of a struct as base64. So that the bytes of a field
// with the tag `sio:"binary"` leave as an attachment, tokens stand in for them in a
// copy of the value, and are found again in what encoding/json made of that.

// tagName is the key of the struct tags that say how bytes travel: "binary" as an
// attachment, "base64" as text.
const tagName = "sio"

// bytesPlan is what is known of the bytes in values of a type.
type bytesPlan struct {
	tagged bool   // there are fields whose bytes leave as attachments
	silent string // the first field whose bytes leave as base64 though no tag says so, as "T.F"
}

// plans has the bytesPlan of each type that was seen; encoding/json keeps what it
// knows of types the same way.
var plans sync.Map

// planOf returns the plan of a type, nil for that of a nil interface.
func planOf(t reflect.Type) bytesPlan {
	if t == nil {
		return bytesPlan{}
	}
	if p, ok := plans.Load(t); ok {
		return p.(bytesPlan)
	}
	var p bytesPlan
	p.look(t, make(map[reflect.Type]bool))
	plans.Store(t, p)
	return p
}

// look adds what is in a type; those in seen were looked at.
func (p *bytesPlan) look(t reflect.Type, seen map[reflect.Type]bool) {
	if seen[t] || encodesItself(t) {
		return
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		p.look(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			p.lookAt(t, t.Field(i), seen)
		}
	}
}

func (p *bytesPlan) lookAt(t reflect.Type, f reflect.StructField, seen map[reflect.Type]bool) {
	if !f.IsExported() && !f.Anonymous || f.Tag.Get("json") == "-" {
		return
	}
	if holdsBytes(f.Type) {
		switch f.Tag.Get(tagName) {
		case "binary":
			p.tagged = true
		case "base64":
		default:
			if p.silent == "" {
				p.silent = t.String() + "." + f.Name
			}
		}
		return
	}
	p.look(f.Type, seen)
}

// isBytes reports whether encoding/json writes values of the type as base64.
func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && !encodesItself(t) && !encodesItself(t.Elem())
}

// holdsBytes reports whether a field of the type is bytes, or a pointer, slice, array
// or map of them.
func holdsBytes(t reflect.Type) bool {
	for !isBytes(t) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
			if t == t.Elem() || encodesItself(t) {
				return false
			}
			t = t.Elem()
		default:
			return false
		}
	}
	return true
}

var (
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

// encodesItself reports whether values of the type say how they are encoded: what they
// do with their bytes is not known.
func encodesItself(t reflect.Type) bool {
	for _, m := range []reflect.Type{jsonMarshaler, textMarshaler} {
		if t.Implements(m) || reflect.PointerTo(t).Implements(m) {
			return true
		}
	}
	return false
}

// SilentBase64 returns a struct's field whose []byte is written as base64 text
// where v is encoded, as "Type.Field", or "" where there is none: fields with the tag
// `sio:"binary"` are attachments, and those with `sio:"base64"` are meant to be text.
func SilentBase64(v any) string {
	switch v.(type) {
	case nil, string, bool, int, int64, float64, []byte, Binary, Value, json.RawMessage, []any, map[string]any:
		return ""
	}
	return planOf(reflect.TypeOf(v)).silent
}

const (
	tokenRandom = 18 // random bytes of a token, 24 of base64
	tokenNumber = 3
	tokenText   = (tokenRandom + tokenNumber) / 3 * 4
)

// tagged puts tokens in the place of bytes.
type tagged struct {
	prefix [tokenRandom]byte
	bytes  [][]byte           // by number
	path   map[reference]bool // what is being walked, for values that hold themselves
}

// reference is a pointer, slice or map.
type reference struct {
	address uintptr
	len     int
	of      reflect.Type
}

// mark returns a copy of v, whose type has tagged fields, with tokens in them.
func (m *tagged) mark(v any) any {
	if m.bytes == nil {
		rand.Read(m.prefix[:])
	}
	out := reflect.New(reflect.TypeOf(v)).Elem()
	out.Set(reflect.ValueOf(v))
	m.walk(out, false, maxDepth)
	return out.Interface()
}

// walk puts tokens into v, which is a copy and can be set; what it refers to is copied
// on the way. In a field that is tagged all bytes are replaced.
func (m *tagged) walk(v reflect.Value, field bool, depth int) {
	t := v.Type()
	if depth == 0 || encodesItself(t) || !field && !planOf(t).tagged {
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		leave, ok := m.enter(v)
		if !ok {
			return
		}
		defer leave()
	}
	switch v.Kind() {
	case reflect.Struct:
		m.walkStruct(v, depth)
	case reflect.Array:
		for i := range v.Len() {
			m.walk(v.Index(i), field, depth-1)
		}
	case reflect.Pointer:
		p := reflect.New(t.Elem())
		p.Elem().Set(v.Elem())
		m.walk(p.Elem(), field, depth-1)
		v.Set(p)
	case reflect.Slice:
		m.walkSlice(v, field, depth)
	case reflect.Map:
		out := reflect.MakeMapWithSize(t, v.Len())
		for entries := v.MapRange(); entries.Next(); {
			elem := reflect.New(t.Elem()).Elem()
			elem.Set(entries.Value())
			m.walk(elem, field, depth-1)
			out.SetMapIndex(entries.Key(), elem)
		}
		v.Set(out)
	}
}

// enter begins to walk what v refers to, unless that is nothing, cannot be replaced,
// or is being walked: encoding/json refuses values that hold themselves.
func (m *tagged) enter(v reflect.Value) (leave func(), ok bool) {
	if v.IsNil() || !v.CanSet() {
		return nil, false
	}
	r := reference{address: v.Pointer(), of: v.Type()}
	if v.Kind() == reflect.Slice {
		r.len = v.Len()
	}
	if m.path[r] {
		return nil, false
	}
	if m.path == nil {
		m.path = make(map[reference]bool)
	}
	m.path[r] = true
	return func() { delete(m.path, r) }, true
}

func (m *tagged) walkStruct(v reflect.Value, depth int) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() && !f.Anonymous {
			continue
		}
		isTagged := f.Tag.Get(tagName) == "binary" && holdsBytes(f.Type)
		_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if isTagged && v.Field(i).Kind() == reflect.Slice && v.Field(i).Len() == 0 && strings.Contains(options, "omitempty") {
			continue // a token would not be omitted
		}
		m.walk(v.Field(i), isTagged, depth-1)
	}
}

func (m *tagged) walkSlice(v reflect.Value, field bool, depth int) {
	switch {
	case isBytes(v.Type()):
		if field && len(m.bytes) < 1<<(8*tokenNumber) {
			v.SetBytes(m.token(v.Bytes()))
		}
	default:
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(out, v)
		for i := range out.Len() {
			m.walk(out.Index(i), field, depth-1)
		}
		v.Set(out)
	}
}

// token returns what stands for b.
func (m *tagged) token(b []byte) []byte {
	n := len(m.bytes)
	m.bytes = append(m.bytes, b)
	return append(bytes.Clone(m.prefix[:]), byte(n>>16), byte(n>>8), byte(n))
}

// take moves the bytes whose tokens are in text to attachments, and leaves
// placeholders. The text is valid JSON of what mark returned.
func (m *tagged) take(text []byte, attachments *[][]byte) []byte {
	if len(m.bytes) == 0 {
		return text
	}
	prefix := append([]byte{'"'}, base64.StdEncoding.EncodeToString(m.prefix[:])...)
	var out []byte
	for {
		i := bytes.Index(text, prefix)
		if i < 0 {
			return append(out, text...)
		}
		end := i + 1 + tokenText
		var number [tokenNumber]byte
		if _, err := base64.StdEncoding.Decode(number[:], text[i+len(prefix):end]); err != nil {
			return append(out, text...) // base64 of another kind: nothing of ours
		}
		n := int(number[0])<<16 | int(number[1])<<8 | int(number[2])
		out = appendPlaceholder(append(out, text[:i]...), len(*attachments))
		*attachments = append(*attachments, append([]byte{}, m.bytes[n]...))
		text = text[end+1:]
	}
}
