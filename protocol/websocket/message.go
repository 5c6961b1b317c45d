package websocket

import (
	"sync"
	"sync/atomic"
)

// Message is one message, encoded once for every connection it is sent to: server
// frames are not masked, so that connections share the bytes. It is immutable and
// safe for concurrent use; the slices it gives out must not be changed.
type Message struct {
	frame []byte // header and payload, uncompressed
	head  uint8  // length of the header
	op    Opcode
	plain bool // never compressed

	once   sync.Once // guards the making of packed
	packed []byte    // the frame compressed, nil where that does not make it shorter

	keepers atomic.Int32 // calls of Retain less those of Release
}

// Retain says that the message waits in one more queue whose memory is charged, and
// returns what part of size bytes of it that queue shall pay for: the k-th of those
// that keep a message pays a k-th. So a broadcast that waits for thousands is not
// counted thousands of times, and what one alone keeps is counted whole. One that
// stays when the others have gone pays no more than before.
func (m *Message) Retain(size int) int {
	k := int(m.keepers.Add(1))
	return (size + k - 1) / k
}

// Release takes back one call of Retain.
func (m *Message) Release() { m.keepers.Add(-1) }

// NewMessage makes a message whose payload is the parts one after the other. The
// parts are copied. op must be OpText, with parts that make valid UTF-8, or OpBinary.
func NewMessage(op Opcode, parts ...[]byte) *Message {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	head := headerSize(size)
	frame := appendHeader(make([]byte, 0, head+size), bitFin|byte(op), size)
	for _, p := range parts {
		frame = append(frame, p...)
	}
	return &Message{frame: frame, head: uint8(head), op: op}
}

// Payload is the message's payload. It must not be changed.
func (m *Message) Payload() []byte { return m.frame[m.head:] }

// Op says whether the message is text or binary.
func (m *Message) Op() Opcode { return m.op }

// Uncompressed is the same message, sharing the bytes, which is never compressed,
// whatever was negotiated.
func (m *Message) Uncompressed() *Message {
	if m.plain {
		return m
	}
	return &Message{frame: m.frame, head: m.head, op: m.op, plain: true}
}

// Compressible reports whether the message may be compressed.
func (m *Message) Compressible() bool { return !m.plain }

// frameFor is the frame to send to c. The compressed form is made when the first
// connection asks for it, and shared by all others: neither direction of a
// connection carries context over (see deflate.go), so it fits all of them.
func (m *Message) frameFor(c *Conn) []byte {
	if !c.deflate || m.plain {
		return m.frame
	}
	comp := c.server.compression
	if len(m.frame)-int(m.head) < comp.threshold {
		return m.frame
	}
	m.once.Do(func() { m.packed = comp.frame(m.op, m.Payload(), len(m.frame)) })
	if m.packed == nil {
		return m.frame
	}
	return m.packed
}
