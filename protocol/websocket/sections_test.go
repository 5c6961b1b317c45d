package websocket

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// These go through what Autobahn's list of cases has beyond the tables in
// protocol_test.go, by its sections.

// Section 1: whole messages of every length at which the framing changes, and
// the same in chops.
func TestMessagesOfEveryLengthInChops(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		h := serve(t, mode, Options{}, nil)
		for _, op := range []Opcode{OpText, OpBinary} {
			for _, n := range []int{0, 1, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537} {
				for _, chop := range []int{1 << 20, 997} {
					c := h.dial(t)
					payload := strings.Repeat("*", n)
					for rest := masked(bitFin|byte(op), payload); len(rest) > 0; {
						k := min(chop, len(rest))
						c.write(rest[:k])
						rest = rest[k:]
					}
					c.want(bitFin|byte(op), payload)
					_ = c.Close()
				}
			}
		}
	})
}

// Sections 3 and 4: what came before the violation is answered, what comes after
// it is not.
func TestWhatPrecedesAViolationIsAnswered(t *testing.T) {
	var firsts []byte
	for rsv := byte(1); rsv < 8; rsv++ {
		for _, op := range []byte{1, 2, 8, 9, 10} {
			firsts = append(firsts, bitFin|rsv<<4|op)
		}
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		firsts = append(firsts, bitFin|op)
	}
	run(t, func(t *testing.T, mode string) {
		h := serve(t, mode, Options{}, nil)
		for _, first := range firsts {
			for _, payload := range []string{"", "payload"} {
				c := h.dial(t)
				c.write(slicesOf(masked(bitFin|1, "before"), masked(first, payload), masked(bitFin|1, "after"), masked(bitFin|9, "")))
				c.want(bitFin|1, "before")
				c.want(bitFin|8, closePayload(CloseProtocolError, ""))
				_ = c.Close()
			}
		}
	})
}

func slicesOf(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

// Section 5: fragments with control frames between them, in one write and byte
// by byte.
func TestFragmentsWithPingsInOneWriteAndByteByByte(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		h := serve(t, mode, Options{}, nil)
		for _, step := range []int{1 << 20, 1} {
			c := h.dial(t)
			for rest := slicesOf(masked(1, "fragment1"), masked(bitFin|9, "p1"), masked(0, ""), masked(bitFin|10, "q"),
				masked(bitFin|9, "p2"), masked(bitFin, "fragment2"), masked(bitFin|2, "next")); len(rest) > 0; {
				k := min(step, len(rest))
				c.write(rest[:k])
				rest = rest[k:]
			}
			c.want(bitFin|10, "p1")
			c.want(bitFin|10, "p2")
			c.want(bitFin|1, "fragment1fragment2")
			c.want(bitFin|2, "next")
			_ = c.Close()
		}
	})
}

// Section 6: valid and invalid sequences, whole, in two fragments cut anywhere,
// and with the rest of the frame still to come.
func TestTextIsCheckedWhereverItIsCut(t *testing.T) {
	valid := []string{
		"κόσμε", "\u0080", "\u07ff", "\u0800", "\uffff", "\U00010000", "\U0010ffff", "\ud7ff", "\ue000", "\ufffd",
		"\ufffe\U0001fffe\U0010fffe", "Hello-µ@ßöäüàá-UTF-8!!",
	}
	invalid := []string{
		"\x80", "\xbf", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xe0\x9f\xbf", "\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf",
		"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", "\xfe", "\xff", "\xed\xa0\x80", "\xed\xbf\xbf", "\xed\xa0\x80\xed\xb0\x80",
		"\xf4\x90\x80\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited",
	}
	h := serve(t, "loop", Options{}, nil)
	for _, text := range valid {
		for i := range len(text) + 1 {
			c := h.dial(t)
			c.write(slicesOf(masked(1, text[:i]), masked(bitFin, text[i:])))
			c.want(bitFin|1, text)
			_ = c.Close()
		}
	}
	for _, text := range invalid {
		for i := range len(text) + 1 {
			c := h.dial(t)
			c.write(slicesOf(masked(1, text[:i]), masked(bitFin, text[i:])))
			c.want(bitFin|8, closePayload(CloseInvalidPayload, ""))
			_ = c.Close()
		}
	}
	// As soon as it cannot become valid any more (6.4): the frame is not complete.
	for _, piece := range []string{"\xf4\x90", "\xed\xa0", "\xc0", "a\xff", "\xe0\x80", "\xf5"} {
		c := h.dial(t)
		whole := masked(bitFin|1, piece+strings.Repeat("x", 50))
		c.write(whole[:6+len(piece)])
		c.want(bitFin|8, closePayload(CloseInvalidPayload, ""))
		_ = c.Close()
	}
}

