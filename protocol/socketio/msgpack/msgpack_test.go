package msgpack

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"podium/protocol/socketio/parser"
)

func encode(t testing.TB, p *parser.Packet) []byte {
	t.Helper()
	ms, err := Parser{}.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	return ms[0].Payload()
}

// TestPacketsAreWrittenAsTheOfficialParserWritesThem compares with what
// socket.io-msgpack-parser 3.0.2 writes for the same packet.
func TestPacketsAreWrittenAsTheOfficialParserWritesThem(t *testing.T) {
	p := &parser.Packet{Type: parser.Event, Namespace: "/a", ID: 7, Event: "ev", Args: []any{
		1, -1, 200, 70000, -200, 1.5, "text", true, nil, []byte{1, 2}, map[string]any{"a": []any{1, []byte{3}}},
	}}
	want := strings.ReplaceAll("84 a474797065 02 a464617461 9c a26576 01 ff ccc8 ce00011170 d1ff38 cb3ff8000000000000 a474657874 c3 c0 c4020102 81a16192 01 c40103 a26964 07 a36e7370 a22f61", " ", "")
	if got := hex.EncodeToString(encode(t, p)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestValuesDecodeIntoTheCallersTypes(t *testing.T) {
	type inner struct {
		Photo parser.Binary `json:"photo"`
		Plain []byte        `json:"plain"`
		N     uint32        `json:"n"`
		When  time.Time     `json:"when"`
	}
	e := new(writer)
	e.mapHead(4)
	e.str("type")
	e.integer(2)
	e.str("nsp")
	e.str("/")
	e.str("id")
	e.out = append(e.out, 0xd4, 0, 0) // undefined
	e.str("data")
	e.arrayHead(4)
	e.str("up")
	e.mapHead(4)
	e.str("photo")
	e.bin([]byte("abc"))
	e.str("plain")
	e.bin([]byte("def"))
	e.str("n")
	e.integer(4000000000)
	e.str("when")
	e.out = append(e.out, 0xd7, 0, 0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0) // a Date
	e.bin([]byte("xyz"))
	e.float(2.5)
	var p parser.Packet
	if ok, err := (Parser{}).NewDecoder().Decode(e.out, true, &p); !ok || err != nil {
		t.Fatal(ok, err)
	}
	var in inner
	var b []byte
	var f float64
	if err := p.Values.Decode(&in, &b, &f); err != nil {
		t.Fatal(err)
	}
	if p.ID != parser.NoID || p.Event != "up" || string(in.Photo) != "abc" || string(in.Plain) != "def" || in.N != 4000000000 ||
		in.When.UnixMilli() != 1_700_000_000_000 || string(b) != "xyz" || f != 2.5 {
		t.Errorf("got %+v %+v %q %v", p, in, b, f)
	}
	var tree any
	if err := p.Values.Get(0).Decode(&tree); err != nil || !reflect.DeepEqual(tree.(map[string]any)["photo"], []byte("abc")) {
		t.Errorf("got %v, %v", tree, err)
	}
	again := parser.Packet{Type: p.Type, Namespace: p.Namespace, ID: p.ID, Event: p.Event, Args: p.Values.Any()}
	if !bytes.Contains(encode(t, &again), p.Values.Get(0).Raw()) {
		t.Error("a value was not passed on as it came")
	}
	structs := parser.Packet{Type: parser.Ack, Namespace: "/", ID: 1, Args: []any{in, json.RawMessage(`{"a":[1,"x"]}`)}}
	var back parser.Packet
	if ok, err := (Parser{}).NewDecoder().Decode(encode(t, &structs), true, &back); !ok || err != nil {
		t.Fatal(ok, err)
	}
	var in2 inner
	if err := back.Values.Get(0).Decode(&in2); err != nil || string(in2.Photo) != "abc" || back.Values.Get(1).String() != `{"a":[1,"x"]}` {
		t.Errorf("got %+v %v %v", in2, back.Values.Get(1), err)
	}
}

// Clients in other languages write maps whose keys are numbers; JavaScript has none.
func TestKeysThatAreIntegersBecomeText(t *testing.T) {
	e := new(writer)
	e.mapHead(3)
	e.str("type")
	e.integer(2)
	e.str("nsp")
	e.str("/")
	e.str("data")
	e.arrayHead(2)
	e.str("up")
	e.mapHead(4)
	for _, key := range []int64{7, -1, 70_000} {
		e.integer(key)
		e.integer(key)
	}
	e.out = append(e.out, 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc0)
	var p parser.Packet
	if ok, err := (Parser{}).NewDecoder().Decode(e.out, true, &p); !ok || err != nil {
		t.Fatal(ok, err)
	}
	raw, err := json.Marshal(p.Values.Any()[0])
	if want := `{"7":7,"-1":-1,"70000":70000,"18446744073709551615":null}`; err != nil || string(raw) != want {
		t.Errorf("%s, %v; want %s", raw, err, want)
	}
}

// notepack writes a typed array or ArrayBuffer as an extension of type 0 whatever its
// length; only the fixed forms of one and eight bytes mean something else.
func TestTypedArraysOfEveryLengthAreBytes(t *testing.T) {
	when := time.UnixMilli(1_700_000_000_000).UTC()
	for raw, want := range map[string]any{
		"c7010009":                 []byte{9},
		"c7080001020304050607ff":   []byte{1, 2, 3, 4, 5, 6, 7, 255},
		"c70000":                   []byte{},
		"c702000102":               []byte{1, 2},
		"c8000100" + "07":          []byte{7},
		"c80008000000018bcfe56800": []byte{0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0},
		"c90000000100" + "07":      []byte{7},
		"d5000102":                 []byte{1, 2},
		"d60001020304":             []byte{1, 2, 3, 4},
		"d40000":                   nil,
		"d40009":                   nil,
		"d7000000018bcfe56800":     when,
	} {
		data, err := hex.DecodeString(raw)
		if err != nil {
			t.Fatal(raw, err)
		}
		v := parser.NewValue(data, codec{})
		var got any
		if err := v.Decode(&got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v; want %v", raw, got, err, want)
		}
		wantBytes, isBytes := want.([]byte)
		if b, ok := v.Bytes(); ok != isBytes || !bytes.Equal(b, wantBytes) {
			t.Errorf("%s: bytes %v, %v", raw, b, ok)
		}
		var typed struct{ B parser.Binary }
		err = parser.NewValue(append([]byte("\x81\xa1B"), data...), codec{}).Decode(&typed)
		if isBytes && (err != nil || !bytes.Equal(typed.B, wantBytes)) {
			t.Errorf("%s in a struct: %v, %v", raw, typed.B, err)
		}
		if r := (&reader{data: data}); !r.skip(0) || r.pos != len(data) {
			t.Errorf("%s: skipped to %d", raw, r.pos)
		}
	}
}

// TestNumbersAsJSONDecodeIntoIntegers: what JSON writes with an exponent does not.
func TestNumbersAsJSONDecodeIntoIntegers(t *testing.T) {
	for _, f := range []float64{1e8, 1e20, 4e15, -1e9, 0.5, 1e-7, 1e300, 5e-324} {
		e := new(writer)
		e.out = append(e.out, 0xcb)
		for i := 7; i >= 0; i-- {
			e.out = append(e.out, byte(math.Float64bits(f)>>(8*i)))
		}
		v := parser.NewValue(e.out, codec{})
		want, _ := json.Marshal(f)
		if got, err := v.MarshalJSON(); err != nil || string(got) != string(want) {
			var back float64
			if json.Unmarshal(got, &back) != nil || back != f || strings.Contains(string(got), "e") != strings.Contains(string(want), "e") {
				t.Errorf("%v is %s, %v; encoding/json writes %s", f, got, err, want)
			}
		}
	}
}

func TestInvalidPacketsAreRefused(t *testing.T) {
	for name, packet := range map[string]string{
		"empty": "", "no map": "01", "no type": "81a36e7370a12f", "type beyond": "82a47479706505a36e7370a12f",
		"no namespace": "81a47479706500", "event without data": "82a47479706502a36e7370a12f",
		"reserved": "83a47479706502a36e7370a12fa46461746191a7636f6e6e656374",
		"cut":      "83a47479706502a36e7370a12fa4646174619f", "trailing": "82a47479706501a36e7370a12f00",
		"disconnect with data": "83a47479706501a36e7370a12fa46461746190", "huge array": "83a47479706502a36e7370a12fa464617461ddffffffff",
	} {
		data, err := hex.DecodeString(packet)
		if err != nil {
			t.Fatal(name, err)
		}
		var p parser.Packet
		if _, err := (Parser{}).NewDecoder().Decode(data, true, &p); !errors.Is(err, parser.ErrParse) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var p parser.Packet
	if _, err := (Parser{}).NewDecoder().Decode([]byte("0"), false, &p); !errors.Is(err, parser.ErrParse) {
		t.Errorf("text: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, p := range []parser.Packet{
		{Type: parser.Connect, Namespace: "/", ID: parser.NoID, Args: []any{map[string]any{"a": 1}}},
		{Type: parser.Disconnect, Namespace: "/x", ID: parser.NoID},
		{Type: parser.Event, Namespace: "/", ID: 3, Event: "e", Args: []any{[]byte("b"), 1.5, "s", []any{nil, true}}},
		{Type: parser.Ack, Namespace: "/", ID: 3, Args: []any{-70000}},
	} {
		f.Add(encode(f, &p))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var p parser.Packet
		done, err := (Parser{}).NewDecoder().Decode(data, true, &p)
		if err != nil {
			if !errors.Is(err, parser.ErrParse) {
				t.Fatalf("%v is no parse error", err)
			}
			return
		}
		if !done {
			t.Fatal("neither packet nor error")
		}
		for _, v := range p.Values {
			r := &reader{data: v.Raw()}
			if _, ok := r.value(maxDepth); !ok || r.pos != len(v.Raw()) {
				t.Fatalf("value %x was skipped and cannot be read", v.Raw())
			}
			if text, err := v.MarshalJSON(); err != nil || !json.Valid(text) {
				t.Fatalf("value %x as JSON: %s, %v", v.Raw(), text, err)
			}
		}
		again := parser.Packet{Type: p.Type, Namespace: p.Namespace, ID: p.ID, Event: p.Event, Args: p.Values.Any()}
		var back parser.Packet
		if _, err := (Parser{}).NewDecoder().Decode(encode(t, &again), true, &back); err != nil {
			t.Fatalf("%+v was passed on: %v", p, err)
		}
		if back.Event != p.Event || back.ID != p.ID || len(back.Values) != len(p.Values) {
			t.Fatalf("%+v came back as %+v", p, back)
		}
	})
}
