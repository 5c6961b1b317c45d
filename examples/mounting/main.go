// Command mounting shows where a server can be mounted: mounting --on gin. A Server is an
// http.Handler, so that any router takes it that takes those. It must get GET, POST and
// OPTIONS, and its path must not be stripped of its end.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	"github.com/labstack/echo/v4"

	"podium/protocol/socketio"
)

// serveMux is the standard library's way.
func serveMux(address string, srv *socketio.Server) error {
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a page") })
	return http.ListenAndServe(address, mux)
}

// serveElsewhere has a path of its own, which clients name: io(url, { path: "/api/live/" }).
func serveElsewhere(address string, srv *socketio.Server) error {
	mux := http.NewServeMux()
	mux.Handle("/api/live/", srv)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a page") })
	return http.ListenAndServe(address, mux)
}

func serveEcho(address string, srv *socketio.Server) error {
	e := echo.New()
	e.Any("/socket.io/", echo.WrapHandler(srv))
	e.GET("/", func(c echo.Context) error { return c.String(http.StatusOK, "a page") })
	return http.ListenAndServe(address, e)
}

func serveChi(address string, srv *socketio.Server) error {
	r := chi.NewRouter()
	r.Handle("/socket.io/", srv)
	r.Get("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a page") })
	return http.ListenAndServe(address, r)
}

func serveGin(address string, srv *socketio.Server) error {
	r := gin.New()
	r.Any("/socket.io/", gin.WrapH(srv))
	r.GET("/", func(c *gin.Context) { c.String(http.StatusOK, "a page") })
	return http.ListenAndServe(address, r)
}

// serveFiber goes through Fiber's adaptor. Its fasthttp uses the memory of a request again
// for the next, so that the request's context must not be kept: see options. Fiber notices
// neither that a client has left while its poll waits, nor what http.Server's timeouts are for.
func serveFiber(address string, srv *socketio.Server) error {
	app := fiber.New()
	app.All("/socket.io/", adaptor.HTTPHandler(srv))
	app.Get("/", func(c fiber.Ctx) error { return c.SendString("a page") })
	return app.Listen(address, fiber.ListenConfig{DisableStartupMessage: true})
}

// options are the server's. Only Fiber needs any.
func options(on string) (o socketio.Options) {
	if on == "fiber" {
		o.Engine.Keep = func(r *http.Request) *http.Request { return r.WithContext(context.Background()) }
	}
	return o
}

func main() {
	listen := flag.String("listen", "localhost:3000", "address to listen on")
	on := flag.String("on", "mux", "mux, elsewhere, echo, chi, gin or fiber")
	flag.Parse()

	serve, ok := map[string]func(address string, srv *socketio.Server) error{
		"mux": serveMux, "elsewhere": serveElsewhere, "echo": serveEcho, "chi": serveChi, "gin": serveGin, "fiber": serveFiber,
	}[*on]
	if !ok {
		log.Fatalf("there is no way to mount a server on %q: see --help", *on)
	}
	srv := socketio.NewServer(options(*on))
	socketio.OnAck(srv, "hello", func(s *socketio.Socket, name string) (string, error) {
		return fmt.Sprintf("hello %s by %s", name, s.Conn().Transport()), nil
	})
	// What a socket keeps of its handshake stays what it was, also while others come.
	socketio.OnAck(srv, "agent", func(s *socketio.Socket, _ struct{}) (string, error) {
		return s.Handshake().Header.Get("X-Agent"), nil
	})
	log.Fatal(serve(*listen, srv))
}
