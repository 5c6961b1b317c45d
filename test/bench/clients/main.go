// Command clients measures protocol/client: what many clients in one process cost. The
// server is podium's of the benchmark; see measure for what is printed.
package main

import (
	"context"
	"fmt"
	"log"
	"sync/atomic"
	"time"

	"podium/protocol/client"
	"podium/protocol/socketio/parser"
	"podium/test/bench/control"
)

func main() {
	log.SetFlags(0)
	flags := control.ParseClients()
	transport := new(client.Transport)
	o := client.Options{Transport: transport, Transports: []string{client.TransportWebSocket}}
	var got atomic.Int64
	result, err := control.Measure(flags, control.Clients{
		Open: func() (func(int) error, error) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			s, err := client.New("http://"+flags.Server, o)
			if err != nil {
				return nil, err
			}
			client.On(s, "m", func(parser.Args) { got.Add(1) }, client.Inline)
			if err := s.Connect(ctx); err != nil {
				return nil, err
			}
			return func(n int) error {
				_, err := s.EmitWithAck(context.Background(), "echo", n)
				return err
			}, nil
		},
		Received: got.Load,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result)
}
