package webtransport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"podium/protocol/budget"
	"podium/protocol/engineio"
	"podium/protocol/internal/cost"
)

const testLimit = 70_000

// read reads all packets off r, as text or behind a "b", and how that ended.
func read(r io.Reader, limit int64) (packets []string, err error) {
	p := packetReader{
		from: r, limit: limit, began: func() {}, done: func() {},
		charge: func(func()) *budget.Charge { return nil },
	}
	for {
		data, isBinary, err := p.next()
		if err != nil {
			return packets, err
		}
		mark := ""
		if isBinary {
			mark = "b"
		}
		packets = append(packets, mark+string(data))
	}
}

// frame is a packet as a client sends it.
func frame(packet string) []byte {
	data, isBinary := strings.CutPrefix(packet, "b")
	return append(appendHeader(nil, len(data), isBinary), data...)
}

func TestPacketsAreFramedAsTheOfficialParserDoes(t *testing.T) {
	for packet, want := range map[string]string{
		"0":                            "\x010",
		"4é":                           "\x034é",
		"b\x01\x02":                    "\x82\x01\x02",
		strings.Repeat("x", 125):       "\x7d" + strings.Repeat("x", 125),
		strings.Repeat("x", 126):       "\x7e\x00\x7e" + strings.Repeat("x", 126),
		strings.Repeat("x", 65535):     "\x7e\xff\xff" + strings.Repeat("x", 65535),
		strings.Repeat("x", 65536):     "\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + strings.Repeat("x", 65536),
		"b" + strings.Repeat("x", 126): "\xfe\x00\x7e" + strings.Repeat("x", 126),
	} {
		if got := string(frame(packet)); got != want {
			t.Errorf("%.20q is framed as %.20q, want %.20q", packet, got, want)
		}
		for cut, r := range map[string]io.Reader{
			"whole": strings.NewReader(want), "byte by byte": iotest.OneByteReader(strings.NewReader(want)), "with its end": iotest.DataErrReader(strings.NewReader(want)),
		} {
			if got, err := read(r, testLimit); !slices.Equal(got, []string{packet}) || err != io.EOF {
				t.Errorf("%.20q %s is read as %.40q, %v", want, cut, got, err)
			}
		}
	}
}

func TestWhatIsNoPacketIsRefused(t *testing.T) {
	for input, want := range map[string]error{
		"":                                     io.EOF,
		"\x00":                                 engineio.ErrInvalidPacket,
		"\x80":                                 engineio.ErrInvalidPacket,
		"\x7e\x00\x00":                         engineio.ErrInvalidPacket,
		"\x7f" + zeros(8):                      engineio.ErrInvalidPacket,
		"\x7f" + strings.Repeat("\xff", 8):     engineio.ErrInvalidPacket,
		"\x7f\x00\x20" + zeros(6):              engineio.ErrInvalidPacket, // beyond what JavaScript can count
		"\x7f\x00\x00\x00\x00\x00\x01\x11\x71": engineio.ErrInvalidPacket, // one more than the limit
		"\x02\xff\xff":                         engineio.ErrInvalidPacket, // not UTF-8
		"\x02a":                                io.ErrUnexpectedEOF,
		"\x7e\x00":                             io.ErrUnexpectedEOF,
		"\x7f" + zeros(5):                      io.ErrUnexpectedEOF,
	} {
		if got, err := read(strings.NewReader(input), testLimit); !errors.Is(err, want) || len(got) > 0 {
			t.Errorf("%q is read as %q, %v; want %v", input, got, err, want)
		}
	}
	// Lengths that could be shorter are read, as by the official parser.
	if got, err := read(strings.NewReader("\x7e\x00\x01a\x7f\x00\x00\x00\x00\x00\x00\x00\x01b"), testLimit); !slices.Equal(got, []string{"a", "b"}) || err != io.EOF {
		t.Errorf("long lengths are read as %q, %v", got, err)
	}
}

func zeros(n int) string { return strings.Repeat("\x00", n) }

