package limits_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"podium/protocol/limits"
	"podium/protocol/socketio"
)

func ExampleDefault() {
	l := limits.Default()
	l.Messages = limits.NewRate("messages", limits.PerSecond{Address: 200, Total: 20_000})
	srv := socketio.NewServer(socketio.Options{
		Limits:              l,
		MaxPacketsPerSecond: 100, // of one connection, which is closed beyond
	})
	http.Handle("/socket.io/", srv)
	for _, r := range l.Refusals() { // for metrics
		fmt.Println(r.Limit, r.Address, r.Total, r.Held)
		break
	}
	// Output: handshakes 0 0 0
}

// A Rate bounds whatever else a program does for a client. In a handler, the client's address
// is s.Conn().Request().Addr().
func ExampleRate() {
	mails := limits.NewRate("mails", limits.PerSecond{Address: 0.5, AddressBurst: 1})
	someone, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	now := time.Now()
	fmt.Println(mails.Allow(someone, now))
	fmt.Println(mails.Allow(someone, now)) // for so long
	fmt.Println(mails.Allow(other, now))
	fmt.Println(mails.Allow(someone, now.Add(2*time.Second)))
	// Output:
	// 0s
	// 2s
	// 0s
	// 0s
}

// A Gate bounds how many of something there are at a time.
func ExampleGate() {
	uploads := limits.NewGate("uploads", 1, 100)
	someone := netip.MustParseAddr("192.0.2.1")
	fmt.Println(uploads.Enter(someone), uploads.Enter(someone))
	uploads.Leave(someone)
	fmt.Println(uploads.Enter(someone), uploads.Count())
	// Output:
	// true false
	// true 1
}

// Behind a proxy, what it says counts, and nobody else's word.
func ExampleAddresses() {
	a := &limits.Addresses{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Header: "X-Forwarded-For"}
	r := &http.Request{RemoteAddr: "127.0.0.1:4711", Header: http.Header{"X-Forwarded-For": {"10.9.9.9, 192.0.2.1"}}}
	fmt.Println(a.Of(r))
	r.RemoteAddr = "198.51.100.7:4711"
	fmt.Println(a.Of(r))
	// Output:
	// 192.0.2.1
	// 198.51.100.7
}
