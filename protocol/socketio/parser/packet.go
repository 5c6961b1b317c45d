// Package parser turns Socket.IO packets into Engine.IO messages and back.
//
// What lives here is the format: packets, their arguments, the official JSON
// parser with its attachments, and the interfaces that another parser
// implements (package msgpack is one). Packets come in as messages and go out as
// messages; there are no connections, namespaces or handlers here. What peers send
// is checked and bounded before anything is built from it, and arguments stay
// encoded until somebody knows what type they should have.
package parser

import (
	"errors"
	"fmt"

	"podium/protocol/engineio"
)

// PacketType is the first field of every Socket.IO packet.
// (Socket.IO protocol v5, "Packet types")
type PacketType uint8

// The packet types, with their text form and direction.
const (
	Connect      PacketType = iota // 0[/ns,]{…}: asks for a namespace, and grants it
	Disconnect                     // 1[/ns,]: leaves a namespace, both ways
	Event                          // 2[/ns,][id]["name",…]: both ways
	Ack                            // 3[/ns,]id[…]: answers an event, both ways
	ConnectError                   // 4[/ns,]{…}: refuses a namespace, server to client
	BinaryEvent                    // 5n-[/ns,][id]["name",…] followed by n binary messages
	BinaryAck                      // 6n-[/ns,]id[…] followed by n binary messages
)

// String returns the official name of the type.
func (t PacketType) String() string {
	switch t {
	case Connect:
		return "CONNECT"
	case Disconnect:
		return "DISCONNECT"
	case Event:
		return "EVENT"
	case Ack:
		return "ACK"
	case ConnectError:
		return "CONNECT_ERROR"
	case BinaryEvent:
		return "BINARY_EVENT"
	case BinaryAck:
		return "BINARY_ACK"
	}
	return fmt.Sprintf("PacketType(%d)", uint8(t))
}

// NoID is the [Packet.ID] of a packet that asks for no acknowledgement.
const NoID int64 = -1

// maxID is the largest acknowledgement id taken from a peer: the largest
// integer that JavaScript numbers hold exactly.
const maxID = 1<<53 - 1

// Packet is one Socket.IO packet, on its way in or out.
//
// A packet going out carries its arguments as Go values in Args; one that came
// in carries them undecoded in Values. Binary packets keep the plain type
// (Event, Ack): whether attachments are needed is the parser's business.
type Packet struct {
	Type      PacketType
	Namespace string // "/" or "/name"
	ID        int64  // acknowledgement id, NoID for none
	Event     string // the event's name; Event only
	Args      []any  // outgoing: arguments; for Connect and ConnectError at most one
	Values    Args   // incoming: the same, undecoded
}

// Parser turns packets into Engine.IO messages and back. The official one is
// [JSON].
//
// A Parser is used by many goroutines at once. Both ends of a connection must
// use the same one.
type Parser interface {
	// Encode returns the messages of p in the order in which they must be
	// sent. Arguments are Go values, or [Value]s that this parser decoded.
	Encode(p *Packet) ([]*engineio.Message, error)
	// NewDecoder returns a decoder for one connection.
	NewDecoder() Decoder
}

// Decoder puts the packets of one connection together. Calls are serial.
type Decoder interface {
	// Decode takes one Engine.IO message. It returns true when p holds a
	// complete packet, and an error wrapping ErrParse when the message breaks
	// the protocol, after which the connection is closed. Values in p may
	// refer to data, which is valid until Decode's caller returns: whoever
	// keeps them calls [Args.Clone].
	Decode(data []byte, binary bool, p *Packet) (bool, error)
}

// ErrParse is wrapped by every error that a decoder returns for a message
// that breaks the protocol.
var ErrParse = errors.New("socketio: invalid packet")

func parseError(what string) error { return fmt.Errorf("%w: %s", ErrParse, what) }
