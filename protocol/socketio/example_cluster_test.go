package socketio_test

import (
	"fmt"

	"podium/protocol/socketio"
)

// Two servers that share a log are one to their clients: what either emits reaches
// the clients of both, in one order, and a client recovers at whichever it comes to.
func ExampleMemoryCluster() {
	var m socketio.MemoryCluster
	one := socketio.NewServer(socketio.Options{Cluster: m.Join, Recovery: m.Recovery()})
	two := socketio.NewServer(socketio.Options{Cluster: m.Join, Recovery: m.Recovery()})
	_, endOne := serve(one)
	defer endOne()
	client, endTwo := serve(two)
	defer endTwo()

	client.join("")
	one.Of("/").SocketsJoin("readers")
	one.To("readers").Emit("news", 42)
	fmt.Println(client.next()[:12])
	// Output: 2["news",42,
}
