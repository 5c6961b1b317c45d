package engineio

import (
	"encoding/base64"

	"podium/protocol/websocket"
)

// Message is a message packet, encoded once for any number of sessions: what a
// WebSocket frame carries and what a polling payload holds are the same bytes.
// It is immutable and safe for concurrent use.
type Message = websocket.Message

// Packet types (Engine.IO protocol v4, "Packet encoding"), as the first
// character of a packet.
const (
	packetOpen    = '0' // server to client: the handshake
	packetClose   = '1' // both ways: the session ends
	packetPing    = '2' // server to client; client to server with "probe"
	packetPong    = '3' // client to server; server to client with "probe"
	packetMessage = '4' // both ways
	packetUpgrade = '5' // client to server: the probed transport takes over
	packetNoop    = '6' // server to client: ends a pending poll
)

// recordSeparator stands between the packets of a payload
// (Engine.IO protocol v4, "Packet encoding", "HTTP long-polling").
const recordSeparator = 0x1e

var messagePrefix = []byte{packetMessage}

// Text makes a text message of the parts, one after the other, which are
// copied and must make valid UTF-8.
func Text(parts ...[]byte) *Message {
	all := make([][]byte, 0, 4)
	all = append(all, messagePrefix)
	return websocket.NewMessage(websocket.OpText, append(all, parts...)...)
}

// Binary makes a binary message of data, which is copied.
func Binary(data []byte) *Message {
	return websocket.NewMessage(websocket.OpBinary, data)
}

// control makes a packet that is no message.
func control(packet string) *Message {
	return websocket.NewMessage(websocket.OpText, []byte(packet))
}

// appendPacket adds m to a polling payload (binary as base64 behind a "b").
func appendPacket(payload []byte, m *Message) []byte {
	if len(payload) > 0 {
		payload = append(payload, recordSeparator)
	}
	if m.Op() == websocket.OpBinary {
		payload = append(payload, 'b')
		return base64.StdEncoding.AppendEncode(payload, m.Payload())
	}
	return append(payload, m.Payload()...)
}
