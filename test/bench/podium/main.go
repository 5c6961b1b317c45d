// Command podium serves the benchmark's events with podium/protocol/socketio.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"podium/protocol/socketio"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:3000", "address of the Socket.IO server")
	control := flag.String("control", "127.0.0.1:3001", "address of the control endpoints")
	flag.Parse()
	srv := socketio.NewServer(socketio.Options{})
	n := srv.Of("/")
	type nothing = struct{}
	socketio.OnAck(n, "echo", func(_ *socketio.Socket, v socketio.Value) (socketio.Value, error) { return v, nil }, socketio.Inline)
	socketio.OnAck(n, "join", func(s *socketio.Socket, room string) (string, error) { s.Join(room); return room, nil })
	socketio.OnAck(n, "leave", func(s *socketio.Socket, room string) (string, error) { s.Leave(room); return room, nil })
	mux := http.NewServeMux()
	mux.HandleFunc("/broadcast", func(_ http.ResponseWriter, r *http.Request) {
		count, _ := strconv.Atoi(r.FormValue("n"))
		size, _ := strconv.Atoi(r.FormValue("size"))
		rooms, _ := strconv.Atoi(r.FormValue("rooms"))
		text := strings.Repeat("x", size)
		for i := range count {
			if rooms > 0 {
				_ = n.To(fmt.Sprint("room", i%rooms)).Emit("m", text)
			} else {
				_ = n.Emit("m", text)
			}
		}
	})
	mux.HandleFunc("/gc", func(http.ResponseWriter, *http.Request) { debug.FreeOSMemory() })
	mux.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]int{"connected": n.Count()})
	})
	go func() { log.Fatal(http.ListenAndServe(*control, mux)) }()
	log.Fatal(http.ListenAndServe(*listen, srv))
}
