// Command podium serves the benchmark's events with podium/protocol/socketio, alone or, with
// --cluster, as one of several servers.
package main

import (
	"flag"
	"log"
	"net"
	"net/http"
	_ "net/http/pprof" // on the control address: /debug/pprof

	"podium/protocol/socketio"
	"podium/protocol/websocket"
	"podium/test/bench/control"
)

// server lets the control address drive Podium.
type server struct{ all *socketio.Namespace }

// Emit implements control.Server.
func (s server) Emit(room, event string, arg any) {
	if room != "" {
		_ = s.all.To(room).Emit(event, arg)
		return
	}
	_ = s.all.Emit(event, arg)
}

// Connected implements control.Server.
func (s server) Connected() int { return s.all.Count() }

func main() {
	engine := flag.String("cluster", "", "URL of the engine that servers share which are one: redis://, redis-streams://, redis-classic:// or postgres://")
	flags := control.Parse()
	var o socketio.Options
	o.Engine.DirectPolls = true // as in the contest: there is no middleware
	if flags.Deflate {
		o.Engine.Compression = &websocket.Compression{}
	}
	if flags.Recovery {
		o.Recovery = &socketio.Recovery{Log: &socketio.MemoryLog{}}
	}
	if *engine != "" {
		if err := join(&o, *engine); err != nil {
			log.Fatal(err)
		}
	}
	srv := socketio.NewServer(o)
	n := srv.Of("/")
	http.HandleFunc("/emits", emits(n))
	socketio.OnAck(n, "echo", func(_ *socketio.Socket, a socketio.Args) (socketio.Args, error) { return a, nil }, socketio.Inline)
	socketio.OnAck(n, "join", func(s *socketio.Socket, room string) (string, error) { s.Join(room); return room, nil }, socketio.Inline)
	socketio.OnAck(n, "leave", func(s *socketio.Socket, room string) (string, error) { s.Leave(room); return room, nil }, socketio.Inline)
	http.Handle("/", control.Handler(server{n}))
	go func() { log.Fatal(http.ListenAndServe(flags.Control, nil)) }()
	if flags.Cert != "" {
		l, err := net.Listen("tcp", flags.Listen)
		if err != nil {
			log.Fatal(err)
		}
		log.Fatal(http.ServeTLS(websocket.NewListener(l), srv, flags.Cert, flags.Key))
	}
	log.Fatal(http.ListenAndServe(flags.Listen, srv))
}
