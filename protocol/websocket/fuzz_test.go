package websocket

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzTextCheck compares with the standard library: whole texts, cut anywhere.
func FuzzTextCheck(f *testing.F) {
	for _, s := range []string{"", "κόσμε", "\xf4\x90\x80\x80", "\xed\xa0\x80", "\xf0\x9f\x98", "a\xc3", "\xe0\x80\x80", "\x80"} {
		f.Add([]byte(s), uint(1), uint(2))
	}
	f.Fuzz(func(t *testing.T, b []byte, x, y uint) {
		i := int(x % uint(len(b)+1))
		j := i + int(y%uint(len(b)-i+1))
		var text textCheck
		got := text.add(b[:i]) && text.add(b[i:j]) && text.add(b[j:]) && text.complete()
		if got != utf8.Valid(b) {
			t.Fatalf("%q cut at %d and %d is %v", b, i, j, got)
		}
	})
}

// FuzzMask compares with the definition of section 5.3, cut anywhere.
func FuzzMask(f *testing.F) {
	f.Add([]byte("some payload that is longer than thirty-two bytes, and odd"), uint32(0x12345678), uint(7))
	f.Fuzz(func(t *testing.T, b []byte, key uint32, x uint) {
		i := int(x % uint(len(b)+1))
		got := bytes.Clone(b)
		mask(got[i:], mask(got[:i], key))
		for k := range b {
			if got[k] != b[k]^byte(key>>(8*(k&3))) {
				t.Fatalf("byte %d is wrong", k)
			}
		}
	})
}

// FuzzHeader wants what parses to be written the same way.
func FuzzHeader(f *testing.F) {
	for _, n := range []int{0, 125, 126, 65535, 65536} {
		f.Add(appendHeader(nil, bitFin|byte(OpText), n))
	}
	f.Add(masked(bitFin|byte(OpText), "x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := parseHeader(b)
		if err != nil {
			return
		}
		again := appendHeader(nil, b[0], int(h.length))
		if h.masked {
			again[1] |= bitMask
			n -= 4
		}
		if !bytes.Equal(again, b[:n]) {
			t.Fatalf("%x became %x", b[:n], again)
		}
	})
}

// transcript is a handler that writes down what it gets.
type transcript struct{ strings.Builder }

func (s *transcript) OnMessage(_ *Conn, op Opcode, data []byte) { fmt.Fprintf(s, "%d %q\n", op, data) }
func (s *transcript) OnClose(*Conn, error)                      {}

// FuzzReceive feeds the same bytes whole, one by one, and cut at a fuzzed place: what is
// delivered and what is answered must not depend on the cuts.
func FuzzReceive(f *testing.F) {
	f.Add(masked(bitFin|byte(OpText), "hello"), uint(3), false)
	f.Add(append(masked(byte(OpText), "\xf0\x9f"), masked(bitFin, "\x98\x80")...), uint(8), false)
	f.Add(append(masked(byte(OpBinary), "a"), masked(bitFin|byte(opPing), "p")...), uint(9), false)
	f.Add(masked(bitFin|byte(opClose), closePayload(1000, "bye")), uint(2), false)
	f.Add(masked(bitFin|byte(OpText), "\xff"), uint(6), false)
	f.Add(masked(bitFin|bitRsv1|byte(OpText), pack(f, "compressed, compressed")), uint(6), true)
	f.Add(masked(bitFin|3, ""), uint(1), false)
	f.Fuzz(func(t *testing.T, b []byte, cut uint, deflate bool) {
		if len(b) > 1<<16 {
			return
		}
		feed := func(pieces ...[]byte) (string, []byte) {
			got := &transcript{}
			c, l := fakeConn(Options{MaxMessageBytes: 4000, Compression: &Compression{}}, got, deflate)
			for _, p := range pieces {
				c.receive(bytes.Clone(p))
			}
			c.dropInbound()
			return got.String(), l.sent
		}
		messages, sent := feed(b)
		i := int(cut % uint(len(b)+1))
		var single [][]byte
		for k := range b {
			single = append(single, b[k:k+1])
		}
		for _, pieces := range [][][]byte{{b[:i], b[i:]}, single} {
			m, s := feed(pieces...)
			if m != messages || !bytes.Equal(s, sent) {
				t.Fatalf("cut differently %q, %x; whole %q, %x", m, s, messages, sent)
			}
		}
	})
}

// FuzzInflate wants no input to exceed the limit, and what was deflated to come back.
func FuzzInflate(f *testing.F) {
	f.Add([]byte("some text, some text"))
	f.Add([]byte("\xff\xff"))
	s := NewServer(Options{MaxMessageBytes: 5000, Compression: &Compression{}})
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, bad := s.inflate(b); bad == nil && len(*got) > 5000 {
			t.Fatalf("%d bytes came out", len(*got))
		}
		got, bad := s.inflate([]byte(pack(t, string(b))))
		if len(b) <= 5000 && (bad != nil || !bytes.Equal(*got, b)) {
			t.Fatalf("%q did not come back: %v", b, bad)
		}
	})
}
