package pictures

import "encoding/binary"

const (
	lookBits = 10 // of a code that are looked up at once
	leapBits = 11 // of several codes and what they announce
)

// huffmanTable decodes one table's codes (ITU-T T.81, annex C and F.2.2.3).
type huffmanTable struct {
	look    [1 << lookBits]uint16 // length<<8 | symbol; 0 where the code is longer
	leaps   []leap                // by the next leapBits; made for tables of AC coefficients
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
		if code >= 1<<length { // a code of ones alone is the beginning of a longer one (C.2)
			return nil
		}
		code <<= 1
	}
	return t
}

// leap is what the next bits hold of AC coefficients: as many codes as are whole
// in them, each with the bits that it announces.
type leap uint16

func newLeap(bits, reach uint, ends bool) leap {
	l := leap(bits | reach<<4)
	if ends {
		l |= leapEnds
	}
	return l
}

// leapEnds is set where the block ends.
const leapEnds leap = 1 << 15

// bits is how many bits these take.
func (l leap) bits() uint { return uint(l & 15) }

// reach is how many coefficients are passed over, and one more where the block ends.
func (l leap) reach() int { return int(l >> 4 & 0x7f) }

// makeLeaps fills in leaps. Where not even one code is whole and allowed, reach is
// more than any block has.
func (t *huffmanTable) makeLeaps() {
	t.leaps = make([]leap, 1<<leapBits)
	for next := range t.leaps {
		var bits, reach uint
		ends := false
		for !ends {
			entry := t.look[next<<bits&(1<<leapBits-1)>>(leapBits-lookBits)]
			run, size := uint(entry>>4&15), uint(entry&15)
			more := uint(entry>>8) + size
			if entry == 0 || bits+more > leapBits || size > mostAC || size == 0 && run != 0 && run != 15 || reach+run+1 > 64 {
				break
			}
			bits, reach, ends = bits+more, reach+run+1, size == 0 && run == 0
		}
		if bits == 0 {
			reach = 127
		}
		t.leaps[next] = newLeap(bits, reach, ends)
	}
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

// The most bits that a code may announce, with samples of 8 bits (F.1.2.1.1 and
// F.1.2.2.1).
const (
	mostDC = 11
	mostAC = 10
)

// block passes over the coefficients of one block (F.2.2). It is the checker's hot
// path: the reader's state is held in variables, and where 32 bits are at hand,
// several codes and the bits that they announce need one look and one test.
func (b *bitReader) block(dc, ac *huffmanTable) bool {
	if b.n < 32 {
		b.fill()
	}
	acc, n := b.acc, b.n
	var entry uint16
	if n >= 32 {
		entry = dc.look[acc>>((n-lookBits)&63)&(1<<lookBits-1)] // &63 spares a test
	}
	if entry != 0 && entry&0xff <= mostDC {
		n -= uint(entry>>8) + uint(entry&15)
	} else {
		if run, ok := b.coefficient(dc, mostDC); !ok || run != 0 {
			return false
		}
		acc, n = b.acc, b.n
	}
	leaps := (*[1 << leapBits]leap)(ac.leaps)
	for k := 1; k < 64; {
		if n < 32 {
			b.acc, b.n = acc, n
			b.fill()
			acc, n = b.acc, b.n
		}
		if n >= 32 {
			l := leaps[acc>>((n-leapBits)&63)&(1<<leapBits-1)]
			if reach := k + l.reach(); reach <= 64 {
				n -= l.bits()
				if l&leapEnds != 0 {
					break
				}
				k = reach
				continue
			}
		}
		b.acc, b.n = acc, n
		run, ok := b.coefficient(ac, mostAC)
		if !ok {
			return false
		}
		if run == endOfBlock {
			return true
		}
		if k += run + 1; k > 64 {
			return false
		}
		acc, n = b.acc, b.n
	}
	b.acc, b.n = acc, n
	return true
}

// endOfBlock is what coefficient returns for a code that ends a block.
const endOfBlock = -1

// coefficient passes over one code and the bits that it announces, at most most,
// and returns how many coefficients of zero come before the one that it holds.
func (b *bitReader) coefficient(t *huffmanTable, most uint) (run int, ok bool) {
	code, ok := b.symbol(t)
	run, size := int(code>>4), uint(code&15)
	if !ok || size > most || !b.skip(size) {
		return 0, false
	}
	if size == 0 && most == mostAC && run != 15 {
		return endOfBlock, run == 0
	}
	return run, true
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
