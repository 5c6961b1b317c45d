package sockettest

import (
	"errors"
	"reflect"
	"testing"

	"podium/protocol/engineio"
	"podium/protocol/socketio/parser"
	"podium/protocol/websocket"
)

// TestParser holds a [parser.Parser] to its contract: what it encodes it decodes, and what
// it cannot decode is an error that wraps [parser.ErrParse] and no panic.
func TestParser(t *testing.T, p parser.Parser) {
	values := []any{
		nil, true, false, 0.0, -1.0, 1.5, float64(1<<53 - 1), "", "text", "ä𝄞\u2028\n", []any{}, map[string]any{},
		[]byte{}, []byte{0, 255}, []any{1.0, []any{"x", []byte("y")}}, map[string]any{"a": map[string]any{"b": []byte{1}}},
	}
	packets := map[string]parser.Packet{
		"connect":          {Type: parser.Connect, Namespace: "/", ID: parser.NoID},
		"connect, auth":    {Type: parser.Connect, Namespace: "/a", ID: parser.NoID, Args: []any{map[string]any{"k": "v"}}},
		"refusal":          {Type: parser.ConnectError, Namespace: "/a", ID: parser.NoID, Args: []any{map[string]any{"message": "no"}}},
		"disconnect":       {Type: parser.Disconnect, Namespace: "/a", ID: parser.NoID},
		"event":            {Type: parser.Event, Namespace: "/", ID: parser.NoID, Event: "e"},
		"event, values":    {Type: parser.Event, Namespace: "/a/b", ID: 0, Event: "é 1", Args: values},
		"acknowledgement":  {Type: parser.Ack, Namespace: "/", ID: 1<<53 - 1},
		"answer with more": {Type: parser.Ack, Namespace: "/a", ID: 7, Args: values},
	}
	for name, want := range packets {
		t.Run(name, func(t *testing.T) {
			ms, err := p.Encode(&want)
			if err != nil {
				t.Fatal(err)
			}
			got := decodeAll(t, p.NewDecoder(), ms)
			if got.Type != want.Type || got.Namespace != want.Namespace || got.ID != want.ID || got.Event != want.Event || len(got.Values) != len(want.Args) {
				t.Fatalf("%+v is decoded as %+v", want, got)
			}
			for i, v := range got.Values {
				var x any
				if err := v.Decode(&x); err != nil {
					t.Fatalf("value %d: %v", i, err)
				}
				if b, ok := x.([]byte); ok && len(b) == 0 {
					x = []byte{}
				}
				if !reflect.DeepEqual(x, want.Args[i]) {
					t.Errorf("value %d: %#v is decoded as %#v", i, want.Args[i], x)
				}
			}
			again := got
			again.Args, again.Values = got.Values.Any(), nil
			passed, err := p.Encode(&again)
			if err != nil {
				t.Fatalf("pass on: %v", err)
			}
			if back := decodeAll(t, p.NewDecoder(), passed); len(back.Values) != len(want.Args) {
				t.Errorf("passed on as %+v", back)
			}
			for cut := range ms[0].Payload() {
				var packet parser.Packet
				_, err := p.NewDecoder().Decode(ms[0].Payload()[:cut], ms[0].Op() == websocket.OpBinary, &packet)
				if err != nil && !errors.Is(err, parser.ErrParse) {
					t.Fatalf("cut at %d: %v does not wrap ErrParse", cut, err)
				}
			}
		})
	}
	t.Run("refuses what cannot be encoded", func(t *testing.T) {
		if _, err := p.Encode(&parser.Packet{Type: parser.Event, Namespace: "/", ID: parser.NoID, Event: "e", Args: []any{make(chan int)}}); err == nil {
			t.Error("a channel was encoded")
		}
	})
	t.Run("refuses reserved events", func(t *testing.T) {
		ms, err := p.Encode(&parser.Packet{Type: parser.Event, Namespace: "/", ID: parser.NoID, Event: "connect"})
		if err != nil {
			return
		}
		var packet parser.Packet
		if _, err := p.NewDecoder().Decode(ms[0].Payload(), ms[0].Op() == websocket.OpBinary, &packet); !errors.Is(err, parser.ErrParse) {
			t.Errorf("got %v", err)
		}
	})
}

func decodeAll(t *testing.T, d parser.Decoder, ms []*engineio.Message) parser.Packet {
	t.Helper()
	var p parser.Packet
	for i, m := range ms {
		payload := m.Payload()
		if m.Op() == websocket.OpText {
			payload = payload[1:] // without the type that Engine.IO puts in front
		}
		done, err := d.Decode(payload, m.Op() == websocket.OpBinary, &p)
		if err != nil || done != (i == len(ms)-1) {
			t.Fatalf("message %d of %d: %v, %v", i+1, len(ms), done, err)
		}
	}
	p.Values = p.Values.Clone()
	return p
}
