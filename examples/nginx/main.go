// Command nginx is a server behind nginx, whose configuration is beside it. Clients have
// their own addresses, though all connections come from nginx; what a client claims to be is
// not believed.
package main

import (
	"flag"
	"log"
	"net/http"
	"net/netip"

	"podium/protocol/limits"
	"podium/protocol/socketio"
)

func main() {
	listen := flag.String("listen", "localhost:3000", "address to listen on")
	flag.Parse()

	bounds := limits.Default()
	bounds.Addresses = &limits.Addresses{
		Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, // nginx, and nobody else
		Header:  "X-Forwarded-For",
	}
	srv := socketio.NewServer(socketio.Options{Limits: bounds})
	socketio.OnAck(srv, "who am I", func(s *socketio.Socket, _ struct{}) (string, error) {
		return s.Conn().Request().Addr().String(), nil
	})
	socketio.OnAck(srv, "transport", func(s *socketio.Socket, _ struct{}) (string, error) {
		return s.Conn().Transport(), nil
	})

	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		if err := srv.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	log.Fatal(http.ListenAndServe(*listen, mux))
}
