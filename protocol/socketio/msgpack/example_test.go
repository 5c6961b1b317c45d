package msgpack_test

import (
	"fmt"

	"podium/protocol/socketio"
	"podium/protocol/socketio/msgpack"
)

func Example() {
	var parser socketio.Parser = msgpack.Parser{} // for Options.Parser; clients need the same
	messages, err := parser.Encode(&socketio.Packet{
		Type: socketio.EventPacket, Namespace: "/", ID: socketio.NoID, Event: "hi", Args: []any{[]byte{1, 2}},
	})
	fmt.Println(len(messages), err)

	var p socketio.Packet
	done, err := parser.NewDecoder().Decode(messages[0].Payload(), true, &p)
	data, binary := p.Values.Get(0).Bytes()
	fmt.Println(done, err, p.Event, data, binary)
	// Output:
	// 1 <nil>
	// true <nil> hi [1 2] true
}
