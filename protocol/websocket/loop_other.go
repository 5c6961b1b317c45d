//go:build !linux

package websocket

import "net"

// loop does not exist on this system: every connection is a stream.
type loop struct{}

func newLoop(*Server) (*loop, error) { return nil, nil }

func (*loop) run()  {}
func (*loop) stop() {}

func (*loop) adopt(*Server, net.Conn, Handler, []byte) *Conn { return nil }

func (*loop) appendConns(all []*Conn) []*Conn { return all }
