package pictures

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// plainJPEG is what checkJPEG found out about a file.
type plainJPEG struct {
	width, height int
	orientation   int // that EXIF data names, 1 to 8
	// clean is the file with the segments that make up the picture, and
	// nothing else.
	clean []byte
}

// component is a colour component of a frame (ITU-T T.81, B.2.2).
type component struct {
	id, h, v, quant byte
	scanned         bool
}

// checker walks through a baseline JPEG without making a picture of it.
type checker struct {
	data  []byte
	pos   int
	out   []byte
	frame struct {
		width, height, hMax, vMax int
		components                []component
	}
	quant    [4]bool
	huffman  [2][4]*huffmanTable // by class (DC, AC) and destination
	restarts int                 // MCUs between restart markers; 0 for none
	exif     []byte              // TIFF data
	bits     bitReader
}

// checkJPEG reads a baseline JPEG to its end, every code of it, and reports
// whether it is whole and laid out plainly: one frame, each table once, all
// blocks there and nothing between them. It costs a twentieth of decoding and
// keeps nothing but the tables. A file that it does not pass may still be a
// good one, such as a progressive one; that is for the decoder to say.
func checkJPEG(data []byte) (plainJPEG, bool) {
	c := checker{data: data, pos: 2, out: make([]byte, 0, len(data))}
	if len(data) < 4 || data[0] != 0xff || data[1] != markerSOI {
		return plainJPEG{}, false
	}
	c.out = append(c.out, 0xff, markerSOI)
	for {
		marker, ok := c.marker()
		if !ok {
			return plainJPEG{}, false
		}
		if marker == markerEOI {
			break
		}
		payload, ok := c.payload()
		if !ok || !c.segment(marker, payload) {
			return plainJPEG{}, false
		}
	}
	if len(c.frame.components) == 0 {
		return plainJPEG{}, false
	}
	for _, part := range c.frame.components {
		if !part.scanned {
			return plainJPEG{}, false
		}
	}
	c.out = append(c.out, 0xff, markerEOI)
	return plainJPEG{c.frame.width, c.frame.height, tiffOrientation(c.exif), c.out}, true
}

// marker reads the next marker, after any number of fill bytes (B.1.1.2).
func (c *checker) marker() (byte, bool) {
	if c.pos >= len(c.data) || c.data[c.pos] != 0xff {
		return 0, false
	}
	for c.pos < len(c.data) && c.data[c.pos] == 0xff {
		c.pos++
	}
	if c.pos >= len(c.data) {
		return 0, false
	}
	c.pos++
	return c.data[c.pos-1], true
}

// payload reads a segment's content.
func (c *checker) payload() ([]byte, bool) {
	if c.pos+2 > len(c.data) {
		return nil, false
	}
	size := int(binary.BigEndian.Uint16(c.data[c.pos:]))
	if size < 2 || c.pos+size > len(c.data) {
		return nil, false
	}
	payload := c.data[c.pos+2 : c.pos+size]
	c.pos += size
	return payload, true
}

// segment takes in one segment, and copies it where it belongs to the picture.
func (c *checker) segment(marker byte, payload []byte) bool {
	switch {
	case marker == markerSOF0 || marker == markerSOF1:
		if !c.startFrame(payload) {
			return false
		}
	case marker == markerDQT:
		if !c.quantTables(payload) {
			return false
		}
	case marker == markerDHT:
		if !c.huffmanTables(payload) {
			return false
		}
	case marker == markerDRI:
		if len(payload) != 2 {
			return false
		}
		c.restarts = int(binary.BigEndian.Uint16(payload))
	case marker == markerSOS:
		return c.scan(payload)
	case marker >= markerAPP0 && marker <= markerAPPF:
		return c.application(marker, payload)
	case marker == markerCOM:
		return true
	default:
		return false
	}
	c.copySegment(marker, payload)
	return true
}

// application judges a segment that is not copied: whether the picture is the same
// without it.
func (c *checker) application(marker byte, payload []byte) bool {
	switch {
	case marker == markerAPP1 && c.exif == nil && len(payload) > 6 && string(payload[:5]) == "Exif\x00":
		c.exif = payload[6:]
	case marker == markerAPP2 && bytes.HasPrefix(payload, []byte("ICC_PROFILE\x00")):
		return len(payload) > 14 && plainRGB(payload[14:]) // behind its number among the pieces
	case marker == markerAPPE && len(payload) >= 12 && string(payload[:5]) == "Adobe":
		return payload[11] == 1 // what the colours mean; only the plain case is known here
	}
	return true
}

func (c *checker) copySegment(marker byte, payload []byte) {
	c.out = append(c.out, 0xff, marker)
	c.out = binary.BigEndian.AppendUint16(c.out, uint16(len(payload)+2))
	c.out = append(c.out, payload...)
}

