// Command zishangclients measures zishang520/socket.io's client as control.Measure does.
package main

import (
	"errors"
	"fmt"
	"log"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zishang520/socket.io/clients/engine/v3/transports"
	"github.com/zishang520/socket.io/clients/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"podium/test/bench/control"
)

func main() {
	log.SetFlags(0)
	flags := control.ParseClients()
	var got atomic.Int64
	result, err := control.Measure(flags, control.Clients{
		Open:     func() (func(int) error, error) { return open("http://"+flags.Server, &got) },
		Received: got.Load,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result)
}

func open(url string, got *atomic.Int64) (func(int) error, error) {
	o := socket.DefaultOptions()
	o.SetTransports(types.NewSet(transports.WebSocket))
	o.SetForceNew(true)
	s, err := socket.Connect(url, o)
	if err != nil {
		return nil, err
	}
	connected := make(chan struct{})
	var once sync.Once
	if err := s.On("connect", func(...any) { once.Do(func() { close(connected) }) }); err != nil {
		return nil, err
	}
	if err := s.On("m", func(...any) { got.Add(1) }); err != nil {
		return nil, err
	}
	select {
	case <-connected:
	case <-time.After(time.Minute):
		return nil, errors.New("not connected in a minute")
	}
	return func(n int) error {
		answer := make(chan error, 1)
		s.EmitWithAck("echo", n)(func(_ []any, err error) { answer <- err })
		return <-answer
	}, nil
}
