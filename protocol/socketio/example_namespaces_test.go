package socketio_test

import (
	"fmt"

	"podium/protocol/socketio"
)

func ExampleServer_Remove() {
	srv := socketio.NewServer(socketio.Options{})
	srv.Of("/seminar")
	fmt.Println(srv.Lookup("/seminar") != nil, srv.Lookup("/none") != nil)
	fmt.Println(srv.Remove("/seminar"), srv.Remove("/seminar"), srv.Lookup("/seminar") != nil)
	// Output:
	// true false
	// true false false
}
