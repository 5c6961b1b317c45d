package msgpack_test

import (
	"fmt"

	"podium/protocol/socketio/msgpack"
	"podium/protocol/socketio/parser"
)

func Example() {
	var p parser.Parser = msgpack.Parser{} // for Options.Parser; clients need the same
	messages, err := p.Encode(&parser.Packet{
		Type: parser.Event, Namespace: "/", ID: parser.NoID, Event: "hi", Args: []any{[]byte{1, 2}},
	})
	fmt.Println(len(messages), err)

	var got parser.Packet
	done, err := p.NewDecoder().Decode(messages[0].Payload(), true, &got)
	data, binary := got.Values.Get(0).Bytes()
	fmt.Println(done, err, got.Event, data, binary)
	// Output:
	// 1 <nil>
	// true <nil> hi [1 2] true
}
