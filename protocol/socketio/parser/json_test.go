package parser

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestPacketsAreWrittenAsTheOfficialParserWritesThem(t *testing.T) {
	type inner struct {
		Photo Binary `json:"photo"`
		Name  string `json:"name"`
	}
	tests := []struct {
		p    Packet
		want []string
	}{
		{Packet{Type: Connect, Namespace: "/", ID: NoID}, []string{`0`}},
		{Packet{Type: Connect, Namespace: "/woot", ID: NoID, Args: []any{map[string]int{"a": 1}}}, []string{`0/woot,{"a":1}`}},
		{Packet{Type: Disconnect, Namespace: "/woot", ID: NoID}, []string{`1/woot,`}},
		{Packet{Type: Event, Namespace: "/", ID: NoID, Event: "a", Args: []any{1, "<&>\u2028\x01\"", nil, true, 1.5}}, []string{"2[\"a\",1,\"<&>\u2028\\u0001\\\"\",null,true,1.5]"}},
		{Packet{Type: Event, Namespace: "/test", ID: 1, Event: "a"}, []string{`2/test,1["a"]`}},
		{Packet{Type: Ack, Namespace: "/", ID: 123, Args: []any{"a", map[string]any{}}}, []string{`3123["a",{}]`}},
		{Packet{Type: Ack, Namespace: "/", ID: 0}, []string{`30[]`}},
		{Packet{Type: ConnectError, Namespace: "/x", ID: NoID, Args: []any{map[string]string{"message": "no"}}}, []string{`4/x,{"message":"no"}`}},
		{Packet{Type: Event, Namespace: "/cool", ID: 23, Event: "a", Args: []any{[]byte("abc")}}, []string{`51-/cool,23["a",{"_placeholder":true,"num":0}]`, "abc"}},
		{Packet{Type: Ack, Namespace: "/", ID: 7, Args: []any{"a", Binary("xxx"), map[string]any{}}}, []string{`61-7["a",{"_placeholder":true,"num":0},{}]`, "xxx"}},
		{Packet{Type: Event, Namespace: "/", ID: NoID, Event: "deep", Args: []any{inner{Binary("one"), "\nx"}, map[string]any{"l": []any{[]byte("two"), 1}}, Binary{}}},
			[]string{`53-["deep",{"photo":{"_placeholder":true,"num":0},"name":"\nx"},{"l":[{"_placeholder":true,"num":1},1]},{"_placeholder":true,"num":2}]`, "one", "two", ""}},
	}
	for _, tt := range tests {
		got := encodeAll(t, JSON{}, &tt.p)
		if len(got) != len(tt.want) {
			t.Fatalf("%d messages %q, want %q", len(got), got, tt.want)
		}
		for i, m := range got {
			if string(m.data) != tt.want[i] || m.binary != (i > 0) {
				t.Errorf("message %d is %q, want %q", i, m.data, tt.want[i])
			}
		}
		p, err := decodeAll(t, JSON{}.NewDecoder(), got)
		if err != nil || p.Type != tt.p.Type || p.ID != tt.p.ID || p.Event != tt.p.Event || p.Namespace != tt.p.Namespace {
			t.Errorf("%q decodes to %+v, %v", got, p, err)
		}
		again := Packet{Type: p.Type, Namespace: p.Namespace, ID: p.ID, Event: p.Event, Args: p.Values.Any()}
		for i, m := range encodeAll(t, JSON{}, &again) {
			if string(m.data) != tt.want[i] {
				t.Errorf("passed on, message %d is %q, want %q", i, m.data, tt.want[i])
			}
		}
	}
}

func TestInvalidPacketsAreRefused(t *testing.T) {
	for _, text := range []string{
		"", "7", "abc", "/", `2`, `2{}`, `2[]`, `2[{}]`, `2[null]`, `2["a"`, `2["a"]x`, `2["a",]`, `2["a",01]`,
		`2["a",nul]`, `2["connect"]`, `2["disconnecting"]`, `2["newListener"]`, `2["\u0063onnect"]`, `2abc["a"]`, `2["a","` + "\x01" + `"]`,
		`3[]`, `31{}`, `31`, `0[]`, `0"x"`, `1{}`, `1[]`, `4[1]`, `5["a"]`, `5-["a"]`, `5x-["a"]`, `5-1-["a"]`,
		`5999999-["a"]`, `50-["a",{"_placeholder":true,"num":0}]x`, `299999999999999999999["a"]`, "2[\"a\",\"\xff\"]",
		`2["a",` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `]`,
	} {
		var p Packet
		if done, err := (JSON{}).NewDecoder().Decode([]byte(text), false, &p); !errors.Is(err, ErrParse) {
			t.Errorf("%q: %v, %v", text, done, err)
		}
	}
}

