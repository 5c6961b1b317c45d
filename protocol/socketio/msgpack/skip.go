package msgpack

// skip passes one value, nested at most depth deep, and checks that it can be read.
// It builds nothing, so that what a peer sends costs no more than its bytes until
// a handler wants it.
func (r *reader) skip(depth int) bool {
	if r.pos >= len(r.data) {
		return false
	}
	switch c := r.data[r.pos]; {
	case c < 0x80, c >= 0xe0:
		r.pos++
		return true
	case c < 0x90, c == 0xde, c == 0xdf:
		n, ok := r.mapHead()
		return ok && depth > 0 && r.skipEntries(n, depth-1)
	case c < 0xa0, c == 0xdc, c == 0xdd:
		n, ok := r.arrayHead()
		return ok && depth > 0 && r.skipValues(n, depth-1)
	case c < 0xc0, c >= 0xd9 && c <= 0xdb:
		_, ok := r.textBytes()
		return ok
	default:
		r.pos++
		return r.skipScalar(c)
	}
}

func (r *reader) skipValues(n, depth int) bool {
	for range n {
		if !r.skip(depth) {
			return false
		}
	}
	return true
}

// skipEntries passes n keys with their values. What a key may be is said at
// [reader.key].
func (r *reader) skipEntries(n, depth int) bool {
	for range n {
		if r.pos >= len(r.data) {
			return false
		}
		if isInteger(r.data[r.pos]) {
			if !r.skip(0) {
				return false
			}
		} else if _, ok := r.textBytes(); !ok {
			return false
		}
		if !r.skip(depth) {
			return false
		}
	}
	return true
}

// skipScalar passes what follows the code c of a value that is no container,
// string or short integer.
func (r *reader) skipScalar(c byte) bool {
	n, ok := 0, true
	switch {
	case c == 0xc0, c == 0xc2, c == 0xc3:
	case c >= 0xc4 && c <= 0xc6:
		n, ok = r.size(1 << (c - 0xc4))
	case c >= 0xc7 && c <= 0xc9:
		n, ok = r.size(1 << (c - 0xc7))
		n++ // the type
	case c == 0xca || c == 0xcb:
		n = 4 << (c - 0xca)
	case c >= 0xcc && c <= 0xd3:
		n = 1 << ((c - 0xcc) % 4)
	case c >= 0xd4 && c <= 0xd8:
		n = 1 + 1<<(c-0xd4)
	default:
		return false
	}
	if !ok {
		return false
	}
	_, ok = r.take(n)
	return ok
}
