// Command routers mounts one server on Echo or on chi: routers --on echo. A Server is an
// http.Handler, so that any router that takes those will do. It must get GET, POST and
// OPTIONS, and its path must not be stripped of its end.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"

	"podium/protocol/socketio"
)

func onEcho(srv *socketio.Server) http.Handler {
	e := echo.New()
	e.Any("/socket.io/", echo.WrapHandler(srv))
	e.GET("/", func(c echo.Context) error { return c.String(http.StatusOK, "a page") })
	return e
}

func onChi(srv *socketio.Server) http.Handler {
	r := chi.NewRouter()
	r.Handle("/socket.io/", srv)
	r.Get("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a page") })
	return r
}

func main() {
	listen := flag.String("listen", "localhost:3000", "address to listen on")
	on := flag.String("on", "echo", "echo or chi")
	flag.Parse()

	srv := socketio.NewServer(socketio.Options{})
	socketio.OnAck(srv, "hello", func(_ *socketio.Socket, name string) (string, error) { return "hello " + name, nil })
	mount, ok := map[string]func(*socketio.Server) http.Handler{"echo": onEcho, "chi": onChi}[*on]
	if !ok {
		log.Fatalf("--on must be echo or chi, not %q", *on)
	}
	log.Fatal(http.ListenAndServe(*listen, mount(srv)))
}