func TestAttachmentsAreRefusedOutOfPlace(t *testing.T) {
	tests := map[string][]wireMessage{
		"binary without a packet": {{[]byte("x"), true}},
		"text in between":         {{[]byte(`51-["a",{"_placeholder":true,"num":0}]`), false}, {[]byte(`2["a"]`), false}},
		"index out of range":      {{[]byte(`51-["a",{"_placeholder":true,"num":1}]`), false}, {[]byte("x"), true}},
		"index missing":           {{[]byte(`51-["a",{"_placeholder":true}]`), false}, {[]byte("x"), true}},
		"index no number":         {{[]byte(`51-["a",{"_placeholder":true,"num":"splice"}]`), false}, {[]byte("x"), true}},
		"too many":                {{[]byte(`53-["a"]`), false}, {[]byte("x"), true}},
		"too large":               {{[]byte(`52-["a"]`), false}, {[]byte("xxxxxx"), true}, {[]byte("xxxxxx"), true}},
	}
	for name, ms := range tests {
		d := JSON{MaxAttachments: 2, MaxAttachmentBytes: 10}.NewDecoder()
		var err error
		for _, m := range ms {
			var p Packet
			if _, err = d.Decode(m.data, m.binary, &p); err != nil {
				break
			}
		}
		if !errors.Is(err, ErrParse) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestArgumentsDecodeIntoTheCallersTypes(t *testing.T) {
	type photo struct {
		Caption string  `json:"caption"`
		Bytes   Binary  `json:"bytes"`
		Plain   []byte  `json:"plain"`
		Score   float64 `json:"score"`
	}
	p, err := decodeAll(t, JSON{}.NewDecoder(), []wireMessage{
		{[]byte(`52-["up",{"caption":"c","bytes":{"_placeholder":true,"num":0},"plain":{"num":1,"_placeholder":true},"score":2},{"_placeholder":true,"num":1},{"__proto__":1,"a":[{"_placeholder":true,"num":0}]},"s"]`), false},
		{[]byte("first"), true}, {[]byte("second"), true},
	})
	mustBeNil(t, err)
	var ph photo
	var b []byte
	var tree any
	var s string
	var missing int
	mustBeNil(t, p.Values.Decode(&ph, &b, &tree, &s, &missing))
	if ph.Caption != "c" || string(ph.Bytes) != "first" || string(ph.Plain) != "second" || ph.Score != 2 || string(b) != "second" || s != "s" {
		t.Errorf("got %+v %q %q", ph, b, s)
	}
	m := tree.(map[string]any)
	if string(m["a"].([]any)[0].([]byte)) != "first" || m["__proto__"] != 1.0 {
		t.Errorf("got %v", tree)
	}
	if b, ok := p.Values.Get(1).Bytes(); !ok || string(b) != "second" {
		t.Errorf("bytes %q %v", b, ok)
	}
	if _, ok := p.Values.Get(0).Bytes(); ok {
		t.Error("an object is no binary argument")
	}
	var notBinary Binary
	if err := p.Values.Get(3).Decode(&notBinary); err == nil {
		t.Error("a string decoded into Binary")
	}
	raw, err := json.Marshal(p.Values.Get(0))
	mustBeNil(t, err)
	var again photo
	mustBeNil(t, json.Unmarshal(raw, &again))
	if string(again.Bytes) != "first" {
		t.Errorf("JSON of the value is %s", raw)
	}
}

func TestEventNamesMayBeNumbers(t *testing.T) {
	p, err := decodeAll(t, JSON{}.NewDecoder(), []wireMessage{{[]byte(`2[5,"x"]`), false}})
	if err != nil || p.Event != "5" || len(p.Values) != 1 {
		t.Errorf("got %+v, %v", p, err)
	}
}

// FuzzDecode compares with referenceDecode, which is written another way, and wants
// what was taken to read the same when it is passed on.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`0`, `0/a,{"t":1}`, `0"x"`, `0/a`, `0/a,`, `0/,{}`, `1`, `1/a,`, `1{}`, `2["a",1]`, `2/n,12["a"]`, `2[]`, `2`, `3`, `7`, `2 ["a"]`, `2/n["a"]`,
		`31[]`, `3[]`, `30[1]`, `39007199254740991[]`, `39007199254740992[]`, `3-1[]`, `4{"message":"x"}`, `4"x"`, `4[]`,
		`51-["a",{"_placeholder":true,"num":0}]`, `61-/n,3[{"_placeholder":true,"num":0}]`, `52-["a",{"b":[{"_placeholder":true,"num":1}]},{"_placeholder":true,"num":0}]`,
		`51-["a",{"_placeholder":true,"num":1}]`, `51-["a",{"_placeholder":true,"num":-1}]`, `51-["a",{"_placeholder":true}]`, `51-["a",{"_placeholder":1,"num":9}]`,
		`50-["a"]`, `5["a"]`, `5-["a"]`, `599999999-["a"]`, `55-["a"]`, `51-["a"]`, `51.0-["a"]`, `501-["a"]`, `51-["a",{"num":0,"_placeholder":true,"x":{"_placeholder":true,"num":7}}]`,
		`2["\u0061"]`, `2[5,"x"]`, `2[-1.5e+3]`, `2["connect"]`, `2["disconnecting"]`, `2["\ud800"]`, `2[ "a" , {"b":[null,true,-1.5e+3]} ] `, `2["a",01]`, `2["a",1,]`, `2["\x"]`, `2["a",-]`, `2["a",1.]`,
		`51-["a",{"\u005fplaceholder":true,"num":0}]`, `51-["a",{"_placeholder":true,"\u006eum":1}]`, `51-["a",{"_placeholder":true,"_placeholder":false,"num":9}]`,
		`51-["a",{"b":{"_placeholder":true,"num":9},"b":1}]`, `51-["a",{"_placeholder":true,"num":0.0}]`, `51-["a",{"b":1e999,"_placeholder":true,"num":9}]`, `2["a",1e999]`,
		"2[\"\x00\"]", "2[\"\xff\"]", `2["a"]]`, `2{"a":1}`, `2["a",` + strings.Repeat("[", maxDepth-1) + strings.Repeat("]", maxDepth-1) + `]`, `2["a",` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `]`,
	} {
		f.Add([]byte(s), []byte("abc"))
	}
	f.Fuzz(func(t *testing.T, text, attachment []byte) {
		d := JSON{MaxAttachments: fuzzAttachments, MaxAttachmentBytes: 1 << 16}.NewDecoder()
		var p Packet
		done, err := d.Decode(text, false, &p)
		for i := 0; err == nil && !done && i < fuzzAttachments; i++ {
			done, err = d.Decode(attachment, true, &p)
		}
		want, wanted := referenceDecode(string(text), attachment)
		if wanted != (err == nil) {
			t.Fatalf("%q: %v, expected %+v, %v", text, err, want, wanted)
		}
		if err != nil {
			if !errors.Is(err, ErrParse) {
				t.Fatalf("%q: %v is no parse error", text, err)
			}
			return
		}
		if !done {
			t.Fatalf("%q: neither packet nor error", text)
		}
		if got := readPacket(t, &p); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %+v, expected %+v", text, got, want)
		}
		out := Packet{Type: p.Type, Namespace: p.Namespace, ID: p.ID, Event: p.Event, Args: p.Values.Clone().Any()}
		if p.Type == Disconnect {
			out.Args = nil
		}
		ms := encodeAll(t, JSON{}, &out)
		again, err := decodeAll(t, JSON{MaxAttachments: 1 << 10, MaxAttachmentBytes: 1 << 24}.NewDecoder(), ms)
		if err != nil {
			t.Fatalf("%q was passed on as %q: %v", text, ms, err)
		}
		// Beside a placeholder such a number is left out when it is passed on.
		if got := readPacket(t, &again); want.decodable() && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q was passed on as %q: %+v, expected %+v", text, ms, got, want)
		}
	})
}
