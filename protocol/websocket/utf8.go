package websocket

import "unicode/utf8"

// textCheck validates UTF-8 that comes in pieces, cut anywhere, and finds an error
// at the first byte that cannot be part of a valid text (RFC 6455, section 8.1;
// the sequences are those of RFC 3629, section 4). The zero value is the beginning
// of a text.
type textCheck struct {
	need   uint8 // continuation bytes still missing from the last sequence
	lo, hi uint8 // range of the next continuation byte, where need > 0
}

// add reports whether the text can still become valid with b appended.
func (t *textCheck) add(b []byte) bool {
	for t.need > 0 {
		if len(b) == 0 {
			return true
		}
		if !t.step(b[0]) {
			return false
		}
		b = b[1:]
	}
	// The bulk goes to the standard library, which is quick; only a sequence that
	// b's end may have cut is left to step.
	cut := len(b)
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if c := b[len(b)-i]; c >= 0xC0 {
			cut = len(b) - i
			break
		} else if c < 0x80 {
			break
		}
	}
	if !utf8.Valid(b[:cut]) {
		return false
	}
	for _, c := range b[cut:] {
		if !t.step(c) {
			return false
		}
	}
	return true
}

// complete reports whether the text may end here.
func (t *textCheck) complete() bool { return t.need == 0 }

// step takes one byte.
func (t *textCheck) step(c byte) bool {
	if t.need > 0 {
		if c < t.lo || c > t.hi {
			return false
		}
		t.need--
		t.lo, t.hi = 0x80, 0xBF
		return true
	}
	t.lo, t.hi = 0x80, 0xBF
	switch {
	case c < 0x80:
		return true
	case c >= 0xC2 && c <= 0xDF:
		t.need = 1
	case c >= 0xE0 && c <= 0xEF:
		t.need = 2
		switch c {
		case 0xE0: // no overlong forms
			t.lo = 0xA0
		case 0xED: // no surrogates
			t.hi = 0x9F
		}
	case c >= 0xF0 && c <= 0xF4:
		t.need = 3
		switch c {
		case 0xF0: // no overlong forms
			t.lo = 0x90
		case 0xF4: // nothing above U+10FFFF
			t.hi = 0x8F
		}
	default:
		return false
	}
	return true
}
