package logentry

import (
	"encoding/json"
	"reflect"
	"testing"

	"podium/protocol/socketio"
)

// FuzzDecode: whatever stands in a log is read or refused, and what is read is written
// as it was.
func FuzzDecode(f *testing.F) {
	f.Add(Encode(&socketio.Entry{
		Namespace: "/", Event: "e", Rooms: []string{"r"}, Except: []string{"x", ""}, From: "me",
		Args: []json.RawMessage{json.RawMessage(`{ "n" : 1 }`)}, Attachments: [][]byte{{0, 255}},
	}))
	f.Add([]byte{1, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Decode(Encode(&e))
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Fatalf("%+v came back as %+v, %v", e, again, err)
		}
	})
}
