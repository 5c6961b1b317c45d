package parser

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

type file struct {
	Name string `json:"name"`
	Data []byte `json:"data" sio:"binary"`
}

type Base struct {
	Thumb []byte `json:"thumb" sio:"binary"`
}

type hexed struct {
	Data []byte `sio:"binary"`
}

func (h hexed) MarshalJSON() ([]byte, error) { return json.Marshal(hex.EncodeToString(h.Data)) }

type node struct {
	Data       []byte `sio:"binary"`
	Prev, Next *node  `json:",omitempty"`
}

func TestBytesOfTaggedFieldsLeaveAsAttachments(t *testing.T) {
	data := []byte{1, 2, 3}
	type named []byte
	for name, c := range map[string]struct {
		arg  any
		text string
		n    int
	}{
		"a field":            {file{"a", data}, `{"name":"a","data":#0}`, 1},
		"a pointer":          {&file{"a", data}, `{"name":"a","data":#0}`, 1},
		"nil bytes":          {file{Name: "a"}, `{"name":"a","data":null}`, 0},
		"empty bytes":        {file{"a", []byte{}}, `{"name":"a","data":#0}`, 1},
		"a slice of structs": {[]file{{"a", data}, {"b", data}}, `[{"name":"a","data":#0},{"name":"b","data":#1}]`, 2},
		"a map of structs":   {map[string]file{"x": {"a", data}}, `{"x":{"name":"a","data":#0}}`, 1},
		"inside any":         {map[string]any{"x": []any{file{"a", data}}}, `{"x":[{"name":"a","data":#0}]}`, 1},
		"beside a Binary":    {map[string]any{"a": Binary("x"), "b": file{"a", data}}, `{"a":#0,"b":{"name":"a","data":#1}}`, 2},
		"embedded":           {struct{ Base }{Base{data}}, `{"thumb":#0}`, 1},
		"nested, a pointer":  {struct{ F *file }{&file{"a", data}}, `{"F":{"name":"a","data":#0}}`, 1},
		"an array":           {[1]file{{"a", data}}, `[{"name":"a","data":#0}]`, 1},
		"many in a field": {struct {
			Parts [][]byte `sio:"binary"`
		}{[][]byte{data, data}}, `{"Parts":[#0,#1]}`, 2},
		"a map in a field": {struct {
			Parts map[string][]byte `sio:"binary"`
		}{map[string][]byte{"a": data}}, `{"Parts":{"a":#0}}`, 1},
		"a named type": {struct {
			Data named `sio:"binary"`
		}{data}, `{"Data":#0}`, 1},
		"omitted": {struct {
			Data []byte `json:",omitempty" sio:"binary"`
		}{[]byte{}}, `{}`, 0},
		"left out": {struct {
			Data []byte `json:"-" sio:"binary"`
		}{data}, `{}`, 0},
		"no bytes": {struct {
			Data string `sio:"binary"`
		}{"x"}, `{"Data":"x"}`, 0},
		"encodes itself": {hexed{data}, `"010203"`, 0},
		"another field": {struct {
			A []byte
			B []byte `sio:"binary"`
		}{data, data}, `{"A":"AQID","B":#0}`, 1},
		"without tag": {struct{ A []byte }{data}, `{"A":"AQID"}`, 0},
		"a list":      {&node{Data: data, Next: &node{Data: data}}, `{"Data":#0,"Next":{"Data":#1}}`, 2},
		"an unexported field": {struct {
			a []byte `sio:"binary"`
			B int
		}{data, 1}, `{"B":1}`, 0},
	} {
		raw, attachments, err := MarshalArgs([]any{c.arg})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := c.text
		for i := range c.n {
			want = strings.Replace(want, fmt.Sprintf("#%d", i), string(appendPlaceholder(nil, i)), 1)
		}
		if string(raw[0]) != want || len(attachments) != c.n {
			t.Errorf("%s: %s with %d attachments, want %s with %d", name, raw[0], len(attachments), want, c.n)
		}
	}
	kept := file{"a", data}
	ms := encodeAll(t, JSON{}, &Packet{Type: Event, Namespace: "/", ID: NoID, Event: "file", Args: []any{kept}})
	p, err := decodeAll(t, JSON{}.NewDecoder(), ms)
	mustBeNil(t, err)
	var back file
	mustBeNil(t, p.Values.Get(0).Decode(&back))
	if !reflect.DeepEqual(back, kept) || kept.Data[0] != 1 {
		t.Errorf("came back as %v; the value is %v now", back, kept)
	}
}

func TestAValueThatHoldsItselfIsRefusedAndNotWalkedForEver(t *testing.T) {
	a := &node{Data: []byte{1}}
	a.Next = &node{Data: []byte{2}, Prev: a}
	for at := a.Next; at != a && len(at.Data) < 200; at = at.Next { // a list that can be walked both ways
		at.Next = &node{Data: make([]byte, len(at.Data)+1), Prev: at}
	}
	if _, _, err := MarshalArgs([]any{a}); err == nil || !strings.Contains(err.Error(), "cycle") {
		t.Errorf("error %v", err)
	}
}

func TestFieldsWhoseBytesBecomeTextAreFound(t *testing.T) {
	type inner struct{ Raw []byte }
	for _, c := range []struct {
		v    any
		want string
	}{
		{inner{}, "parser.inner.Raw"},
		{[]*inner{}, "parser.inner.Raw"},
		{map[string]struct{ In inner }{}, "parser.inner.Raw"},
		{struct {
			Raw []byte `sio:"base64"`
		}{}, ""},
		{struct {
			Raw []byte `json:"-"`
		}{}, ""},
		{file{}, ""},
		{struct {
			At  time.Time
			Raw json.RawMessage
			B   Binary
		}{}, ""},
		{[]byte{1}, ""},
		{nil, ""},
		{"x", ""},
	} {
		if got := SilentBase64(c.v); got != c.want {
			t.Errorf("%T: %q, want %q", c.v, got, c.want)
		}
	}
}
