// Command zishang3 serves the benchmark's events with zishang520/socket.io v3.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"podium/test/bench/control"
)

// server lets the control address drive the peer.
type server struct{ io *socket.Server }

// Emit implements control.Server.
func (s server) Emit(room, event string, arg any) {
	if b, ok := arg.([]byte); ok {
		arg = types.NewBytesBuffer(b)
	}
	if room != "" {
		_ = s.io.To(socket.Room(room)).Emit(event, arg)
		return
	}
	s.io.Emit(event, arg)
}

// Connected implements control.Server.
func (s server) Connected() int { return int(s.io.Engine().ClientsCount()) }

func main() {
	flags := control.Parse()
	o := socket.DefaultServerOptions()
	if flags.Deflate {
		o.SetPerMessageDeflate(&types.PerMessageDeflate{Threshold: 1024})
	}
	if flags.Recovery {
		o.SetConnectionStateRecovery(&socket.ConnectionStateRecovery{})
	}
	io := socket.NewServer(nil, o)
	must(io.On("connection", func(clients ...any) { register(clients[0].(*socket.Socket)) }))
	go func() { log.Fatal(http.ListenAndServe(flags.Control, control.Handler(server{io}))) }()
	web := http.NewServeMux()
	web.Handle("/socket.io/", io.ServeHandler(nil))
	log.Fatal(http.ListenAndServe(flags.Listen, web))
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