// startFrame reads the frame header (B.2.2): 8 bits a sample, one component or
// three as YCbCr.
func (c *checker) startFrame(p []byte) bool {
	if len(c.frame.components) > 0 || len(p) < 6 || p[0] != 8 {
		return false
	}
	f := &c.frame
	f.height, f.width = int(binary.BigEndian.Uint16(p[1:])), int(binary.BigEndian.Uint16(p[3:]))
	n := int(p[5])
	if f.height == 0 || f.width == 0 || (n != 1 && n != 3) || len(p) != 6+3*n {
		return false
	}
	for i := range n {
		part := component{id: p[6+3*i], h: p[7+3*i] >> 4, v: p[7+3*i] & 15, quant: p[8+3*i]}
		if part.h < 1 || part.h > 2 || part.v < 1 || part.v > 2 || i > 0 && part.h*part.v > 1 || p[8+3*i] > 3 {
			return false // 4:4:4, 4:2:2, 4:4:0 and 4:2:0, which every decoder knows
		}
		if n == 3 && part.id == "RGB"[i] {
			return false // some decoders take these for RGB, others don't
		}
		for _, other := range f.components {
			if other.id == part.id {
				return false
			}
		}
		if n == 1 {
			part.h, part.v = 1, 1 // a lone component is never interleaved (A.2.2)
		}
		f.hMax, f.vMax = max(f.hMax, int(part.h)), max(f.vMax, int(part.v))
		f.components = append(f.components, part)
	}
	return true
}

// quantTables reads quantization tables (B.2.4.1).
func (c *checker) quantTables(p []byte) bool {
	for len(p) > 0 {
		if len(p) < 65 || p[0] > 3 || c.quant[p[0]] { // 8-bit tables only
			return false
		}
		c.quant[p[0]] = true
		p = p[65:]
	}
	return true
}

// huffmanTables reads Huffman tables (B.2.4.2).
func (c *checker) huffmanTables(p []byte) bool {
	for len(p) > 0 {
		if len(p) < 17 || p[0]>>4 > 1 || p[0]&15 > 3 || c.huffman[p[0]>>4][p[0]&15] != nil {
			return false
		}
		total := 0
		for _, n := range p[1:17] {
			total += int(n)
		}
		if total == 0 || total > 256 || len(p) < 17+total {
			return false
		}
		table := newHuffmanTable(p[1:17], p[17:17+total])
		if table == nil {
			return false
		}
		if p[0]>>4 == 1 {
			table.makeLeaps()
		} else if slices.Max(table.symbols) > 15 {
			return false // a difference of more bits than there are (F.1.2.1.1)
		}
		c.huffman[p[0]>>4][p[0]&15] = table
		p = p[17+total:]
	}
	return true
}

// scanPart is a component within a scan.
type scanPart struct {
	dc, ac *huffmanTable
	blocks int // in an MCU
}

// scan reads a scan's header (B.2.3) and all its blocks.
func (c *checker) scan(p []byte) bool {
	if len(c.frame.components) == 0 || len(p) < 1 {
		return false
	}
	n := int(p[0])
	if n < 1 || n > len(c.frame.components) || len(p) != 4+2*n {
		return false
	}
	if p[1+2*n] != 0 || p[2+2*n] != 63 || p[3+2*n] != 0 { // sequential: all coefficients at once
		return false
	}
	parts := make([]scanPart, 0, n)
	f := &c.frame
	columns, rows := ceil(f.width, 8*f.hMax), ceil(f.height, 8*f.vMax)
	for i := range n {
		part := c.component(p[1+2*i])
		tables := p[2+2*i]
		if part == nil || part.scanned || tables>>4 > 3 || tables&15 > 3 || !c.quant[part.quant] {
			return false
		}
		part.scanned = true
		one := scanPart{c.huffman[0][tables>>4], c.huffman[1][tables&15], int(part.h) * int(part.v)}
		if one.dc == nil || one.ac == nil {
			return false
		}
		if n == 1 { // not interleaved: a block at a time, none beyond the edge (A.2.2)
			one.blocks = 1
			columns = ceil(ceil(f.width*int(part.h), f.hMax), 8)
			rows = ceil(ceil(f.height*int(part.v), f.vMax), 8)
		}
		parts = append(parts, one)
	}
	c.copySegment(markerSOS, p)
	start := c.pos
	if !c.blocks(parts, columns*rows) {
		return false
	}
	c.out = append(c.out, c.data[start:c.pos]...)
	return true
}

func (c *checker) component(id byte) *component {
	for i := range c.frame.components {
		if c.frame.components[i].id == id {
			return &c.frame.components[i]
		}
	}
	return nil
}

// blocks reads the entropy-coded data of units MCUs, with restart markers
// between them (E.1.4), up to the marker that follows.
func (c *checker) blocks(parts []scanPart, units int) bool {
	c.bits = bitReader{data: c.data, pos: c.pos}
	for unit := range units {
		if c.restarts > 0 && unit > 0 && unit%c.restarts == 0 && !c.bits.restart(byte(0xd0+(unit/c.restarts-1)%8)) {
			return false
		}
		for i := range parts {
			for range parts[i].blocks {
				if !c.bits.block(parts[i].dc, parts[i].ac) {
					return false
				}
			}
		}
	}
	if c.bits.n >= 8 || !c.bits.atMarker() {
		return false
	}
	c.pos = c.bits.pos
	return true
}

func ceil(a, b int) int { return (a + b - 1) / b }
