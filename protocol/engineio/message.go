package engineio

import "podium/protocol/websocket"

// Message is a message packet, encoded once for any number of sessions: what a
// WebSocket frame carries and what a polling payload holds are the same bytes.
// It is immutable and safe for concurrent use.
type Message = websocket.Message

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
