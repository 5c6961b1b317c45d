package main

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"strconv"
	"strings"
)

// Opcodes, with the bit of a final frame. (RFC 6455, section 5.2)
const (
	opText   = 0x81
	opBinary = 0x82
	opPacked = opText | 0x40 // RFC 7692, section 6
)

// appendFrame appends a frame as a server sends it.
func appendFrame(b []byte, op byte, payload []byte) []byte {
	switch n := len(payload); {
	case n < 126:
		b = append(b, op, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, op, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, op, 127), uint64(n))
	}
	return append(b, payload...)
}

// pack is a compressed frame, which needs nothing that was sent before.
func pack(text string) []byte {
	var b bytes.Buffer
	z, _ := flate.NewWriter(&b, flate.BestSpeed) // the level is valid
	_, _ = z.Write([]byte(text))                 // to memory
	_ = z.Flush()
	return appendFrame(nil, opPacked, bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff}))
}

// frame serves the frame that b begins with and returns its size, or 0 where more of it
// has to arrive. Clients send short frames, or middling ones.
func (l *loop) frame(c *conn, b []byte) int {
	if len(b) < 6 {
		return 0
	}
	head, n := 6, int(b[1]&0x7f)
	if n == 126 {
		head, n = 8, int(binary.BigEndian.Uint16(b[2:]))
	}
	if len(b) < head+n {
		return 0
	}
	payload, mask := b[head:head+n], b[head-4:head]
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	l.packet(c, string(payload))
	return head + n
}

// packet serves a packet.
func (l *loop) packet(c *conn, packet string) {
	switch {
	case strings.HasPrefix(packet, `40{"pid":"`):
		l.recover(c, packet)
		return
	case strings.HasPrefix(packet, "40"):
		l.join(c)
	case packet == "2probe":
		if s := c.session; s != nil {
			s.packets = append(s.packets, "6")
			l.tell(s)
		}
	case packet == "5":
		if s := c.session; s != nil && l.polls[s.id] == s {
			delete(l.polls, s.id)
			l.joined.Add(-1)
			l.join(c)
		}
	case strings.Contains(packet, `["join",`), strings.Contains(packet, `["leave",`):
		l.move(c, packet)
	}
	if reply := answer(packet, strconv.Itoa(c.fd)); reply != "" {
		l.out = appendFrame(l.out, opText, []byte(reply))
	}
}

// move joins or leaves a room.
func (l *loop) move(c *conn, packet string) {
	parts := strings.Split(packet, `"`)
	if len(parts) < 4 {
		return
	}
	name := parts[3]
	if parts[1] == "leave" {
		delete(l.rooms[name], c)
		return
	}
	if l.rooms[name] == nil {
		l.rooms[name] = make(map[*conn]struct{})
	}
	l.rooms[name][c] = struct{}{}
}

// recover answers a client that was there before with what came since.
func (l *loop) recover(c *conn, packet string) {
	parts := strings.Split(packet, `"`)
	if len(parts) < 8 {
		return
	}
	pid := parts[3]
	last, _ := strconv.Atoi(parts[7])
	l.join(c)
	if last+1 < len(l.starts) {
		l.out = append(l.out, l.log[l.starts[last+1]:]...)
	}
	l.out = appendFrame(l.out, opText, []byte(`40{"sid":"`+strconv.Itoa(c.fd)+`","pid":"`+pid+`"}`))
}
