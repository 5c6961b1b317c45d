package websocket

import (
	"math/bits"
)

// Message buffers are kept by size: a pool for each power of two from minClass to
// maxClass. Larger ones are left to the collector.
const (
	minClass = 10 // 1 KiB
	maxClass = 20 // 1 MiB
)

func sizeClass(n int) int { return max(minClass, bits.Len(uint(max(n, 1)-1))) }

// messageBuffer is an empty buffer of at least n bytes capacity.
func (p *pools) messageBuffer(n int) *[]byte {
	class := sizeClass(n)
	if class > maxClass {
		b := make([]byte, 0, n)
		return &b
	}
	if b, ok := p.message[class-minClass].Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, 1<<class)
	return &b
}

// grow makes room in b, which may be nil, for n more bytes. It at least doubles, and
// never trusts a length that was only announced.
func (p *pools) grow(b *[]byte, n int) *[]byte {
	if b == nil {
		return p.messageBuffer(n)
	}
	if cap(*b)-len(*b) >= n {
		return b
	}
	bigger := p.messageBuffer(max(len(*b)+n, 2*cap(*b)))
	*bigger = append(*bigger, *b...)
	p.freeMessage(b)
	return bigger
}

// copyOf is a copy of b in a buffer of the pool.
func (p *pools) copyOf(b []byte) *[]byte {
	c := p.messageBuffer(len(b))
	*c = append(*c, b...)
	return c
}

// freeMessage takes back a buffer.
func (p *pools) freeMessage(b *[]byte) {
	class := sizeClass(cap(*b))
	if class > maxClass || cap(*b) != 1<<class {
		return
	}
	*b = (*b)[:0]
	p.message[class-minClass].Put(b)
}
