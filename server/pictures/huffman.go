package pictures

import "encoding/binary"

// lookBits is how many bits of a code are looked up at once.
const lookBits = 10

// huffmanTable decodes one table's codes (ITU-T T.81, annex C and F.2.2.3).
type huffmanTable struct {
	look    [1 << lookBits]uint16 // length<<8 | symbol; 0 where the code is longer
	longest [18]int32             // largest code of a length, -1 for none
	offset  [18]int32             // from a code of a length to its symbol
	symbols []byte
}

// newHuffmanTable returns the table of counts codes a length, or nil where
// these are more than there can be.
func newHuffmanTable(counts, symbols []byte) *huffmanTable {
	t := &huffmanTable{symbols: symbols}
	code, index := int32(0), int32(0)
	for i, count := range counts {
		length := i + 1
		t.longest[length] = -1
		t.offset[length] = index - code
		for range count {
			if code >= 1<<length {
				return nil
			}
			if length <= lookBits {
				first := int(code) << (lookBits - length)
				for k := range 1 << (lookBits - length) {
					t.look[first+k] = uint16(length)<<8 | uint16(symbols[index])
				}
			}
			t.longest[length] = code
			code++
			index++
		}
		code <<= 1
	}
	return t
}

// bitReader reads entropy-coded data, in which 0xff is followed by a zero
// (F.1.2.3). It stops before the next marker.
type bitReader struct {
	data []byte
	pos  int
	acc  uint64 // its lowest n bits are still to be read
	n    uint
}

// fill reads as many bytes as fit.
func (b *bitReader) fill() {
	if b.n < 32 && b.pos+8 <= len(b.data) {
		if v := binary.BigEndian.Uint64(b.data[b.pos:]); !anyFF(v) {
			bytes := (64 - b.n) / 8
			b.acc = b.acc<<(8*bytes) | v>>(64-8*bytes)
			b.n += 8 * bytes
			b.pos += int(bytes)
			return
		}
	}
	for b.n <= 48 && b.pos < len(b.data) {
		v := b.data[b.pos]
		if v == 0xff {
			if b.pos+1 >= len(b.data) || b.data[b.pos+1] != 0 {
				return
			}
			b.pos++
		}
		b.pos++
		b.acc = b.acc<<8 | uint64(v)
		b.n += 8
	}
}

// anyFF reports whether one of the eight bytes is 0xff: subtracting one from each
// byte of its complement borrows only from a zero.
func anyFF(v uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	return (^v-ones)&v&highs != 0
}

// symbol reads one code. It reports false at the end of the data, and for a
// code that the table has not.
func (b *bitReader) symbol(t *huffmanTable) (byte, bool) {
	if b.n < 16 {
		b.fill()
	}
	var next uint64 // the next 16 bits, zeros where there are none
	if b.n >= 16 {
		next = b.acc >> (b.n - 16) & 0xffff
	} else {
		next = b.acc << (16 - b.n) & 0xffff
	}
	if entry := t.look[next>>(16-lookBits)]; entry != 0 {
		length := uint(entry >> 8)
		if length > b.n {
			return 0, false
		}
		b.n -= length
		return byte(entry), true
	}
	for length := uint(lookBits + 1); length <= 16 && length <= b.n; length++ {
		if code := int32(next >> (16 - length)); t.longest[length] >= code {
			b.n -= length
			return t.symbols[code+t.offset[length]], true
		}
	}
	return 0, false
}

// skip passes over n bits, at most 16.
func (b *bitReader) skip(n uint) bool {
	if b.n < n {
		if b.fill(); b.n < n {
			return false
		}
	}
	b.n -= n
	return true
}

// block passes over the coefficients of one block (F.2.2). It is the checker's hot
// path: the reader's state is held in variables, and where 32 bits are at hand a
// short code and the bits that it announces need no further test.
func (b *bitReader) block(dc, ac *huffmanTable) bool {
	acc, n, table, most := b.acc, b.n, dc, uint(11)
	for k := 0; k < 64; k++ {
		if n < 32 {
			b.acc, b.n = acc, n
			b.fill()
			acc, n = b.acc, b.n
		}
		var entry uint16
		if n >= 32 {
			entry = table.look[acc>>((n-lookBits)&63)&(1<<lookBits-1)] // &63 spares a test
		}
		run, size := uint(entry>>4&15), uint(entry&15)
		if entry != 0 && size <= most {
			n -= uint(entry>>8) + size
		} else {
			b.acc, b.n = acc, n
			code, ok := b.symbol(table)
			run, size = uint(code>>4), uint(code&15)
			if !ok || size > most || !b.skip(size) {
				return false
			}
			acc, n = b.acc, b.n
		}
		switch {
		case k == 0:
			if run != 0 {
				return false
			}
			table, most = ac, 10
		case size != 0:
			if k += int(run); k > 63 {
				return false
			}
		case run == 15:
			if k += 15; k > 63 {
				return false
			}
		default: // end of block
			b.acc, b.n = acc, n
			return run == 0
		}
	}
	b.acc, b.n = acc, n
	return true
}

// atMarker reports whether nothing but a marker follows.
func (b *bitReader) atMarker() bool {
	return b.pos+1 < len(b.data) && b.data[b.pos] == 0xff && b.data[b.pos+1] != 0
}

// restart passes over a restart marker and what pads the data before it.
func (b *bitReader) restart(marker byte) bool {
	if b.n < 16 {
		b.fill()
	}
	if b.n >= 8 || !b.atMarker() || b.data[b.pos+1] != marker {
		return false
	}
	b.pos += 2
	b.acc, b.n = 0, 0
	return true
}
