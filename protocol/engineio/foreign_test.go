package engineio

import (
	"strings"
	"testing"
)

// What clients in other languages are known to write, and what it means. Each row
// names the public repository that shows it.
func TestWhatClientsInOtherLanguagesWriteIsRead(t *testing.T) {
	const (
		javaScript = "socketio/engine.io-client"
		java       = "socketio/engine.io-client-java, parser/Parser.java; the line breaks: socketio/engine.io-server-java#66"
		swift      = "socketio/socket.io-client-swift, SocketEnginePollable.swift, SocketEngineSpec.swift"
		cpp        = "socketio/socket.io-client-cpp, sio_packet.cpp"
		cSharp     = "doghappy/socket.io-client-csharp, Eio3HttpPollingHandler.cs, Eio4HttpPollingHandler.cs"
		python2    = "invisibleroads/socketIO-client, parsers.py"
		dart       = "rikulo/socket.io-client-dart, a port of " + javaScript
	)
	lines := strings.Repeat("QUJD", 19) // as much as Java and Android put in a line
	for _, c := range []struct {
		source, bytes, want string
		codec               codec
		how                 carriage
	}{
		{java, "451-[\"e\",{\"_placeholder\":true,\"num\":0}]\x1ebAQIDBA==\n", "451-[\"e\",{\"_placeholder\":true,\"num\":0}]|b4\x01\x02\x03\x04", codecV4{}, payloadText},
		{java, "b" + lines + "\n" + lines + "\nQQ==\n\x1e3", "b4" + strings.Repeat("ABC", 38) + "A|3", codecV4{}, payloadText},
		{java, "b" + lines + "\r\nQQ==\r\n", "b4" + strings.Repeat("ABC", 19) + "A", codecV4{}, payloadText},
		{java, "bAQ==\n", "b4\x01", codecV4{}, frameText},
		{java, "b4AQ==\n", "b4\x01", codecV3{}, frameText},
		{java, "\x00\x09\xff42[\"h\xc3\xa9\"]", "42[\"hé\"]", codecV3{}, payloadBytes},
		{java, "\x01\x05\xff\x04\x01\x02\x03\x04\x00\x01\xff2", "b4\x01\x02\x03\x04|2", codecV3{}, payloadBytes},
		{swift, "9:42[\"é😀\"]6:b4AQ==", "42[\"é😀\"]|b4\x01", codecV3{}, payloadText},
		{swift, "bAQ==", "b4\x01", codecV4{}, payloadText},
		{swift, "\x04\x01\x02", "b4\x01\x02", codecV3{}, frameBinary},
		{swift, "\x01\x02", "b4\x01\x02", codecV4{}, frameBinary},
		{cpp, "40/ns", "40/ns", codecV4{}, frameText},
		{cpp, "451-/ns,1[\"e\",{\"_placeholder\":true,\"num\":0}]", "451-/ns,1[\"e\",{\"_placeholder\":true,\"num\":0}]", codecV4{}, frameText},
		{cSharp, "10:42[\"aé😀\"]", "42[\"aé😀\"]", codecV3{}, payloadText},
		{cSharp, "\x01\x03\xff\x04\x01\x02\x01\x02\xff\x04\x03", "b4\x01\x02|b4\x03", codecV3{}, payloadBytes},
		{cSharp, "\x01\x01\x02\xff\x04" + strings.Repeat("x", 11), "b4" + strings.Repeat("x", 11), codecV3{}, payloadBytes},
		{cSharp, "bAQI=\x1ebAw==", "b4\x01\x02|b4\x03", codecV4{}, payloadText},
		{python2, "\x00\x01\x00\xff42[\"ab\xc3\xa9\"]", "42[\"abé\"]", codecV3{}, payloadBytes},
		{python2, "\x00\x06\xff2probe", "2probe", codecV3{}, payloadBytes},
		{dart, "42[\"e\"]\x1ebAQ==", "42[\"e\"]|b4\x01", codecV4{}, payloadText},
		{dart, "10:b4AQIDBA==", "b4\x01\x02\x03\x04", codecV3{}, payloadText},
	} {
		if got, err := c.how.read(c.codec, c.bytes); got != c.want || err != nil {
			t.Errorf("%s (protocol %d, %s):\n%q is read as %q, %v; want %q", c.source, c.codec.version(), c.how, c.bytes, got, err, c.want)
		}
	}
}

// carriage is what packets travel in.
type carriage string

const (
	payloadText  carriage = "POST of text"
	payloadBytes carriage = "POST of bytes"
	frameText    carriage = "WebSocket text"
	frameBinary  carriage = "WebSocket binary"
)

// read shows packets as decoded does.
func (how carriage) read(c codec, b string) (string, error) {
	decode := c.decodeText
	switch how {
	case payloadText, payloadBytes:
		return decoded(c, []byte(b), how == payloadBytes)
	case frameBinary:
		decode = c.decodeBinary
	}
	p, err := decode([]byte(b))
	mark := ""
	if p.binary {
		mark = "b"
	}
	return mark + string(p.kind) + string(p.data), err
}
