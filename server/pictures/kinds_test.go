package pictures

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"maps"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"podium/server/pictures/codec"
)

// seed reads a small picture that another program made. Those of bars are 96 × 64:
// black, white and red from left to right.
func seed(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// kept keeps a picture and decodes what was kept.
func (p *Pictures) kept(t testing.TB, data []byte) image.Image {
	t.Helper()
	kept, err := p.keep(t, data)
	if err != nil {
		t.Fatal(err)
	}
	// Go's own package reads less than what may be kept.
	var out image.Image
	err = p.decoded(t.Context(), format{"JPEG", codec.JPEG}, p.stored(t, kept.Files[0]), displaySide, func(m *image.YCbCr) error {
		out = m
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var bars = []color.RGBA{{0, 0, 0, 255}, {255, 255, 255, 255}, {255, 0, 0, 255}}

func TestPicturesOfOtherProgramsKeepTheirColours(t *testing.T) {
	p := newPictures(t)
	metaLast := seed(t, "meta_last.heic")
	at := bytes.Index(metaLast, []byte("meta")) - 4
	free := make([]byte, 40<<10)
	binary.BigEndian.PutUint32(free, uint32(len(free)))
	copy(free[4:], "free")
	mif1 := bytes.Replace(seed(t, "bars.heic"), []byte("ftypheic"), []byte("ftypmif1"), 1)
	png := seed(t, "interlaced.png")
	for name, data := range map[string][]byte{
		"progressive JPEG, restart markers":      seed(t, "progressive.jpg"),
		"JPEG that is not interleaved, restarts": seed(t, "scans.jpg"),
		"JPEG in CMYK":                           seed(t, "cmyk.jpg"),
		"JPEG without its end":                   bytes.TrimSuffix(seed(t, "bars.jpg"), []byte{0xff, markerEOI}),
		"PNG of 16 bits, interlaced":             png,
		"PNG without its end":                    png[:len(png)-12],
		"lossy WebP":                             seed(t, "lossy.webp"),
		"moving WebP":                            seed(t, "moving.webp"),
		"WebP with a tail":                       append(seed(t, "lossy.webp"), "tail of another program"...),
		"HEIC, narrow":                           seed(t, "bars.heic"),
		"HEIC of brand mif1":                     mif1,
		"HEIC with its index at the end":         metaLast,
		"HEIC with its index beyond 32 KiB":      slices.Concat(metaLast[:at], free, metaLast[at:]),
	} {
		t.Run(name, func(t *testing.T) {
			m := p.kept(t, data)
			if m.Bounds() != image.Rect(0, 0, 96, 64) {
				t.Fatalf("it is %v", m.Bounds())
			}
			within := 6
			if name == "JPEG in CMYK" {
				within = 40 // nobody agrees on the colours of inks
			}
			for i, want := range bars {
				if got := m.At(32*i+16, 32); !near(got, want, within) {
					t.Errorf("bar %d is %v, want %v", i, got, want)
				}
			}
		})
	}
}

func TestTransparentHEICIsOnWhite(t *testing.T) {
	m := newPictures(t).kept(t, seed(t, "alpha.heic"))
	if !near(m.At(5, 12), color.RGBA{200, 30, 60, 255}, 12) || !near(m.At(34, 12), color.RGBA{255, 255, 255, 255}, 6) {
		t.Errorf("%v and %v", m.At(5, 12), m.At(34, 12))
	}
}

// chunk is a chunk of a PNG.
func chunk(kind string, body []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	out = append(append(out, kind...), body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

func TestOrientationIsFoundWhereBrowsersLook(t *testing.T) {
	p := newPictures(t)
	tall := image.Rect(0, 0, 40, 60)
	photo, png := jpegOf(t, gradient(60, 40)), pngOf(t, gradient(60, 40))
	turned := exif(6, binary.BigEndian)
	behindFill := append([]byte{0xff, markerSOI, 0xff, 0xff, 0xff}, withSegment(photo, markerAPP1, turned)[3:]...)
	for name, data := range map[string][]byte{
		"EXIF of a PNG":       slices.Concat(png[:33], chunk("eXIf", turned[6:]), png[33:]),
		"behind fill bytes":   behindFill,
		"behind another APP1": withSegment(withSegment(photo, markerAPP1, turned), markerAPP1, []byte("http://ns.adobe.com/xap/1.0/\x00")),
	} {
		if m := p.kept(t, data); m.Bounds() != tall {
			t.Errorf("%s: %v", name, m.Bounds())
		}
	}
}

func TestPNGIsAsLenientAsBrowsers(t *testing.T) {
	p := newPictures(t)
	png := pngOf(t, gradient(60, 40))
	wrong := chunk("tIME", []byte{7, 0xea, 1, 1, 1, 1, 1})
	wrong[len(wrong)-1] ^= 1
	p.kept(t, slices.Concat(png[:33], wrong, png[33:]))
	// What is wrong in the picture itself is a damage.
	broken := slices.Clone(png)
	broken[bytes.Index(png, []byte("IDAT"))+40] ^= 1
	if _, err := p.keep(t, broken); err == nil || refusal(t, err) != http.StatusUnsupportedMediaType {
		t.Errorf("a broken row: %v", err)
	}
}

func TestAGIFIsDrawnOnItsScreen(t *testing.T) {
	p := newPictures(t)
	red := color.Palette{color.RGBA{255, 0, 0, 255}, color.RGBA{0, 0, 255, 255}}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{image.NewPaletted(image.Rect(10, 8, 30, 24), red)}, Delay: []int{0}, Config: image.Config{Width: 60, Height: 40}}); err != nil {
		t.Fatal(err)
	}
	m := p.kept(t, b.Bytes())
	if m.Bounds() != image.Rect(0, 0, 60, 40) || !near(m.At(20, 16), color.RGBA{255, 0, 0, 255}, 10) || !near(m.At(50, 35), color.RGBA{255, 255, 255, 255}, 10) {
		t.Errorf("%v, %v inside, %v outside", m.Bounds(), m.At(20, 16), m.At(50, 35))
	}
	none := slices.Clone(b.Bytes())
	clear(none[6:10])
	if m := p.kept(t, none); m.Bounds() != image.Rect(0, 0, 30, 24) {
		t.Errorf("on a screen of 0 × 0: %v", m.Bounds())
	}
}

// A video behind a photo is no part of it, whatever its bytes are.
func TestMotionPhotosAreTaken(t *testing.T) {
	p := newPictures(t)
	video := bytes.Repeat([]byte{0xff, markerSOS, 0xff, markerSOF2, 1, 2, 3}, 1000)
	for name, photo := range map[string][]byte{"small": jpegOf(t, gradient(60, 40)), "large": jpegOf(t, gradient(2500, 40)), "progressive": seed(t, "progressive.jpg")} {
		if _, err := p.keep(t, append(photo, video...)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What no decoder shows is refused, instead of being kept for a page that can't
// show it.
func TestJPEGsThatNoDecoderShowsAreRefused(t *testing.T) {
	p := newPictures(t)
	photo := jpegOf(t, gradient(64, 48))
	changed := func(change func(data []byte) []byte) []byte { return change(slices.Clone(photo)) }
	dht := bytes.Index(photo, []byte{0xff, markerDHT})
	for name, data := range map[string][]byte{
		"a missing quantisation table": changed(func(d []byte) []byte {
			at := bytes.Index(d, []byte{0xff, markerDQT})
			return slices.Delete(d, at, at+2+int(binary.BigEndian.Uint16(d[at+2:])))
		}),
		"a code of ones": changed(func(d []byte) []byte {
			d[dht+5], d[dht+6] = 2, 0 // both codes of one bit
			return d
		}),
		"a DC symbol over 15": changed(func(d []byte) []byte {
			d[dht+5+16] = 16
			return d
		}),
		"a scan that names tables that are not there": changed(func(d []byte) []byte {
			sos := bytes.Index(d, []byte{0xff, markerSOS})
			d[sos+10] = 0x22
			return d
		}),
	} {
		if _, err := p.keep(t, data); err == nil || refusal(t, err) != http.StatusUnsupportedMediaType {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// matrixProfile is a display profile (ICC.1:2001) of three primaries, with a gamma
// of 2.2, adapted to D50.
func matrixProfile(primaries [3][3]float64) []byte {
	s15 := func(v float64) []byte {
		return binary.BigEndian.AppendUint32(nil, uint32(int32(math.Round(v*65536))))
	}
	xyz := func(v [3]float64) []byte {
		return slices.Concat([]byte("XYZ \x00\x00\x00\x00"), s15(v[0]), s15(v[1]), s15(v[2]))
	}
	curve := []byte("curv\x00\x00\x00\x00\x00\x00\x00\x01\x02\x33\x00\x00")
	return profileOf("RGB ", "XYZ ", map[string][]byte{
		"wtpt": xyz([3]float64{0.9642, 1, 0.8249}), "rXYZ": xyz(primaries[0]), "gXYZ": xyz(primaries[1]), "bXYZ": xyz(primaries[2]),
		"rTRC": curve, "gTRC": curve, "bTRC": curve,
	})
}

// profileOf is a display profile (ICC.1:2001) for colours of a space, by another.
func profileOf(space, by string, tags map[string][]byte) []byte {
	head := make([]byte, 128)
	copy(head[8:], "\x02\x40\x00\x00")
	copy(head[12:], "mntr"+space+by)
	if space == "CMYK" {
		copy(head[12:], "prtr")
	}
	copy(head[36:], "acsp")
	copy(head[68:], "\x00\x00\xf6\xd6\x00\x01\x00\x00\x00\x00\xd3\x2d")
	table, body := binary.BigEndian.AppendUint32(nil, uint32(len(tags))), []byte(nil)
	at := 128 + 4 + 12*len(tags)
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		table = append(table, name...)
		table = binary.BigEndian.AppendUint32(table, uint32(at+len(body)))
		table = binary.BigEndian.AppendUint32(table, uint32(len(tags[name])))
		body = append(body, tags[name]...)
		body = append(body, make([]byte, -len(body)&3)...)
	}
	out := slices.Concat(head, table, body)
	binary.BigEndian.PutUint32(out, uint32(len(out)))
	return out
}

// deflated is data as zlib packs it.
func deflated(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Display P3's colorants in the profile connection space.
var displayP3 = [3][3]float64{{0.51512, 0.24120, -0.00105}, {0.29198, 0.69225, 0.04189}, {0.15710, 0.06657, 0.78407}}

func TestColoursAreConvertedToSRGB(t *testing.T) {
	p := newPictures(t)
	m := image.NewRGBA(image.Rect(0, 0, 64, 48))
	for i := range m.Pix {
		m.Pix[i] = []byte{200, 100, 100, 255}[i%4]
	}
	profile := append([]byte("ICC_PROFILE\x00\x01\x01"), matrixProfile(displayP3)...)
	got := p.kept(t, withSegment(jpegOf(t, m), 0xe2, profile)).At(32, 24)
	// By the formulas of both colour spaces; without the conversion it is 200, 100, 100.
	if !near(got, color.RGBA{213, 96, 97, 255}, 5) {
		t.Errorf("Display P3's 200, 100, 100 is %v", got)
	}
	profile = append(append([]byte("ICC_PROFILE\x00\x01\x01"), matrixProfile(plainColorants)...), "sRGB"...)
	if kept, ok := keepJPEG(withSegment(jpegOf(t, m), 0xe2, profile)); !ok || !bytes.Equal(kept.display.data, jpegOf(t, m)) {
		t.Error("a JPEG with the profile sRGB is not kept as it is")
	}
}

// Whoever asks again for a small size that cannot be made does not make the server
// try again, until the picture is another one.
func TestAFailureToMakeASmallSizeIsRemembered(t *testing.T) {
	p := newPictures(t)
	kept, err := p.keep(t, jpegOf(t, gradient(640, 480)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(p.o.Dir, kept.Files[0]), 600); err != nil {
		t.Fatal(err)
	}
	p.get(t, kept.Files[1])
	picture, err := p.find(t.Context(), kept.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	picture.Close()
	if !p.hopeless.has(kept.Files[0], picture.version) {
		t.Fatal("it is not remembered")
	}
	if err := p.decoding.Enter(t.Context()); err != nil { // whoever decoded would wait here
		t.Fatal(err)
	}
	defer p.decoding.Leave()
	if w := p.get(t, kept.Files[1]); w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d, %q", w.Code, w.Header().Get("Cache-Control"))
	}
}
