package engineio

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"unicode/utf8"

	"podium/protocol/websocket"
)

// codecV3 is protocol 3, which clients before 2020 speak. Its payloads are
// packets behind their lengths: as text "<length>:<packet>", where the length
// counts UTF-16 code units, because the first implementation was JavaScript; or
// as bytes, 0 for text or 1 for binary, the length's digits as bytes 0…9, 255,
// and the packet. (Engine.IO protocol v3, "Encoding", "Payload")
type codecV3 struct{}

var _ codec = codecV3{}

// Marks of the binary form of a payload.
const (
	v3Text   = 0
	v3Binary = 1
	v3Length = 255 // ends the length
)

// maxV3Digits bounds a length's digits: no payload is that long.
const maxV3Digits = 15

func (codecV3) version() int { return 3 }

func (codecV3) appendPayload(body []byte, packets []*Message, asBase64 bool) ([]byte, bool) {
	binary := false
	for _, m := range packets {
		binary = binary || m.Op() == websocket.OpBinary && !asBase64
	}
	for _, m := range packets {
		data, isBinary := m.Payload(), m.Op() == websocket.OpBinary
		switch {
		case binary && isBinary:
			body = append(appendV3Length(body, v3Binary, 1+len(data)), packetMessage-'0')
			body = append(body, data...)
		case binary:
			body = append(appendV3Length(body, v3Text, len(data)), data...)
		case isBinary:
			body = strconv.AppendInt(body, int64(2+base64.StdEncoding.EncodedLen(len(data))), 10)
			body = append(body, ':', 'b', packetMessage)
			body = base64.StdEncoding.AppendEncode(body, data)
		default:
			body = append(strconv.AppendInt(body, int64(utf16Length(data)), 10), ':')
			body = append(body, data...)
		}
	}
	return body, binary
}

// appendV3Length appends what stands before a packet in the binary form.
func appendV3Length(body []byte, mark byte, length int) []byte {
	body = append(body, mark)
	start := len(body)
	body = strconv.AppendInt(body, int64(length), 10)
	for i := range body[start:] {
		body[start+i] -= '0'
	}
	return append(body, v3Length)
}

func (c codecV3) decodePayload(body []byte, binary bool, each func(packet) bool) error {
	if binary {
		return c.decodeBinaryPayload(body, each)
	}
	if len(body) == 0 || !utf8.Valid(body) {
		return fmt.Errorf("%w: empty, or not UTF-8", ErrInvalidPacket)
	}
	for len(body) > 0 {
		n, rest, err := v3LengthBefore(body, ':', '0')
		if err != nil {
			return err
		}
		n, err = utf16Prefix(rest, n)
		if err != nil {
			return err
		}
		part := rest[:n]
		body = rest[n:]
		if len(part) == 0 {
			continue
		}
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

func (c codecV3) decodeBinaryPayload(body []byte, each func(packet) bool) error {
	for len(body) > 0 {
		mark := body[0]
		n, rest, err := v3LengthBefore(body[1:], v3Length, 0)
		if err != nil {
			return err
		}
		if n > len(rest) || mark > v3Binary {
			return fmt.Errorf("%w: binary payload", ErrInvalidPacket)
		}
		decode := c.decodeBinary
		if mark == v3Text {
			decode = c.decodeText
		}
		if mark == v3Text && !utf8.Valid(rest[:n]) {
			return fmt.Errorf("%w: not UTF-8", ErrInvalidPacket)
		}
		p, err := decode(rest[:n])
		if err != nil {
			return err
		}
		body = rest[n:]
		if !each(p) {
			return nil
		}
	}
	return nil
}

// v3LengthBefore reads the digits before end; zero is the byte of the digit 0.
func v3LengthBefore(b []byte, end, zero byte) (n int, rest []byte, err error) {
	for i, c := range b {
		switch {
		case c == end && i > 0:
			return n, b[i+1:], nil
		case c < zero || c > zero+9 || i >= maxV3Digits:
			return 0, nil, fmt.Errorf("%w: length", ErrInvalidPacket)
		}
		n = 10*n + int(c-zero)
	}
	return 0, nil, fmt.Errorf("%w: length without end", ErrInvalidPacket)
}

// utf16Length is the length of b, which is UTF-8, in UTF-16 code units.
func utf16Length(b []byte) int {
	n := 0
	for _, c := range b {
		switch {
		case c < 0x80 || c >= 0xc0 && c < 0xf0:
			n++ // begins a character of the basic plane
		case c >= 0xf0:
			n += 2 // begins one beyond it
		}
	}
	return n
}

// utf16Prefix is the length in bytes of the first n UTF-16 code units of b,
// which is UTF-8.
func utf16Prefix(b []byte, n int) (int, error) {
	i := 0
	for n > 0 {
		if i == len(b) {
			return 0, fmt.Errorf("%w: shorter than its length", ErrInvalidPacket)
		}
		_, size := utf8.DecodeRune(b[i:])
		i += size
		n--
		if size == 4 {
			n--
		}
	}
	if n < 0 {
		return 0, fmt.Errorf("%w: length within a character", ErrInvalidPacket)
	}
	return i, nil
}

func (codecV3) decodeText(b []byte) (packet, error) {
	if len(b) > 0 && b[0] == 'b' {
		if len(b) < 2 || b[1] != packetMessage {
			return packet{}, fmt.Errorf("%w: base64 is not a message", ErrInvalidPacket)
		}
		return packet{kind: packetMessage, binary: true, data: decodeBase64(b[2:])}, nil
	}
	return decodePlain(b)
}

func (codecV3) decodeBinary(b []byte) (packet, error) {
	if len(b) == 0 || b[0] != packetMessage-'0' {
		return packet{}, fmt.Errorf("%w: binary packet is not a message", ErrInvalidPacket)
	}
	return packet{kind: packetMessage, binary: true, data: b[1:]}, nil
}

func (codecV3) frame(m *Message, asBase64 bool) *Message {
	if !asBase64 {
		return websocket.NewMessage(websocket.OpBinary, []byte{packetMessage - '0'}, m.Payload())
	}
	b := make([]byte, 0, 2+base64.StdEncoding.EncodedLen(len(m.Payload())))
	return websocket.NewMessage(websocket.OpText, base64.StdEncoding.AppendEncode(append(b, 'b', packetMessage), m.Payload()))
}
