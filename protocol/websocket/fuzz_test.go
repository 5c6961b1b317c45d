package websocket

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// transcript is a handler that writes down what it gets.
type transcript struct{ strings.Builder }

func (s *transcript) OnMessage(_ *Conn, op Opcode, data []byte) { fmt.Fprintf(s, "%d %q\n", op, data) }
func (s *transcript) OnClose(*Conn, error)                      {}

// FuzzReceive feeds the same bytes whole, one by one, and cut at a fuzzed place:
// what is delivered and what is answered must not depend on the cuts, and be what
// expected, which is written another way, makes of them.
func FuzzReceive(f *testing.F) {
	text := bitFin | byte(OpText)
	for _, b := range [][]byte{
		masked(text, "hello"),
		append(masked(byte(OpText), "\xf0\x9f"), masked(bitFin, "\x98\x80")...),
		append(masked(byte(OpBinary), "a"), masked(bitFin|byte(opPing), "p")...),
		slices.Concat(masked(byte(OpText), "a"), masked(bitFin|byte(opPong), ""), masked(0, "b"), masked(bitFin, "c"), masked(text, "d")),
		masked(bitFin|byte(opClose), closePayload(1000, "bye")),
		append(masked(bitFin|byte(opClose), ""), masked(text, "too late")...),
		masked(bitFin|byte(opClose), closePayload(4000, "\xff")),
		masked(bitFin|byte(opClose), "x"),
		masked(text, "\xff"), masked(text, "\xed\xa0\x80"), masked(text, "\xf4\x90\x80\x80"), masked(byte(OpText), "a\xc3"),
		masked(text, strings.Repeat("κόσμε", 50)), masked(bitFin|byte(OpBinary), strings.Repeat("x", 4000)),
		masked(text, strings.Repeat("x", 4001)),
		append(masked(byte(OpText), strings.Repeat("x", 3999)), masked(bitFin, "xx")...),
		masked(bitFin|3, ""), masked(bitFin|bitRsv|byte(OpText), "a"), masked(byte(opPing), "a"), masked(bitFin, "a"),
		{text, 1, 'a'}, {text, bitMask | 126, 0, 125, 0, 0, 0, 0}, {text, bitMask | 127, 0, 0, 0, 0, 0, 0, 255, 255}, {text, bitMask | 127, 255},
	} {
		f.Add(b, uint(3), false)
	}
	for _, code := range []int{999, 1003, 1004, 1006, 1007, 1014, 1015, 2999, 3000, 4999, 5000} {
		f.Add(masked(bitFin|byte(opClose), closePayload(code, "")), uint(3), false)
	}
	for _, b := range []string{pack(f, "compressed, compressed"), pack(f, strings.Repeat("x", 4001)), pack(f, "\xff"), "\xff\xff"} {
		f.Add(masked(text|bitRsv1, b), uint(9), true)
		f.Add(append(masked(byte(OpText)|bitRsv1, b[:1]), masked(bitFin, b[1:])...), uint(9), true)
	}
	srv := NewServer(Options{MaxMessageBytes: fuzzLimit, Compression: &Compression{}, Logger: slog.New(slog.DiscardHandler)})
	f.Fuzz(func(t *testing.T, b []byte, cut uint, deflate bool) {
		if len(b) > 1<<14 {
			return
		}
		messages, sent := expected(b, deflate)
		i := int(cut % uint(len(b)+1))
		single := slices.Collect(slices.Chunk(b, 1))
		for _, pieces := range [][][]byte{{b}, {b[:i], b[i:]}, single} {
			got := &transcript{}
			c, l := fakeConnOf(srv, got, deflate)
			for _, p := range pieces {
				c.receive(bytes.Clone(p))
			}
			c.dropInbound()
			if got.String() != messages || !bytes.Equal(l.sent, sent) {
				t.Fatalf("%x in %d pieces: %q, %x; expected %q, %x", b, len(pieces), got, l.sent, messages, sent)
			}
		}
	})
}

// FuzzHandshake compares with referenceHandshake, which is written another way.
func FuzzHandshake(f *testing.F) {
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	for _, extensions := range []string{
		"", "permessage-deflate", "permessage-deflate; client_max_window_bits", "x-webkit-deflate-frame, permessage-deflate;client_max_window_bits=10",
		"permessage-deflate; server_max_window_bits=10, permessage-deflate", `permessage-deflate; server_max_window_bits="15"`,
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover", "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
		"permessage-deflate; server_no_context_takeover=1", "permessage-deflate; client_max_window_bits=7", "permessage-deflate; client_max_window_bits=08",
		`permessage-deflate; client_max_window_bits=15"`, "permessage-deflate; server_max_window_bits", "permessage-deflate; unknown", "permessage-deflate;", ",;=",
	} {
		f.Add("Upgrade", "websocket", "13", key, extensions)
	}
	f.Add("keep-alive, upgrade", "h2c,WebSocket", "13", key, "")
	f.Add("close", "websocket", "13", key, "")
	f.Add("Upgrade", "websockets", "13", key, "")
	f.Add("Upgrade", "websocket", "8", key, "")
	f.Add("Upgrade", "websocket", "13", key[1:], "")
	f.Add("Upgrade", "websocket", "13", key[:22], "")
	f.Add("Upgrade", "websocket", "13", "dGhlIHNhbXBsZSBub25jZQ=!", "")
	f.Fuzz(func(t *testing.T, connection, upgrade, version, key, extensions string) {
		r := &http.Request{Method: http.MethodGet, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{
			"Connection": {connection}, "Upgrade": {upgrade}, "Sec-Websocket-Version": {version},
			"Sec-Websocket-Key": {key}, "Sec-Websocket-Extensions": {extensions},
		}}
		for _, values := range r.Header {
			if !printable.MatchString(values[0]) {
				return // net/http lets no such value through, or trims it
			}
		}
		status := 0
		if bad := checkHandshake(r); bad != nil {
			status = bad.Status
		}
		if want := referenceHandshake(connection, upgrade, version, key); status != want {
			t.Fatalf("%q: %d, expected %d", r.Header, status, want)
		}
		if got, want := deflateAnswer(r.Header["Sec-Websocket-Extensions"]), referenceDeflate(extensions); got != want {
			t.Fatalf("%q: %q, expected %q", extensions, got, want)
		}
	})
}

// FuzzInflate wants no input to exceed the limit, and what was deflated to come back.
func FuzzInflate(f *testing.F) {
	f.Add([]byte("some text, some text"))
	f.Add([]byte("\xff\xff"))
	s := NewServer(Options{MaxMessageBytes: 5000, Compression: &Compression{}})
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, bad := s.inflate(b, unbounded); bad == nil && len(*got) > 5000 {
			t.Fatalf("%d bytes came out", len(*got))
		}
		got, bad := s.inflate([]byte(pack(t, string(b))), unbounded)
		if len(b) <= 5000 && (bad != nil || !bytes.Equal(*got, b)) {
			t.Fatalf("%q did not come back: %v", b, bad)
		}
	})
}
