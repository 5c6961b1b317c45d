package websocket

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// addKey turns the header that b ends with, and which begins at start, into that of a
// masked frame with a new key (RFC 6455, section 5.3: keys that nobody can predict).
func addKey(b []byte, start int) []byte {
	b[start+1] |= bitMask
	return binary.LittleEndian.AppendUint32(b, rand.Uint32()) // #nosec G404 -- ChaCha8, seeded by the system
}

// keyBefore is the key of the frame whose payload begins at b[payload].
func keyBefore(b []byte, payload int) uint32 { return binary.LittleEndian.Uint32(b[payload-4:]) }

// mask applies the masking key to b in place (RFC 6455, section 5.3). key is the
// four bytes in little-endian order. The result is the key to go on with, so that
// a payload may be masked in pieces, cut anywhere.
func mask(b []byte, key uint32) uint32 {
	if key == 0 {
		return 0 // also frames that are not masked
	}
	k := uint64(key)<<32 | uint64(key)
	for len(b) >= 32 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^k)
		binary.LittleEndian.PutUint64(b[8:], binary.LittleEndian.Uint64(b[8:])^k)
		binary.LittleEndian.PutUint64(b[16:], binary.LittleEndian.Uint64(b[16:])^k)
		binary.LittleEndian.PutUint64(b[24:], binary.LittleEndian.Uint64(b[24:])^k)
		b = b[32:]
	}
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^k)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(k >> (8 * uint(i)))
	}
	return bits.RotateLeft32(key, -8*(len(b)&3))
}
