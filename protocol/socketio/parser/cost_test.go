package parser

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
)

// allocated is what f allocates, in bytes.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// FuzzCost holds what a packet makes the server allocate to a multiple of its bytes:
// decoding it, decoding its values in the ways that handlers do, and passing it on.
// The packet is unit many times over between head and tail, so that what grows faster
// than the packet shows.
func FuzzCost(f *testing.F) {
	attachment := bytes.Repeat([]byte("a"), 8<<10)
	for _, unit := range []string{
		`@`, `[@]`, `{"":@}`, `{"b":@,"a":[{}]}`, `{}`, `[]`, `""`, `{"":0}`, `{"\u0061":0}`, `{"\u005fplaceholder":true,"num":0}`, `[[[[]]]]`, `0`,
	} {
		unit = "," + strings.ReplaceAll(unit, "@", `{"_placeholder":true,"num":0}`)
		f.Add(`51-["a",[0`, unit, `]]`, uint16(2000))
		f.Add(`51-["a"`, unit, `]`, uint16(2000))
		f.Add(`2["a",[0`, unit, `]]`, uint16(2000))
	}
	f.Add(`51-["a",{"a":`, `{"a":`, `0}}]`, uint16(500))
	f.Add(`2["`, `\u0061`, `"]`, uint16(2000))
	f.Add(`0/`, `a`, `,{}`, uint16(2000))
	f.Fuzz(func(t *testing.T, head, unit, tail string, times uint16) {
		text := head + strings.Repeat(unit, min(int(times), (64<<10)/(len(unit)+1))) + tail
		spent := allocated(func() { useUp(text, attachment) })
		// An empty object in an interface takes some 50 bytes for each of its own. What is
		// copied for placeholders in any case, and the growing of buffers, is the rest.
		if most := uint64(160*(len(text)+len(attachment)) + 8*freeCopies); spent > most {
			t.Fatalf("%d bytes and %d attached allocate %d, more than %d", len(text), len(attachment), spent, most)
		}
	})
}

// useUp does what a server may do with a packet.
func useUp(text string, attachment []byte) {
	d := JSON{MaxAttachments: 1}.NewDecoder()
	var p Packet
	done, err := d.Decode([]byte(text), false, &p)
	if err == nil && !done {
		done, err = d.Decode(attachment, true, &p)
	}
	if err != nil || !done {
		return
	}
	for _, v := range p.Values {
		var tree any
		_ = v.Decode(&tree)
		var list []Binary
		_ = v.Decode(&list)
		var object map[string]Binary
		_ = v.Decode(&object)
	}
	_, _ = p.Values.Get(0).MarshalJSON()
	out := Packet{Type: Event, Namespace: "/", ID: NoID, Event: "e", Args: p.Values.Clone().Any()}
	_, _ = JSON{}.Encode(&out)
}

// However short arguments are, each is kept apart: there is a bound to them.
func TestAnEventHasABoundedNumberOfArguments(t *testing.T) {
	for n, fits := range map[int]bool{MaxArguments - 1: true, MaxArguments: false, 500_000: false} {
		text := []byte(`2["a"` + strings.Repeat(",1", n) + "]")
		var p Packet
		var err error
		spent := allocated(func() { _, err = JSON{}.NewDecoder().Decode(text, false, &p) })
		if (err == nil) != fits || fits && len(p.Values) != n {
			t.Errorf("%d arguments: %v", n, err)
		}
		if spent > 2<<20 {
			t.Errorf("%d arguments allocate %d bytes", n, spent)
		}
	}
}
