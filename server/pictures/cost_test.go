package pictures

import (
	"encoding/binary"
	"image"
	"strings"
	"testing"

	"podium/server/internal/cost"
)

// parsers are what reads a stranger's picture before its pixels are decoded, or in place
// of that. Decoders are bounded by pixels and memory instead.
var parsers = map[string]func([]byte){
	"JPEG":        func(b []byte) { _, _ = keepJPEG(b) },
	"orientation": func(b []byte) { _ = tiffOrientation(b) },
	"profile":     func(b []byte) { _ = plainRGB(b) },
	"kind":        func(b []byte) { _, _ = sniff(b) },
	"GIF":         func(b []byte) { _, _ = openGIF(b) },
}

// costly are beginnings, and parts that come again and again: what would be dear if it
// were read more than once.
func costly(t testing.TB) [][2]string {
	photo := string(jpegOf(t, image.NewGray(image.Rect(0, 0, 64, 64))))
	directory := "MM\x00*\x00\x00\x00\x08\xff\xff"
	profile := strings.Repeat("\x00", 16) + "RGB " + strings.Repeat("sRGB", 27) + "\xff\xff\xff\xff"
	scan := strings.Index(photo, "\xff\xda")
	wide := []byte(photo) // as many blocks as there can be
	sof := strings.Index(photo, "\xff\xc0")
	binary.BigEndian.PutUint32(wide[sof+5:], 0xffffffff)
	return [][2]string{
		{"\xff\xd8", "\xff\xff"}, {"\xff\xd8", "\xff\xfe\x00\x02"}, {"\xff\xd8", "\xff\xe1\x00\x08Exif\x00\x00"}, {"\xff\xd8", "\xff\xdb\x00\x02"},
		{"\xff\xd8", "\xff\xc4\x00\x02"}, {"\xff\xd8", "\xff\xdd\x00\x04\x00\x01"}, {"\xff\xd8", "\xff\xe2\x00\x90ICC_PROFILE\x00\x01\x01" + profile[:128]},
		{photo[:scan], "\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"}, {photo[:len(photo)-2], "\x00"}, {photo[:len(photo)-2], "\xff\x00"}, {string(wide), "\x00"}, {string(wide), "\xaa"},
		{directory, "\x01\x13\x00\x03"}, {directory, "\x00"}, {profile, "rXYZ\x00\x00\x00\x00\x00\x00\x00\x14"}, {profile, "aXYZ"},
		{"\x00\x00\xff\xffftypheic", "mif1"}, {"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff", "!\xf9\x00"}, {"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff", "!\xfe\x01a\x00"},
	}
}

// FuzzCost: reading a picture's form costs no more than its bytes.
func FuzzCost(f *testing.F) {
	for _, seed := range costly(f) {
		f.Add([]byte(seed[0]), []byte(seed[1]), []byte{0xff, markerEOI}, uint16(60_000))
	}
	f.Fuzz(func(t *testing.T, before, again, after []byte, times uint16) {
		input := []byte(string(before) + strings.Repeat(string(again), min(int(times), 256<<10/max(1, len(again)))) + string(after))
		for name, read := range parsers {
			t.Log(name)
			cost.Parsing.Check(t, len(input), func() { read(input) })
		}
	})
}
