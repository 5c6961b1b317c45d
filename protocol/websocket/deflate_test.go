package websocket

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

const offerDeflate = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"

// unbounded lets a message become what it becomes.
func unbounded(int, int) bool { return true }

// pack compresses like a client without context takeover.
func pack(t testing.TB, payload string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 9)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, payload); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), flushTail)
}

func unpack(t testing.TB, packed string) string {
	t.Helper()
	b, err := io.ReadAll(flate.NewReader(strings.NewReader(packed + flushTail + finalBlock)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestCompressedMessagesBothWays(t *testing.T) {
	run(t, func(t *testing.T, mode string) {
		h := serve(t, mode, Options{Compression: &Compression{Threshold: 100}}, nil)
		c := h.dial(t, offerDeflate)
		if !h.conn(t).Compressed() {
			t.Fatal("not negotiated")
		}
		long := strings.Repeat("long and dull, κόσμε. ", 3000)
		for range 3 { // nothing is carried over from message to message
			packed := pack(t, long)
			c.write(masked(bitRsv1|byte(OpText), packed[:7]))
			c.write(masked(bitFin|byte(opPing), ""))
			c.write(masked(0, packed[7:20]))
			c.write(masked(bitFin, packed[20:]))
			c.want(bitFin|byte(opPong), "")
			f, err := c.read()
			if err != nil || f.first != bitFin|bitRsv1|byte(OpText) || unpack(t, f.payload) != long {
				t.Fatalf("got %v, %v", f, err)
			}
		}
		c.write(masked(bitFin|bitRsv1|byte(OpText), pack(t, "short")))
		c.want(bitFin|byte(OpText), "short") // below the threshold
		c.write(masked(bitFin|byte(OpText), "not compressed"))
		c.want(bitFin|byte(OpText), "not compressed")
		c.write(masked(bitFin|bitRsv1|byte(OpText), "\x00"))
		c.want(bitFin|byte(OpText), "") // the empty message of RFC 7692, section 7.2.3.6
	})
}

func TestRandomBytesAreNotCompressed(t *testing.T) {
	h := serve(t, "loop", Options{Compression: &Compression{Threshold: -1}}, nil)
	c := h.dial(t, offerDeflate)
	noise := make([]byte, 5000)
	source := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(source.Uint32())
	}
	c.write(masked(bitFin|byte(OpBinary), string(noise)))
	c.want(bitFin|byte(OpBinary), string(noise))
	conn := h.conn(t)
	dull := []byte(strings.Repeat("d", 5000))
	_ = conn.Send(NewMessage(OpBinary, dull).Uncompressed())
	c.want(bitFin|byte(OpBinary), string(dull))
	_ = conn.SendParts(OpBinary, dull)
	if f, err := c.read(); err != nil || f.first != bitFin|bitRsv1|byte(OpBinary) {
		t.Errorf("got %v, %v", f, err)
	}
}

func TestMessageIsCompressedOnce(t *testing.T) {
	o := Options{Compression: &Compression{}}
	c, _ := fakeConn(o, newRecorder(nil), true)
	plain, _ := fakeConn(Options{}, newRecorder(nil), false)
	m := NewMessage(OpText, []byte(strings.Repeat("again ", 1000)))
	first := m.frameFor(c)
	if second := m.frameFor(c); &first[0] != &second[0] {
		t.Error("compressed twice")
	}
	if len(first) >= len(m.frame) || len(m.frameFor(plain)) != len(m.frame) {
		t.Error("wrong form")
	}
}

func TestBadlyCompressedMessages(t *testing.T) {
	bomb := pack(t, strings.Repeat("\x00", 8<<20))
	cases := []struct {
		name string
		sent []byte
		code int
	}{
		{"bomb", masked(bitFin|bitRsv1|byte(OpBinary), bomb), 1009},
		{"garbage", masked(bitFin|bitRsv1|byte(OpBinary), "\xff\xff\xff garbage"), 1007},
		{"cut off", masked(bitFin|bitRsv1|byte(OpText), pack(t, "some text that is cut off")[:9]), 1007},
		{"not UTF-8 inside", masked(bitFin|bitRsv1|byte(OpText), pack(t, "\xff")), 1007},
		{"bit on a continuation", append(masked(bitRsv1|byte(OpText), "x"), masked(bitFin|bitRsv1, "x")...), 1002},
		{"bit on a ping", masked(bitFin|bitRsv1|byte(opPing), "x"), 1002},
	}
	run(t, func(t *testing.T, mode string) {
		for _, tc := range cases {
			r := newRecorder(nil)
			h := serve(t, mode, Options{Compression: &Compression{}}, func() Handler { return r })
			c := h.dial(t, offerDeflate)
			c.write(tc.sent)
			c.wantClose(tc.code)
			_ = c.Close()
			var bad *ProtocolError
			if err := r.wantClosed(t); !errors.As(err, &bad) || bad.Code != tc.code {
				t.Errorf("%s: OnClose got %v", tc.name, err)
			}
		}
	})
}

func TestBombIsNotHeldInMemory(t *testing.T) {
	s := NewServer(Options{MaxMessageBytes: 10000, Compression: &Compression{}})
	bomb := pack(t, strings.Repeat("\x00", 8<<20))
	if len(bomb) > 60000 {
		t.Fatalf("no bomb: %d bytes", len(bomb))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const times = 20
	for range times {
		if _, bad := s.inflate([]byte(bomb), unbounded); bad == nil || bad.Code != CloseTooBig {
			t.Fatal(bad)
		}
	}
	runtime.ReadMemStats(&after)
	if per := (after.TotalAlloc - before.TotalAlloc) / times; per > 1<<20 {
		t.Errorf("%d bytes are allocated for a bomb", per)
	}
}
