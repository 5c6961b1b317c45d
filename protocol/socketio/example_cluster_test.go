package socketio_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"podium/protocol/client"
	"podium/protocol/socketio"
)

// Two servers that share a log are one to their clients: what either emits reaches
// the clients of both, in one order, and a client recovers at whichever it comes to.
func ExampleMemoryCluster() {
	var m socketio.MemoryCluster
	one := socketio.NewServer(socketio.Options{Cluster: m.Join, Recovery: m.Recovery()})
	two := socketio.NewServer(socketio.Options{Cluster: m.Join, Recovery: m.Recovery()})
	web := httptest.NewServer(two)
	defer web.Close()
	ctx := context.Background()
	defer one.Shutdown(ctx)
	defer two.Shutdown(ctx)

	c, err := client.Dial(ctx, web.URL, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	news := make(chan int)
	client.On(c, "news", func(n int) { news <- n })
	one.Of("/").SocketsJoin("readers")
	one.To("readers").Emit("news", 42)
	fmt.Println(<-news)
	// Output: 42
}

// The sockets of all servers are listed, and reached one by one.
func ExampleRemoteSocket() {
	var m socketio.MemoryCluster
	one := socketio.NewServer(socketio.Options{Cluster: m.Join, Recovery: m.Recovery()})
	two := socketio.NewServer(socketio.Options{Cluster: m.Join, Recovery: m.Recovery()})
	web := httptest.NewServer(two)
	defer web.Close()
	ctx := context.Background()
	defer one.Shutdown(ctx)
	defer two.Shutdown(ctx)

	c, err := client.Dial(ctx, web.URL, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	news := make(chan int)
	client.On(c, "news", func(n int) { news <- n })
	sockets, err := one.Of("/").FetchSockets(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range sockets {
		fmt.Println(s.ID == c.ID(), s.Emit("news", 42))
	}
	fmt.Println(<-news)
	// Output:
	// true <nil>
	// 42
}
