package webtransport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"podium/protocol/budget"
	"podium/protocol/engineio"
)

// A stream of packets is framed as createPacketEncoderStream of engine.io-parser does
// it, which has it from WebSocket:
//
//	bit 0 (the highest)  the packet is a binary message, and not text
//	bits 1 to 7          its length in bytes, or 126: the next 16 bits are the length,
//	                     or 127: the next 64 bits are
//	                     the packet
//
// Lengths need not be as short as they could be, and none is 0.
const (
	binaryBit = 0x80
	length16  = 126
	length64  = 127
	maxHeader = 9
)

// appendHeader appends the header of a packet of size bytes.
func appendHeader(b []byte, size int, isBinary bool) []byte {
	start := len(b)
	switch {
	case size < length16:
		b = append(b, byte(size))
	case size <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, length16), uint16(size))
	default:
		b = binary.BigEndian.AppendUint64(append(b, length64), uint64(size))
	}
	if isBinary {
		b[start] |= binaryBit
	}
	return b
}

const (
	// keptBytes is what a reader keeps between packets. A header may announce anything:
	// memory is taken as the bytes arrive.
	keptBytes = 512
	// chargeFrom is the size in bytes from which a packet that arrives is charged.
	chargeFrom = 16 << 10
)

// packetReader reads packets off a stream.
type packetReader struct {
	from   io.Reader
	limit  int64                             // bytes of a packet
	began  func()                            // part of a packet is there, and the rest is awaited
	done   func()                            // it is there
	charge func(evict func()) *budget.Charge // see engineio.Bounds
	evict  func()

	buf     []byte // buf[start:] has arrived, and was not looked at
	start   int
	waiting bool           // began was called, and done was not
	charged *budget.Charge // for buf while it is large; nil while nothing is charged
}

// next returns the next packet, which is valid until the next call. What is no packet
// is an engineio.ErrInvalidPacket. An end of the stream between two packets is io.EOF,
// and within one io.ErrUnexpectedEOF.
func (p *packetReader) next() (data []byte, isBinary bool, err error) {
	p.free()
	if err := p.need(1); err != nil {
		return nil, false, err
	}
	isBinary = p.buf[p.start]&binaryBit != 0
	size, err := p.header()
	if err == nil {
		err = p.need(size)
	}
	if err == nil {
		err = p.charged.Pin()
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, false, err
	}
	data = p.buf[p.start : p.start+size]
	p.start += size
	if p.waiting {
		p.waiting = false
		p.done()
	}
	if !isBinary && !utf8.Valid(data) {
		return nil, false, fmt.Errorf("%w: not UTF-8", engineio.ErrInvalidPacket)
	}
	return data, isBinary, nil
}

// header takes a header, and returns the length that it announces.
func (p *packetReader) header() (int, error) {
	short := p.buf[p.start] &^ binaryBit
	head := 1
	switch short {
	case length16:
		head = 3
	case length64:
		head = maxHeader
	}
	if err := p.need(head); err != nil {
		return 0, err
	}
	size := uint64(short)
	switch rest := p.buf[p.start+1:]; short {
	case length16:
		size = uint64(binary.BigEndian.Uint16(rest))
	case length64:
		size = binary.BigEndian.Uint64(rest)
	}
	p.start += head
	if size == 0 || size > uint64(p.limit) {
		return 0, fmt.Errorf("%w: its length is %d", engineio.ErrInvalidPacket, size)
	}
	return int(size), nil
}

// need reads until size bytes are there that were not looked at.
func (p *packetReader) need(size int) error {
	for len(p.buf)-p.start < size {
		if len(p.buf) > p.start && !p.waiting {
			p.waiting = true
			p.began()
		}
		if err := p.makeRoom(size); err != nil {
			return err
		}
		n, err := p.from.Read(p.buf[len(p.buf):cap(p.buf)])
		p.buf = p.buf[:len(p.buf)+n]
		if err != nil && len(p.buf)-p.start < size {
			return err
		}
	}
	return nil
}

// makeRoom makes room for more of the size bytes that are needed. A buffer beyond
// keptBytes is never larger than a packet: nothing of the next one is in it.
func (p *packetReader) makeRoom(size int) error {
	there := p.buf[p.start:]
	switch {
	case len(p.buf) < cap(p.buf):
		return nil
	case p.start > 0:
		p.buf, p.start = p.buf[:copy(p.buf, there)], 0
		return nil
	}
	larger := max(keptBytes, min(2*cap(p.buf), size))
	if larger >= chargeFrom {
		if p.charged == nil {
			p.charged = p.charge(p.evict)
		}
		p.charged.Progress(int64(len(there))) // as much arrived, about
		if err := p.charged.Hold(int64(larger) - p.charged.Held()); err != nil {
			return err
		}
	}
	p.buf = append(make([]byte, 0, larger), there...)
	return nil
}

// free gives up a large buffer, whose packet has been handled.
func (p *packetReader) free() {
	if p.start < len(p.buf) {
		return
	}
	p.start, p.buf = 0, p.buf[:0]
	if cap(p.buf) > keptBytes {
		p.buf = nil
		p.charged.Close()
		p.charged = nil
	}
}
