package websocket

import (
	"encoding/binary"
	"errors"
)

// Opcode is the type of a frame or message (RFC 6455, section 5.2).
type Opcode byte

// The opcodes of messages.
const (
	OpText   Opcode = 0x1 // UTF-8 text; what is received has been validated
	OpBinary Opcode = 0x2 // any bytes
)

// Opcodes that occur in frames only: applications never see them.
const (
	opContinuation Opcode = 0x0
	opClose        Opcode = 0x8
	opPing         Opcode = 0x9
	opPong         Opcode = 0xA
)

// isControl reports whether frames of this opcode are control frames (section 5.5).
func (o Opcode) isControl() bool { return o&0x8 != 0 }

// isData reports whether the opcode begins a message.
func (o Opcode) isData() bool { return o == OpText || o == OpBinary }

const (
	bitFin  = 0x80 // first byte: last fragment
	bitRsv1 = 0x40 // first byte: compressed message (RFC 7692, section 6)
	bitRsv  = 0x30 // first byte: reserved, no extension here uses them
	bitMask = 0x80 // second byte: a masking key follows

	maxControlPayload = 125 // section 5.5
	maxHeader         = 14  // two bytes, eight of length, four of masking key
)

// header is the decoded head of a frame.
type header struct {
	length int64 // of the payload, never negative
	key    uint32
	op     Opcode
	fin    bool
	rsv1   bool
	rsv23  bool
	masked bool
}

var (
	errShortHeader = errors.New("websocket: header incomplete")
	errLongLength  = errors.New("length does not fit 63 bits")
	errPadLength   = errors.New("length not in its shortest form")
)

// parseHeader decodes the header that b begins with and says how many bytes it
// takes. errShortHeader means that b holds only a part of it; the other errors
// are violations of section 5.2. Whether the frame may come now is not judged.
func parseHeader(b []byte) (h header, n int, err error) {
	if len(b) < 2 {
		return h, 0, errShortHeader
	}
	h.op = Opcode(b[0] & 0x0f)
	h.fin = b[0]&bitFin != 0
	h.rsv1 = b[0]&bitRsv1 != 0
	h.rsv23 = b[0]&bitRsv != 0
	h.masked = b[1]&bitMask != 0
	n = 2
	switch l := b[1] &^ bitMask; l {
	default:
		h.length = int64(l)
	case 126:
		if len(b) < 4 {
			return h, 0, errShortHeader
		}
		n = 4
		h.length = int64(binary.BigEndian.Uint16(b[2:]))
		if h.length < 126 {
			return h, 0, errPadLength
		}
	case 127:
		if len(b) < 10 {
			return h, 0, errShortHeader
		}
		n = 10
		u := binary.BigEndian.Uint64(b[2:])
		if u>>63 != 0 {
			return h, 0, errLongLength
		}
		if u < 1<<16 {
			return h, 0, errPadLength
		}
		h.length = int64(u)
	}
	if h.masked {
		if len(b) < n+4 {
			return h, 0, errShortHeader
		}
		h.key = binary.LittleEndian.Uint32(b[n:])
		n += 4
	}
	return h, n, nil
}

// appendHeader appends the header of an unmasked frame, as servers send it.
// first is the first byte: bits and opcode.
func appendHeader(b []byte, first byte, length int) []byte {
	switch {
	case length < 126:
		return append(b, first, byte(length))
	case length < 1<<16:
		return append(b, first, 126, byte(length>>8), byte(length))
	default:
		b = append(b, first, 127)
		return binary.BigEndian.AppendUint64(b, uint64(length))
	}
}

// headerSize is the number of bytes that appendHeader appends.
func headerSize(length int) int {
	switch {
	case length < 126:
		return 2
	case length < 1<<16:
		return 4
	default:
		return 10
	}
}
