// Command limits bounds what the clients of one address may ask for, and all clients
// together, and shows what was refused. The numbers are small, so that they are met.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"time"

	"podium/protocol/limits"
	"podium/protocol/socketio"
)

func main() {
	listen := flag.String("listen", "localhost:3000", "address to listen on")
	flag.Parse()

	bounds := limits.Default()
	bounds.Connections = limits.NewGate("connections", 3, 10_000)
	// Messages beyond it are not lost: the connection is not read for a while.
	bounds.Messages = limits.NewRate("messages", limits.PerSecond{Address: 100, AddressBurst: 200, Total: 50_000})
	// A Rate can bound whatever else a program does for a client.
	votes := limits.NewRate("votes", limits.PerSecond{Address: 0.1, AddressBurst: 2, Total: 1000})

	srv := socketio.NewServer(socketio.Options{
		Limits: bounds,
		// The rest is about single connections.
		MaxPacketsPerSecond: 200,
		MaxRooms:            10,
		MaxNamespaces:       2,
		MaxAuthBytes:        1 << 10,
	})
	socketio.OnAck(srv, "echo", func(_ *socketio.Socket, n int) (int, error) { return n, nil })
	socketio.OnAck(srv, "vote", func(s *socketio.Socket, _ string) (string, error) {
		if wait := votes.Allow(s.Conn().Request().Addr(), time.Now()); wait > 0 {
			return "", &socketio.Error{Message: "too many votes", Data: map[string]float64{"retryAfter": wait.Seconds()}}
		}
		return "counted", nil
	})

	http.HandleFunc("GET /refusals", func(w http.ResponseWriter, _ *http.Request) { // better on an address of its own
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(append(bounds.Refusals(), votes.Refusals())); err != nil {
			log.Print("refusals: ", err)
		}
	})
	http.Handle("/socket.io/", srv)
	log.Fatal(http.ListenAndServe(*listen, nil))
}
