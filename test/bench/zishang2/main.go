// Command zishang2 serves the benchmark's events with zishang520/socket.io v2.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/zishang520/socket.io/v2/socket"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:3000", "address of the Socket.IO server")
	control := flag.String("control", "127.0.0.1:3001", "address of the control endpoints")
	flag.Parse()
	io := socket.NewServer(nil, nil)
	must(io.On("connection", func(clients ...any) { register(clients[0].(*socket.Socket)) }))
	mux := http.NewServeMux()
	mux.HandleFunc("/broadcast", func(_ http.ResponseWriter, r *http.Request) {
		count, _ := strconv.Atoi(r.FormValue("n"))
		size, _ := strconv.Atoi(r.FormValue("size"))
		rooms, _ := strconv.Atoi(r.FormValue("rooms"))
		text := strings.Repeat("x", size)
		for i := range count {
			if rooms > 0 {
				_ = io.To(socket.Room(fmt.Sprint("room", i%rooms))).Emit("m", text)
			} else {
				io.Emit("m", text)
			}
		}
	})
	mux.HandleFunc("/gc", func(http.ResponseWriter, *http.Request) { debug.FreeOSMemory() })
	mux.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "{\"connected\":%d}", io.Engine().ClientsCount())
	})
	go func() { log.Fatal(http.ListenAndServe(*control, mux)) }()
	web := http.NewServeMux()
	web.Handle("/socket.io/", io.ServeHandler(nil))
	log.Fatal(http.ListenAndServe(*listen, web))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func register(s *socket.Socket) {
	answer := func(args []any, act func(string)) {
		act(fmt.Sprint(args[0]))
		if ack, ok := args[len(args)-1].(socket.Ack); ok {
			ack(args[:1], nil)
		}
	}
	must(s.On("echo", func(args ...any) { answer(args, func(string) {}) }))
	must(s.On("join", func(args ...any) { answer(args, func(r string) { s.Join(socket.Room(r)) }) }))
	must(s.On("leave", func(args ...any) { answer(args, func(r string) { s.Leave(socket.Room(r)) }) }))
}