// Section 7: nothing is answered after a close frame, every code that may be
// sent is echoed, and reasons of every length are taken.
func TestCloseFramesAreEchoedAndEndTheConversation(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		h := serve(t, mode, Options{}, nil)
		for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
			c := h.dial(t)
			c.write(slicesOf(masked(bitFin|8, closePayload(code, "")), masked(bitFin|1, "late"), masked(bitFin|9, ""), masked(bitFin|8, "")))
			c.want(bitFin|8, closePayload(code, ""))
			c.wantEOF()
			_ = c.Close()
		}
		for _, reason := range []string{"bye", strings.Repeat("*", 123), "κόσμε"} {
			c := h.dial(t)
			c.write(masked(bitFin|8, closePayload(1000, reason)))
			c.want(bitFin|8, closePayload(1000, reason))
			c.wantEOF()
			_ = c.Close()
		}
		c := h.dial(t) // a fragment, a close, and the rest of the message
		c.write(slicesOf(masked(1, "fragment1"), masked(bitFin|8, closePayload(1000, "")), masked(bitFin, "fragment2")))
		c.want(bitFin|8, closePayload(1000, ""))
		c.wantEOF()
	})
}

// Section 9: megabytes, in one frame, in fragments and in chops.
func TestLargeMessages(t *testing.T) {
	const size = 4 << 20
	h := serve(t, "loop", Options{MaxMessageBytes: size, MaxQueuedBytes: 4 * size}, nil)
	payload := strings.Repeat("0123456789abcdef", size/16)
	for _, fragment := range []int{size, 1 << 20, 64 << 10, 4 << 10, 64} {
		t.Run(fmt.Sprint("fragments of ", fragment), func(t *testing.T) {
			c := h.dial(t)
			var wire bytes.Buffer
			first := byte(OpBinary)
			for from := 0; from < size; from += fragment {
				if from+fragment == size {
					first |= bitFin
				}
				wire.Write(masked(first, payload[from:from+fragment]))
				first = 0
			}
			c.write(wire.Bytes())
			c.want(bitFin|byte(OpBinary), payload)
		})
	}
}

// Sections 12 and 13: compressed messages of many sizes and fragmentations.
func TestCompressedMessagesOfManySizes(t *testing.T) {
	h := serve(t, "loop", Options{MaxMessageBytes: 1 << 20, Compression: &Compression{Threshold: -1}}, nil)
	for _, offer := range []string{
		"permessage-deflate", "permessage-deflate; client_max_window_bits=9",
		"permessage-deflate; server_no_context_takeover; client_max_window_bits",
		"permessage-deflate; server_max_window_bits=15; client_no_context_takeover",
	} {
		c := h.dial(t, "Sec-WebSocket-Extensions: "+offer)
		for _, n := range []int{0, 16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072} {
			text := strings.Repeat(`{"a":1,"β":[null,true]} `, n/24+1)
			packed := pack(t, text)
			for _, fragment := range []int{len(packed), max(len(packed)/3, 1)} {
				first := bitRsv1 | byte(OpText)
				for rest := packed; ; {
					k := min(fragment, len(rest))
					if k == len(rest) {
						c.write(masked(first|bitFin, rest))
						break
					}
					c.write(masked(first, rest[:k]))
					rest, first = rest[k:], 0
				}
				f, err := c.read()
				got := f.payload
				if err == nil && f.first&bitRsv1 != 0 {
					got = unpack(t, got)
				}
				if err != nil || got != text {
					t.Fatalf("%s, %d bytes: got %v, %v", offer, len(text), f, err)
				}
			}
		}
		_ = c.Close()
	}
}
