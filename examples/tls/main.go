// Command tls serves Socket.IO over TLS, by HTTP/2 where a client speaks it: polls of one
// client then share a connection. WebSockets have HTTP/1.1 connections of their own, which
// clients ask for by themselves. The listener that is passed to net/http lets the event loop
// hold them, as it holds those without TLS.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"podium/protocol/socketio"
	"podium/protocol/websocket"
)

func main() {
	listen := flag.String("listen", "localhost:3000", "address to listen on")
	cert := flag.String("cert", "cert.pem", "file with the certificate and those that it rests on")
	key := flag.String("key", "key.pem", "file with the private key")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	srv := socketio.NewServer(socketio.Options{})
	socketio.OnAck(srv, "transport", func(s *socketio.Socket, _ struct{}) (string, error) {
		return string(s.Conn().Transport()), nil
	})
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		// Clients first, so that they come back elsewhere, and then what is left of HTTP.
		if err := errors.Join(srv.Shutdown(ctx), web.Shutdown(ctx)); err != nil {
			log.Print("shutdown: ", err)
		}
	}()
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	if err := web.ServeTLS(websocket.NewListener(l), *cert, *key); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-ended
}
