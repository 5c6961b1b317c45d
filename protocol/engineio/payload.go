package engineio

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"unicode/utf8"

	"podium/protocol/websocket"
)

// Packet types (Engine.IO protocol v4, "Packet encoding"), as the first
// character of a packet.
const (
	packetOpen    = '0' // server to client: the handshake
	packetClose   = '1' // both ways: the session ends
	packetPing    = '2' // server to client; client to server with "probe", and in protocol 3
	packetPong    = '3' // client to server; server to client with "probe", and in protocol 3
	packetMessage = '4' // both ways
	packetUpgrade = '5' // client to server: the probed transport takes over
	packetNoop    = '6' // server to client: ends a pending poll
)

// recordSeparator stands between the packets of a payload
// (Engine.IO protocol v4, "Packet encoding", "HTTP long-polling").
const recordSeparator = 0x1e

// packet is one packet as received. data is without the type, and decoded where
// it was base64.
type packet struct {
	kind   byte
	binary bool
	data   []byte
}

// codec is a version of the protocol: how packets are put into payloads and
// binary messages into packets. codecV4 and codecV3 are the two.
type codec interface {
	// version is the number of the protocol.
	version() int
	// appendPayload appends the body of a poll's answer. asBase64 is for clients
	// that take text only. binary says that the body is no text.
	appendPayload(body []byte, packets []*Message, asBase64 bool) (_ []byte, binary bool)
	// decodePayload calls each for the packets of a POST's body, in order, until
	// it returns false. Packets before an invalid one are delivered, as the
	// official server does. binary says that the body was sent as no text.
	decodePayload(body []byte, binary bool, each func(packet) bool) error
	// decodeText reads a packet that is text: a WebSocket message, or one of a payload.
	decodeText(b []byte) (packet, error)
	// decodeBinary reads a binary WebSocket message.
	decodeBinary(b []byte) (packet, error)
	// frame is the WebSocket message for a binary message. asBase64 as above.
	frame(m *Message, asBase64 bool) *Message
}

type codecV4 struct{}

var _ codec = codecV4{}

func (codecV4) version() int { return 4 }

func (codecV4) appendPayload(body []byte, packets []*Message, _ bool) ([]byte, bool) {
	for i, m := range packets {
		if i > 0 {
			body = append(body, recordSeparator)
		}
		if m.Op() == websocket.OpBinary {
			body = append(body, 'b')
			body = base64.StdEncoding.AppendEncode(body, m.Payload())
		} else {
			body = append(body, m.Payload()...)
		}
	}
	return body, false
}

func (c codecV4) decodePayload(body []byte, binary bool, each func(packet) bool) error {
	if binary {
		return fmt.Errorf("%w: binary payload", ErrInvalidPacket)
	}
	if !utf8.Valid(body) {
		return fmt.Errorf("%w: not UTF-8", ErrInvalidPacket)
	}
	for more := true; more; {
		var part []byte
		part, body, more = bytes.Cut(body, separator)
		p, err := c.decodeText(part)
		if err != nil {
			return err
		}
		if !each(p) {
			return nil
		}
	}
	return nil
}

var separator = []byte{recordSeparator}

func (codecV4) decodeText(b []byte) (packet, error) {
	if len(b) > 0 && b[0] == 'b' {
		return packet{kind: packetMessage, binary: true, data: decodeBase64(b[1:])}, nil
	}
	return decodePlain(b)
}

func (codecV4) decodeBinary(b []byte) (packet, error) {
	return packet{kind: packetMessage, binary: true, data: b}, nil
}

func (codecV4) frame(m *Message, asBase64 bool) *Message {
	if !asBase64 {
		return m
	}
	b := make([]byte, 0, 1+base64.StdEncoding.EncodedLen(len(m.Payload())))
	return websocket.NewMessage(websocket.OpText, base64.StdEncoding.AppendEncode(append(b, 'b'), m.Payload()))
}

// decodePlain reads a text packet that holds no base64.
func decodePlain(b []byte) (packet, error) {
	if len(b) == 0 {
		return packet{}, fmt.Errorf("%w: empty", ErrInvalidPacket)
	}
	if b[0] < packetOpen || b[0] > packetNoop {
		return packet{}, fmt.Errorf("%w: unknown type %q", ErrInvalidPacket, b[0])
	}
	return packet{kind: b[0], data: b[1:]}, nil
}
