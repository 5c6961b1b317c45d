package msgpack

import (
	"bytes"
	"runtime"
	"testing"

	"podium/protocol/socketio/parser"
)

// FuzzCost holds what a packet makes the server allocate to a multiple of its bytes:
// decoding it, decoding its values in the ways that handlers do, and passing it on.
// The packet is unit many times over between head and tail, so that what grows faster
// than the packet shows.
func FuzzCost(f *testing.F) {
	const event = "\x83\xa4type\x02\xa3nsp\xa1/\xa4data\xdc\x07\xd1\xa1a" // 2001 values
	for _, unit := range []string{
		"\xc0", "\x80", "\x90", "\x81\xa0\xc0", "\x81\x01\x80", "\x91\x91\x90", "\xa0", "\xa1\xff", "\xc4\x01a", "\xc7\x01\x00a",
		"\xd4\x00\x00", "\xd7\x00\x00\x00\x01\x8b\xcf\xe5\x68\x00", "\xcb\x7f\xef\xff\xff\xff\xff\xff\xff", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
	} {
		f.Add([]byte(event), []byte(unit), []byte{}, uint16(2000))
		f.Add(append([]byte(event[:len(event)-5]), "\x92\xa1a\xdc\x07\xd0"...), []byte(unit), []byte{}, uint16(2000))
	}
	f.Add([]byte("\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1a"), []byte("\x91"), []byte("\xc0"), uint16(500))
	f.Fuzz(func(t *testing.T, head, unit, tail []byte, times uint16) {
		packet := bytes.Repeat(unit, min(int(times), (64<<10)/(len(unit)+1)))
		packet = append(append(bytes.Clone(head), packet...), tail...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		useUp(packet)
		runtime.ReadMemStats(&after)
		// Each value, of one byte perhaps, is decoded four times, with an error or two; a
		// map of one entry takes some 300 bytes for three on the wire.
		if spent, most := after.TotalAlloc-before.TotalAlloc, uint64(1024*len(packet)+256<<10); spent > most {
			t.Fatalf("%d bytes allocate %d, more than %d", len(packet), spent, most)
		}
	})
}

// useUp does what a server may do with a packet.
func useUp(packet []byte) {
	var p parser.Packet
	done, err := (Parser{}).NewDecoder().Decode(packet, true, &p)
	if err != nil || !done {
		return
	}
	for _, v := range p.Values {
		var tree any
		_ = v.Decode(&tree)
		var list []parser.Binary
		_ = v.Decode(&list)
		var object map[string]parser.Binary
		_ = v.Decode(&object)
		_, _ = v.MarshalJSON()
	}
	out := parser.Packet{Type: parser.Event, Namespace: "/", ID: parser.NoID, Event: "e", Args: p.Values.Clone().Any()}
	_, _ = Parser{}.Encode(&out)
}