// A header may announce what it likes: memory is taken, and charged, as the rest arrives.
func TestALargePacketIsChargedAsItArrives(t *testing.T) {
	machine := budget.New(1 << 20)
	share := machine.Share("messages", 1<<20)
	in, client := io.Pipe()
	evicted := false
	p := packetReader{
		from: in, limit: 1 << 20, began: func() {}, done: func() {},
		charge: func(evict func()) *budget.Charge { return share.Open(netip.Addr{}, evict) }, evict: func() { evicted = true },
	}
	whole := frame("4" + strings.Repeat("x", 99_999))
	go func() { _, _ = client.Write(whole[:100]) }()
	first := make([]byte, 100)
	_, _ = io.ReadFull(in, first)
	if machine.Held() != 0 {
		t.Errorf("a header alone is charged with %d bytes", machine.Held())
	}
	p.from = io.MultiReader(bytes.NewReader(first), in)
	go func() { _, _ = client.Write(whole[100:]); _ = client.Close() }()
	data, _, err := p.next()
	if err != nil || len(data) != 100_000 || machine.Held() < 100_000 {
		t.Errorf("%d bytes were read, %v, and %d are charged", len(data), err, machine.Held())
	}
	if _, _, err := p.next(); err != io.EOF || machine.Held() != 0 || evicted {
		t.Errorf("after it: %v, %d bytes are charged", err, machine.Held())
	}
	full := packetReader{
		from: bytes.NewReader(whole), limit: 1 << 20, began: func() {}, done: func() {},
		charge: func(evict func()) *budget.Charge { return machine.Share("none", 1).Open(netip.Addr{}, evict) },
	}
	if _, _, err := full.next(); !errors.Is(err, budget.ErrFull) {
		t.Errorf("without memory: %v", err)
	}
}

// reference reads packets in the plainest way.
func reference(b []byte, limit int64) (packets []string) {
	for len(b) > 0 {
		mark, size, head := "", uint64(b[0]&0x7f), 1
		if b[0] > 0x7f {
			mark = "b"
		}
		switch {
		case size == 126 && len(b) >= 3:
			size, head = uint64(binary.BigEndian.Uint16(b[1:])), 3
		case size == 127 && len(b) >= 9:
			size, head = binary.BigEndian.Uint64(b[1:]), 9
		case size >= 126:
			return packets
		}
		if size == 0 || size > uint64(limit) || uint64(len(b)-head) < size {
			return packets
		}
		packet := b[head : uint64(head)+size]
		if mark == "" && !utf8.Valid(packet) {
			return packets
		}
		packets = append(packets, mark+string(packet))
		b = b[uint64(head)+size:]
	}
	return packets
}

// FuzzPackets compares what is read with a plain reader, in other cuts of the same
// bytes, and with the way back; and holds it to what it may cost.
func FuzzPackets(f *testing.F) {
	for _, packets := range [][]string{
		{"0"}, {`0{"sid":"abc"}`, "2probe", "5"}, {"4hello", "b\x01\x02\x03", "3"}, {strings.Repeat("x", 126)}, {strings.Repeat("x", 5000), "1"},
	} {
		var b []byte
		for _, p := range packets {
			b = append(b, frame(p)...)
		}
		f.Add(b, uint16(3))
	}
	for _, b := range []string{"\x00", "\x80", "\x7e\x00\x00", "\x7f\xff", "\x7f" + zeros(8), "\x02\xff\xff", "\x7e\x00\x01a", "\x7f\x00\x00\x00\x00\x00\x00\x10\x00x"} {
		f.Add([]byte(b), uint16(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		const limit = 6000
		var got []string
		var err error
		cost.Bound(t, len(b), func() { got, err = read(bytes.NewReader(b), limit) })
		if want := reference(b, limit); !slices.Equal(got, want) {
			t.Fatalf("read as %q, %v; want %q", got, err, want)
		}
		if err == nil || err == io.EOF && len(got) == 0 && len(b) > 0 {
			t.Fatalf("it ended with %v", err)
		}
		again, errAgain := read(cutter{bytes.NewReader(b), 1 + int(cut)%100}, limit)
		if !slices.Equal(again, got) || fmt.Sprint(errAgain) != fmt.Sprint(err) {
			t.Fatalf("in pieces it is read as %q, %v; else as %q, %v", again, errAgain, got, err)
		}
		var back []byte
		for _, p := range got {
			back = append(back, frame(p)...)
		}
		if again, err := read(bytes.NewReader(back), limit); err != io.EOF || !slices.Equal(again, got) && !ambiguous(got) {
			t.Fatalf("written again it is read as %q, %v", again, err)
		}
	})
}

// ambiguous reports whether a text packet begins with the mark of binary ones.
func ambiguous(packets []string) bool {
	return slices.ContainsFunc(packets, func(p string) bool { return strings.HasPrefix(p, "b") })
}

// cutter reads a few bytes at a time.
type cutter struct {
	io.Reader
	most int
}

func (c cutter) Read(b []byte) (int, error) { return c.Reader.Read(b[:min(len(b), c.most)]) }
