package pictures

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"slices"
	"testing"
)

// box is a box of ISO/IEC 14496-12.
func box(kind string, body ...[]byte) []byte {
	content := slices.Concat(body...)
	return slices.Concat(binary.BigEndian.AppendUint32(nil, uint32(8+len(content))), []byte(kind), content)
}

// within returns the first box of a kind, wherever it is.
func within(t *testing.T, data []byte, kind string) []byte {
	t.Helper()
	at := bytes.Index(data, []byte(kind)) - 4
	if at < 0 {
		t.Fatalf("it has no %s", kind)
	}
	return data[at:][:binary.BigEndian.Uint32(data[at:])]
}

// tiled is a HEIC picture of w by h pixels that names the one tile of another file for
// each of rows × columns places (ISO/IEC 23008-12, 6.6.2.3).
func tiled(t *testing.T, tile []byte, w, h, rows, columns int) []byte {
	t.Helper()
	u16 := func(v ...int) (out []byte) {
		for _, one := range v {
			out = binary.BigEndian.AppendUint16(out, uint16(one))
		}
		return out
	}
	u32 := func(v int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(v)) }
	pixels := within(t, tile, "mdat")[8:]
	grid := slices.Concat([]byte{0, 1, byte(rows - 1), byte(columns - 1)}, u32(w), u32(h))
	infe := func(id int, kind string) []byte {
		return box("infe", []byte{2, 0, 0, 0}, u16(id, 0), []byte(kind+"\x00"))
	}
	refs := make([]int, rows*columns)
	for i := range refs {
		refs[i] = 1
	}
	meta := func(mdat int) []byte {
		return box("meta", make([]byte, 4), within(t, tile, "hdlr"), box("pitm", make([]byte, 4), u16(2)),
			box("iloc", make([]byte, 4), []byte{0x44, 0}, u16(2), u16(1, 0, 1), u32(mdat+8), u32(len(pixels)), u16(2, 0, 1), u32(mdat+8+len(pixels)), u32(len(grid))),
			box("iinf", make([]byte, 4), u16(2), infe(1, "hvc1"), infe(2, "grid")),
			box("iref", make([]byte, 4), box("dimg", u16(2, len(refs)), u16(refs...))),
			box("iprp", box("ipco", within(t, tile, "hvcC"), within(t, tile, "ispe"), box("ispe", make([]byte, 4), u32(w), u32(h))),
				box("ipma", make([]byte, 4), u32(2), u16(1), []byte{2, 0x81, 2}, u16(2), []byte{1, 3})))
	}
	ftyp := within(t, tile, "ftyp")
	return slices.Concat(ftyp, meta(len(ftyp)+len(meta(0))), box("mdat", pixels, grid))
}

// A picture of tiles is put together. One that names more tiles than it shows would keep
// a processor busy, and is refused; pictures behind the first do not count.
func TestAPictureOfTilesIsBoundedByWhatItShows(t *testing.T) {
	p := newPictures(t)
	tile := seed(t, "bars.heic") // 96 by 64
	m := p.kept(t, tiled(t, tile, 288, 128, 2, 3))
	for i := range 9 {
		if got := m.At(32*i+16, 100); !near(got, bars[i%3], 8) {
			t.Errorf("bar %d is %v, want %v", i, got, bars[i%3])
		}
	}
	pixels := within(t, tile, "mdat")
	many := append(bytes.TrimSuffix(bytes.Clone(tile), pixels), box("mdat", bytes.Repeat(pixels[8:], 2000))...)
	sameBars(t, p.kept(t, tiled(t, many, 96, 64, 1, 1)), bars, 14) // the first is shown, and no more decoded
	if _, err := p.keep(t, tiled(t, tile, 64, 64, 200, 200)); err == nil || refusal(t, err) != http.StatusUnsupportedMediaType {
		t.Errorf("40,000 tiles: %v", err)
	}
}
