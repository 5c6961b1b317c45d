package parser

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// namedOften is an event whose one argument names one attachment n times, each time as
// form has it.
func namedOften(t testing.TB, n int, form string, attachment []byte) Value {
	t.Helper()
	item := strings.ReplaceAll(form, "@", `{"_placeholder":true,"num":0}`)
	text := `51-["a",[` + strings.Repeat(item+",", n-1) + item + `]]`
	p, err := decodeAll(t, JSON{}.NewDecoder(), []wireMessage{{[]byte(text), false}, {attachment, true}})
	mustBeNil(t, err)
	return p.Values.Get(0)
}

func TestAnAttachmentThatIsNamedOftenIsShared(t *testing.T) {
	const n = 34_000
	attachment := bytes.Repeat([]byte("x"), 1<<20)
	type photo struct {
		Photo Binary   `json:"photo"`
		Small []byte   `json:"small"`
		Tags  []string `json:"tags"`
	}
	plain := namedOften(t, n, `@`, attachment)
	objects := namedOften(t, n, `{"photo":@,"tags":["a"]}`, attachment)
	for name, decode := range map[string]func() (int, []byte, error){
		"Binary": func() (int, []byte, error) {
			var to []Binary
			err := plain.Decode(&to)
			return len(to), to[n-1], err
		},
		"bytes": func() (int, []byte, error) {
			var to [][]byte
			err := plain.Decode(&to)
			return len(to), to[n-1], err
		},
		"pointers": func() (int, []byte, error) {
			var to []*Binary
			err := plain.Decode(&to)
			return len(to), *to[n-1], err
		},
		"any": func() (int, []byte, error) {
			var to any
			err := plain.Decode(&to)
			return len(to.([]any)), to.([]any)[n-1].([]byte), err
		},
		"structs": func() (int, []byte, error) {
			var to []photo
			err := objects.Decode(&to)
			return len(to), to[n-1].Photo, err
		},
		"maps": func() (int, []byte, error) {
			var to []map[string]json.RawMessage
			if err := objects.Decode(&to); !errors.Is(err, errTooManyCopies) {
				t.Errorf("text that names it often: %v", err)
			}
			var typed []struct {
				Photo Binary
				Tags  map[string]int
			}
			_ = objects.Decode(&typed) // tags are no map
			var in []map[string]Binary
			err := namedOften(t, n, `{"a":@}`, attachment).Decode(&in)
			return len(in), in[n-1]["a"], err
		},
		"arrays in maps": func() (int, []byte, error) {
			var in []map[string][2]*photo
			err := namedOften(t, n/2, `{"a":[{"photo":@},{"small":@}]}`, attachment).Decode(&in)
			last := in[n/2-1]["a"]
			return len(in) * 2, append(last[0].Photo[:len(last[0].Photo)/2:len(last[0].Photo)/2], last[1].Small[len(last[1].Small)/2:]...), err
		},
	} {
		var count int
		var last []byte
		var err error
		if most := allocated(func() { count, last, err = decode() }); most > 256<<20 {
			t.Errorf("%s: %d MB were allocated", name, most>>20)
		}
		if err != nil || count != n || !bytes.Equal(last, attachment) {
			t.Errorf("%s: %d values, the last of %d bytes, %v", name, count, len(last), err)
		}
	}
	var ms []wireMessage
	p := Packet{Type: Ack, Namespace: "/", ID: 1, Args: []any{plain, plain, objects}}
	if most := allocated(func() { ms = encodeAll(t, JSON{}, &p) }); most > 64<<20 || len(ms) != 3 {
		t.Errorf("passed on as %d messages, %d MB were allocated", len(ms), most>>20)
	}
	if _, err := plain.MarshalJSON(); !errors.Is(err, errTooManyCopies) {
		t.Errorf("as JSON: %v", err)
	}
}

// What is named more than once reads the same as what is named once, wherever it ends
// up.
func TestSharedAttachmentsReadAsOthers(t *testing.T) {
	type custom struct{ Whole textual }
	type fields struct {
		A   Binary
		B   []byte
		S   string
		Any any
		Raw json.RawMessage
		Own *custom
		T   textual
		M   map[string][]byte
		E   struct{ B Binary }
	}
	text := `{"A":@,"B":@,"S":@,"Any":[@],"Raw":{"x":@},"T":@,"M":{"a":@,"b":@},"E":{"B":@},"unknown":@}`
	decode := func(named func(i int) string, attachments ...[]byte) (f fields) {
		body := text
		for k := 0; strings.Contains(body, "@"); k++ {
			body = strings.Replace(body, "@", named(k), 1)
		}
		ms := []wireMessage{{[]byte(fmt.Sprintf(`5%d-["a",%s]`, len(attachments), body)), false}}
		for _, a := range attachments {
			ms = append(ms, wireMessage{a, true})
		}
		p, err := decodeAll(t, JSON{}.NewDecoder(), ms)
		mustBeNil(t, err)
		mustBeNil(t, p.Values.Get(0).Decode(&f))
		return f
	}
	place := func(n int) string { return fmt.Sprintf(`{"_placeholder":true,"num":%d}`, n) }
	content := []byte("content")
	shared := decode(func(int) string { return place(0) }, content)
	var each [][]byte
	for range strings.Count(text, "@") {
		each = append(each, content)
	}
	single := decode(place, each...)
	if fmt.Sprintf("%+v", shared) != fmt.Sprintf("%+v", single) || string(shared.A) != "content" || string(shared.M["b"]) != "content" {
		t.Errorf("shared %+v\nsingle %+v", shared, single)
	}
}

// textual is a type that decodes itself.
type textual string

func (x *textual) UnmarshalJSON(raw []byte) error {
	*x = textual(raw)
	return nil
}
