package websocket

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// The cases follow the sections of Autobahn's fuzzing client: framing, reserved
// bits, opcodes, fragmentation, UTF-8, close handling, limits.
func TestViolationsCloseWithTheirCode(t *testing.T) {
	const fin = bitFin
	unmasked := string(appendHeader(nil, fin|byte(OpText), 2)) + "hi"
	cases := []struct {
		name string
		sent string
		code int
	}{
		{"unmasked frame", unmasked, 1002},
		{"rsv1 without extension", string(masked(fin|0x40|1, "x")), 1002},
		{"rsv2", string(masked(fin|0x20|1, "x")), 1002},
		{"rsv3", string(masked(fin|0x10|1, "x")), 1002},
		{"all reserved bits on a ping", string(masked(fin|0x70|9, "x")), 1002},
		{"opcode 3", string(masked(fin|3, "x")), 1002},
		{"opcode 7", string(masked(fin|7, "x")), 1002},
		{"opcode 11", string(masked(fin|11, "")), 1002},
		{"opcode 15", string(masked(fin|15, "")), 1002},
		{"ping of 126 bytes", string(masked(fin|9, strings.Repeat("p", 126))), 1002},
		{"fragmented ping", string(masked(9, "p")), 1002},
		{"fragmented close", string(masked(8, "")), 1002},
		{"continuation of nothing", string(masked(fin, "x")), 1002},
		{"continuation after a whole message", string(masked(fin|1, "x")) + string(masked(fin, "x")), 1002},
		{"message within a message", string(masked(1, "x")) + string(masked(fin|1, "x")), 1002},
		{"length in 16 bits though it fits 7", "\x81\xfe\x00\x05\x00\x00\x00\x00hello", 1002},
		{"length in 64 bits though it fits 16", "\x81\xff\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00hello", 1002},
		{"length with the highest bit", "\x81\xff\x80\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00", 1002},
		{"close of one byte", string(masked(fin|8, "x")), 1002},
		{"close reason not UTF-8", string(masked(fin|8, closePayload(1000, "\xce\xba\xff"))), 1007},
		{"text not UTF-8", string(masked(fin|1, "a\xed\xa0\x80z")), 1007},
		{"text ends within a character", string(masked(fin|1, "κ"[:1])), 1007},
		{"fragments end within a character", string(masked(1, "\xce")) + string(masked(fin, "")), 1007},
		{"fragment already wrong", string(masked(1, "\xf4\x90")), 1007},
		{"piece of a frame already wrong", string(masked(fin|1, "\xf4\x90\x80\x80"))[:8], 1007},
		{"message too big", string(masked(fin|2, strings.Repeat("b", 2001))), 1009},
		{"announced too big", string(masked(fin|2, strings.Repeat("b", 70000)))[:20], 1009},
		{"fragments too big", string(masked(2, strings.Repeat("b", 1500))) + string(masked(fin, strings.Repeat("b", 501))), 1009},
	}
	for _, code := range []int{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		cases = append(cases, struct {
			name string
			sent string
			code int
		}{fmt.Sprint("close code ", code), string(masked(fin|8, closePayload(code, ""))), 1002})
	}
	run(t, func(t *testing.T, mode string) {
		rs := make(chan *recorder, 1)
		h := serve(t, mode, Options{MaxMessageBytes: 2000}, func() Handler {
			r := newRecorder(nil)
			rs <- r
			return r
		})
		for _, tc := range cases {
			t.Run(tc.name, func(t *testing.T) {
				c := h.dial(t)
				r := <-rs
				c.write([]byte(tc.sent))
				c.wantClose(tc.code)
				_ = c.Close()
				var bad *ProtocolError
				if err := r.wantClosed(t); !errors.As(err, &bad) || bad.Code != tc.code {
					t.Errorf("OnClose got %v", err)
				}
			})
		}
	})
}

func TestWhatTheProtocolAllows(t *testing.T) {
	const fin = bitFin
	cases := []struct {
		name string
		sent []frame
		want []frame
	}{
		{"pings of every length", []frame{{fin | 9, ""}, {fin | 9, strings.Repeat("p", 125)}}, []frame{{fin | 10, ""}, {fin | 10, strings.Repeat("p", 125)}}},
		{"unsolicited pong", []frame{{fin | 10, "whatever"}, {fin | 1, "x"}}, []frame{{fin | 1, "x"}}},
		{"empty fragments", []frame{{1, ""}, {0, ""}, {fin, ""}}, []frame{{fin | 1, ""}}},
		{"character over three fragments", []frame{{1, "\xf0\x9f"}, {0, "\x98"}, {fin, "\x80"}}, []frame{{fin | 1, "😀"}}},
		{"pings between fragments", []frame{{2, "a"}, {fin | 9, "1"}, {0, "b"}, {fin | 9, "2"}, {fin, "c"}}, []frame{{fin | 10, "1"}, {fin | 10, "2"}, {fin | 2, "abc"}}},
		{"binary is not text", []frame{{fin | 2, "\xff\xfe\x00"}}, []frame{{fin | 2, "\xff\xfe\x00"}}},
		{"text with all there is", []frame{{fin | 1, "\x00\x7f\u0080߿ࠀ￿\U00010000\U0010ffff"}}, []frame{{fin | 1, "\x00\x7f\u0080߿ࠀ￿\U00010000\U0010ffff"}}},
		{"exactly the limit", []frame{{2, strings.Repeat("l", 1999)}, {fin, "l"}}, []frame{{fin | 2, strings.Repeat("l", 2000)}}},
	}
	run(t, func(t *testing.T, mode string) {
		h := serve(t, mode, Options{MaxMessageBytes: 2000}, nil)
		for _, tc := range cases {
			t.Run(tc.name, func(t *testing.T) {
				c := h.dial(t)
				for _, f := range tc.sent {
					c.write(masked(f.first, f.payload))
				}
				for _, f := range tc.want {
					c.want(f.first, f.payload)
				}
			})
		}
	})
}
