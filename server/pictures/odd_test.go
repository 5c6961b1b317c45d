package pictures

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/color/palette"
	"image/gif"
	"image/png"
	"net/http"
	"slices"
	"strings"
	"testing"

	"podium/server/answer"
)

// An odd is a file as some program or other makes it, of bars or of another picture.
type odd struct {
	name string
	data []byte
	// taken: it is taken and shows bars; size: it is taken, at that size. Otherwise it
	// is refused with a sentence that has says in it.
	taken bool
	size  image.Point
	says  string
}

// judge keeps the files and compares with what is expected.
func judge(t *testing.T, all []odd) {
	t.Helper()
	p := newPictures(t)
	for _, o := range all {
		t.Run(o.name, func(t *testing.T) {
			if o.taken || o.size != (image.Point{}) {
				m := p.kept(t, o.data)
				if o.taken {
					sameBars(t, m, bars, 14)
				} else if m.Bounds().Size() != o.size {
					t.Errorf("it is %v", m.Bounds())
				}
				return
			}
			_, err := p.keep(t, o.data)
			if err == nil || refusal(t, err) != http.StatusUnsupportedMediaType {
				t.Fatalf("it is not refused: %v", err)
			}
			var known *answer.Error
			if errors.As(err, &known); !strings.Contains(known.Sentence, o.says) || !strings.Contains(known.Sentence, "please") {
				t.Errorf("the guest is told: %s", known.Sentence)
			}
		})
	}
}

// segments are where a JPEG's segments begin, up to its first scan.
func segments(data []byte) (at []int) {
	for i := 2; data[i+1] != markerSOS; i += 2 + int(binary.BigEndian.Uint16(data[i+2:])) {
		at = append(at, i)
	}
	return at
}

// beforeScan puts bytes before a JPEG's first scan.
func beforeScan(data []byte, more ...byte) []byte {
	at := bytes.Index(data, []byte{0xff, markerSOS})
	return slices.Concat(data[:at], more, data[at:])
}

func TestOddJPEGs(t *testing.T) {
	photo, progressive := seed(t, "bars.jpg"), seed(t, "progressive.jpg")
	changed := func(data []byte, change func(d []byte) []byte) []byte { return change(slices.Clone(data)) }
	sof := func(to byte, precision byte) func([]byte) []byte {
		return func(d []byte) []byte {
			for _, marker := range []byte{markerSOF0, markerSOF1, markerSOF2} {
				if at := bytes.Index(d, []byte{0xff, marker, 0}); at > 0 {
					d[at+1], d[at+4] = to, precision
					return d
				}
			}
			panic("it has no frame")
		}
	}
	video := slices.Concat([]byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isommp42"), bytes.Repeat([]byte{0xff, markerSOS, 0xff, markerSOI, 0xff, markerEOI, 0, 9}, 500))
	samsung := slices.Concat([]byte("\x00\x00\x30\x0aMotionPhoto_Data"), video, []byte("SEFH\x6a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x30\x0a\x20\x00\x00\x00\x20\x00\x00\x00\x18\x00\x00\x00SEFT"))
	xmp := func(s string) []byte { return append([]byte("http://ns.adobe.com/xap/1.0/\x00"), s...) }
	pixel := xmp(`<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description Camera:MotionPhoto="1" Camera:MotionPhotoVersion="1"/></rdf:RDF></x:xmpmeta>`)
	mpf := append([]byte("MPF\x00MM\x00*\x00\x00\x00\x08"), make([]byte, 60)...)
	tall, wide := image.Pt(64, 96), image.Pt(96, 64)
	withThumb := exif(6, binary.LittleEndian)
	withThumb = append(withThumb, photo...) // a whole JPEG within EXIF
	all := []odd{
		{name: "plain", data: photo, taken: true},
		{name: "progressive with restart markers", data: progressive, taken: true},
		{name: "not interleaved, restart markers", data: seed(t, "scans.jpg"), taken: true},
		{name: "coded arithmetically", data: seed(t, "arithmetic.jpg"), taken: true},
		{name: "YCCK", data: seed(t, "ycck.jpg"), taken: true},
		{name: "CMYK without Adobe's mark", data: seed(t, "inks.jpg"), taken: true},
		{name: "CMYK of Adobe", data: seed(t, "cmyk.jpg"), size: wide},
		{name: "without its end", data: bytes.TrimSuffix(photo, []byte{0xff, markerEOI}), taken: true},
		{name: "progressive without its end", data: bytes.TrimSuffix(progressive, []byte{0xff, markerEOI}), taken: true},
		{name: "cut in the middle", data: photo[:len(photo)-60], says: "damaged or incomplete"},
		{name: "progressive, cut in the middle", data: progressive[:len(progressive)-400], says: "damaged or incomplete"},
		{name: "only a header", data: photo[:segments(photo)[3]], says: "damaged or incomplete"},
		{name: "only a beginning", data: photo[:4], says: "damaged or incomplete"},
		{name: "12 bits", data: changed(photo, sof(markerSOF1, 12)), says: "ordinary JPEG"},
		{name: "lossless", data: changed(photo, sof(0xc3, 8)), says: "please"},
		{name: "hierarchical", data: changed(photo, sof(0xc5, 8)), says: "ordinary JPEG"},
		{name: "JPEG-LS", data: changed(photo, sof(0xf7, 8)), says: "please"},
		{name: "0 bits", data: changed(photo, sof(markerSOF0, 0)), says: "please"},
		{name: "extended sequential", data: changed(photo, sof(markerSOF1, 8)), taken: true},
		{name: "a motion photo of Samsung", data: append(slices.Clone(photo), samsung...), taken: true},
		{name: "a motion photo of Samsung, progressive", data: append(slices.Clone(progressive), samsung...), taken: true},
		{name: "a motion photo of a Pixel", data: append(withSegment(photo, markerAPP1, pixel), video...), taken: true},
		{name: "a motion photo whose image has no end", data: slices.Concat(bytes.TrimSuffix(photo, []byte{0xff, markerEOI}), []byte{0xff, markerEOI}, video), taken: true},
		{name: "two pictures (MPO)", data: slices.Concat(withSegment(photo, markerAPP2, mpf), photo), taken: true},
		{name: "two pictures (MPO), progressive first", data: slices.Concat(withSegment(progressive, markerAPP2, mpf), photo), taken: true},
		{name: "a gain map behind it", data: slices.Concat(withSegment(photo, markerAPP1, xmp(`hdrgm:Version="1.0"`)), jpegOf(t, gradient(24, 16))), taken: true},
		{name: "a depth map in an extended XMP", data: withSegment(photo, markerAPP1, append([]byte("http://ns.adobe.com/xmp/extension/\x00"), bytes.Repeat([]byte{0xff, 0xd8}, 20000)...)), taken: true},
		{name: "a thumbnail in JFIF", data: withSegment(photo, markerAPP0, append([]byte("JFXX\x00\x10"), photo...)), taken: true},
		{name: "a thumbnail in EXIF, turned", data: withSegment(photo, markerAPP1, withThumb), size: tall},
		{name: "EXIF twice: the first counts", data: withSegment(withSegment(photo, markerAPP1, exif(1, binary.BigEndian)), markerAPP1, exif(6, binary.BigEndian)), size: tall},
		{name: "EXIF cut short", data: withSegment(photo, markerAPP1, exif(6, binary.BigEndian)[:14]), taken: true},
		{name: "EXIF empty", data: withSegment(photo, markerAPP1, []byte("Exif\x00\x00")), taken: true},
		{name: "EXIF of another order", data: withSegment(photo, markerAPP1, []byte("Exif\x00\x00XX\x00*\x00\x00\x00\x08\x00\x01")), taken: true},
		{name: "an orientation of 9", data: withSegment(photo, markerAPP1, exif(9, binary.BigEndian)), taken: true},
		{name: "an orientation of 0", data: withSegment(photo, markerAPP1, exif(0, binary.LittleEndian)), taken: true},
		{name: "a comment of nothing", data: withSegment(photo, markerCOM, nil), taken: true},
		{name: "a comment of 64 KiB", data: withSegment(photo, markerCOM, bytes.Repeat([]byte{0xff}, 65533)), taken: true},
		{name: "all application segments", data: func() []byte {
			d := photo
			for marker := byte(0xe3); marker <= 0xed; marker++ {
				d = withSegment(d, marker, []byte{marker, 0xff, markerSOI})
			}
			return d
		}(), taken: true},
		{name: "fill bytes before a marker", data: slices.Concat(photo[:2], bytes.Repeat([]byte{0xff}, 300), photo[2:]), taken: true},
		{name: "fill bytes before the end", data: slices.Concat(photo[:len(photo)-2], []byte{0xff, 0xff, 0xff}, photo[len(photo)-2:]), taken: true},
		{name: "a restart interval of 0", data: withSegment(photo, markerDRI, []byte{0, 0}), taken: true},
		{name: "a restart interval, and no restarts", data: withSegment(photo, markerDRI, []byte{0, 1}), says: "damaged"},
		{name: "a restart interval that is cut", data: withSegment(photo, markerDRI, []byte{0}), says: "damaged"},
		{name: "tables twice", data: func() []byte {
			at := bytes.Index(photo, []byte{0xff, markerDQT})
			return slices.Concat(photo[:at], photo[at:at+2+int(binary.BigEndian.Uint16(photo[at+2:]))], photo[at:])
		}(), taken: true},
		{name: "a frame twice", data: func() []byte {
			at := bytes.Index(photo, []byte{0xff, markerSOF0})
			return slices.Concat(photo[:at], photo[at:at+2+int(binary.BigEndian.Uint16(photo[at+2:]))], photo[at:])
		}(), says: "damaged"},
		{name: "a start of image in the middle", data: beforeScan(photo, 0xff, markerSOI), says: "damaged"},
		{name: "no scan", data: append(slices.Clone(photo[:bytes.Index(photo, []byte{0xff, markerSOS})]), 0xff, markerEOI), says: "damaged"},
		{name: "a width of 0", data: changed(photo, func(d []byte) []byte { clear(d[bytes.Index(d, []byte{0xff, markerSOF0})+7:][:2]); return d }), says: "please"},
		{name: "a height of 0", data: changed(photo, func(d []byte) []byte { clear(d[bytes.Index(d, []byte{0xff, markerSOF0})+5:][:2]); return d }), says: "please"},
		{name: "a height of 65500", data: changed(photo, func(d []byte) []byte {
			binary.BigEndian.PutUint16(d[bytes.Index(d, []byte{0xff, markerSOF0})+5:], 65500)
			return d
		}), says: "please"},
		{name: "grey", data: jpegOf(t, image.NewGray(image.Rect(0, 0, 33, 17))), size: image.Pt(33, 17)},
		{name: "1 by 1", data: jpegOf(t, gradient(1, 1)), size: image.Pt(1, 1)},
		{name: "1 by 4000", data: jpegOf(t, gradient(1, 4000)), size: image.Pt(1, 2048)},
		{name: "4000 by 1", data: jpegOf(t, gradient(4000, 1)), size: image.Pt(2048, 1)},
		{name: "named RGB", data: changed(photo, func(d []byte) []byte {
			at := bytes.Index(d, []byte{0xff, markerSOF0})
			for i, c := range []byte("RGB") {
				d[at+10+3*i] = c
			}
			sos := bytes.Index(d, []byte{0xff, markerSOS})
			for i, c := range []byte("RGB") {
				d[sos+5+2*i] = c
			}
			return d
		}), size: wide},
		{name: "Adobe's mark, RGB", data: withSegment(photo, markerAPPE, []byte("Adobe\x00\x64\x00\x00\x00\x00\x00")), size: wide},
		{name: "Adobe's mark, YCbCr", data: withSegment(photo, markerAPPE, []byte("Adobe\x00\x64\x00\x00\x00\x00\x01")), taken: true},
		{name: "Adobe's mark, cut", data: withSegment(photo, markerAPPE, []byte("Adobe\x00\x64")), taken: true},
	}
	for orientation := range uint16(8) {
		for name, order := range map[string]binary.AppendByteOrder{"big": binary.BigEndian, "little": binary.LittleEndian} {
			want := wide
			if orientation+1 >= 5 {
				want = tall
			}
			all = append(all, odd{name: fmt.Sprintf("orientation %d, %s endian", orientation+1, name), data: withSegment(photo, markerAPP1, exif(orientation+1, order)), size: want})
			all = append(all, odd{name: fmt.Sprintf("progressive, orientation %d, %s endian", orientation+1, name), data: withSegment(progressive, markerAPP1, exif(orientation+1, order)), size: want})
		}
	}
	judge(t, all)
}

// pngParts are the chunks of a PNG, whole.
func pngParts(data []byte) (parts [][]byte) {
	for at := 8; at < len(data); {
		n := 12 + int(binary.BigEndian.Uint32(data[at:]))
		parts = append(parts, data[at:at+n])
		at += n
	}
	return parts
}

func TestOddPNGs(t *testing.T) {
	plain := pngOf(t, barsOf(bars))
	before := func(kind string, more ...[]byte) []byte { // before the first chunk of a kind
		at := bytes.Index(plain, []byte(kind)) - 4
		return slices.Concat(plain[:at], slices.Concat(more...), plain[at:])
	}
	encoded := func(m image.Image) []byte {
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	pal := image.NewPaletted(image.Rect(0, 0, 96, 64), color.Palette{bars[0], bars[1], bars[2]})
	deep := image.NewRGBA64(image.Rect(0, 0, 96, 64))
	clear16 := image.NewNRGBA64(image.Rect(0, 0, 96, 64))
	for x := range 96 {
		for y := range 64 {
			pal.SetColorIndex(x, y, uint8(x/32))
			deep.Set(x, y, bars[x/32])
			if c := bars[x/32]; x/32 != 1 { // the white bar is transparent
				clear16.Set(x, y, c)
			}
		}
	}
	var pieces []byte
	idat := []byte(nil)
	for _, part := range pngParts(plain) {
		if string(part[4:8]) == "IDAT" {
			idat = append(idat, part[8:len(part)-4]...)
		}
	}
	for i := range idat {
		pieces = append(pieces, chunk("IDAT", idat[i:i+1])...)
	}
	head, tail := plain[:33], chunk("IEND", nil)
	badCRC := func(c []byte) []byte { c = slices.Clone(c); c[len(c)-1] ^= 1; return c }
	fcTL := append(binary.BigEndian.AppendUint32(nil, 0), []byte("\x00\x00\x00\x60\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x0a\x00\x00")...)
	frame := slices.Concat(chunk("fcTL", append([]byte{0, 0, 0, 1}, fcTL[4:]...)), chunk("fdAT", append([]byte{0, 0, 0, 2}, idat...)))
	judge(t, []odd{
		{name: "plain", data: plain, taken: true},
		{name: "a palette", data: encoded(pal), taken: true},
		{name: "16 bits", data: encoded(deep), taken: true},
		{name: "16 bits, transparent", data: encoded(clear16), taken: true},
		{name: "grey of 16 bits", data: encoded(image.NewGray16(image.Rect(0, 0, 9, 7))), size: image.Pt(9, 7)},
		{name: "interlaced, 16 bits", data: seed(t, "interlaced.png"), taken: true},
		{name: "an animation", data: slices.Concat(before("IDAT", chunk("acTL", []byte{0, 0, 0, 2, 0, 0, 0, 0}), chunk("fcTL", fcTL))[:len(before("IDAT", chunk("acTL", []byte{0, 0, 0, 2, 0, 0, 0, 0}), chunk("fcTL", fcTL)))-12], frame, tail), taken: true},
		{name: "an animation of other frames only", data: slices.Concat(head, chunk("acTL", []byte{0, 0, 0, 1, 0, 0, 0, 0}), plain[33:len(plain)-12], frame, tail), taken: true},
		{name: "a byte in each IDAT", data: slices.Concat(head, pieces, tail), taken: true},
		{name: "empty IDATs", data: slices.Concat(head, chunk("IDAT", nil), chunk("IDAT", idat), chunk("IDAT", nil), tail), taken: true},
		{name: "without its end", data: plain[:len(plain)-12], taken: true},
		{name: "with a tail", data: append(slices.Clone(plain), "PK\x03\x04 something else"...), taken: true},
		{name: "an unknown chunk", data: before("IDAT", chunk("xyZz", []byte("hello"))), taken: true},
		{name: "a text of 1 MiB", data: before("IDAT", chunk("tEXt", append([]byte("k\x00"), make([]byte, 1<<20)...))), taken: true},
		{name: "5,000 texts", data: before("IDAT", bytes.Repeat(chunk("tEXt", []byte("a\x00b")), 5000)), taken: true},
		{name: "a wrong sum in a text", data: before("IDAT", badCRC(chunk("tEXt", []byte("a\x00b")))), taken: true},
		{name: "a wrong sum in gAMA", data: before("IDAT", badCRC(chunk("gAMA", []byte{0, 0, 0xb1, 0x8f}))), taken: true},
		{name: "a wrong sum in EXIF", data: before("IDAT", badCRC(chunk("eXIf", exif(6, binary.BigEndian)[6:]))), size: image.Pt(96, 64)},
		{name: "a wrong sum in IDAT", data: slices.Concat(head, badCRC(chunk("IDAT", idat)), tail), says: "damaged"},
		{name: "a wrong sum in IHDR", data: slices.Concat(plain[:32], []byte{plain[32] ^ 1}, plain[33:]), says: "damaged"},
		{name: "a damaged profile", data: before("IDAT", chunk("iCCP", []byte("p\x00\x00not zlib"))), taken: true},
		{name: "the gamma of sRGB", data: before("IDAT", chunk("gAMA", []byte{0, 0, 0xb1, 0x8f})), taken: true},
		{name: "a gamma of 0", data: before("IDAT", chunk("gAMA", []byte{0, 0, 0, 0})), taken: true},
		{name: "primaries of 0", data: before("IDAT", chunk("gAMA", []byte{0, 0, 0xb1, 0x8f}), chunk("cHRM", make([]byte, 32))), taken: true},
		{name: "EXIF behind the picture", data: slices.Concat(plain[:len(plain)-12], chunk("eXIf", exif(6, binary.BigEndian)[6:]), tail), size: image.Pt(96, 64)},
		{name: "EXIF, little endian", data: before("IDAT", chunk("eXIf", exif(8, binary.LittleEndian)[6:])), size: image.Pt(64, 96)},
		{name: "cut in the middle", data: plain[:len(plain)-30], says: "damaged"},
		{name: "only a header", data: head, says: "damaged"},
		{name: "only a signature", data: plain[:8], says: "damaged"},
		{name: "of Xcode", data: slices.Concat(plain[:8], chunk("CgBI", []byte{0x50, 0, 0x20, 2}), plain[8:]), says: "please"},
		{name: "a width of 0", data: slices.Concat(plain[:8], chunk("IHDR", append(make([]byte, 4), plain[20:29]...)), plain[33:]), says: "please"},
		{name: "of 60,000 by 60,000", data: slices.Concat(plain[:8], chunk("IHDR", []byte("\x00\x00\xea\x60\x00\x00\xea\x60\x08\x02\x00\x00\x00")), plain[33:]), says: "pixels"},
		{name: "of billions", data: slices.Concat(plain[:8], chunk("IHDR", []byte("\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\x00\x00\x00")), plain[33:]), says: "please"},
		{name: "a palette that is missing", data: slices.Concat(plain[:8], chunk("IHDR", []byte("\x00\x00\x00\x60\x00\x00\x00\x40\x08\x03\x00\x00\x00")), plain[33:]), says: "damaged"},
	})
}

// gifOf is a GIF of one frame on a screen.
func gifOf(t *testing.T, frame *image.Paletted, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{frame}, Delay: []int{0}, Config: image.Config{Width: w, Height: h}}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestOddGIFs(t *testing.T) {
	pal := image.NewPaletted(image.Rect(0, 0, 96, 64), color.Palette{bars[0], bars[1], bars[2], color.Transparent})
	for x := range 96 {
		for y := range 64 {
			pal.SetColorIndex(x, y, uint8(x/32))
		}
	}
	plain := gifOf(t, pal, 96, 64)
	at := bytes.LastIndex(plain, []byte{0x2c, 0, 0, 0, 0}) // the frame
	codes := at + 10
	if plain[at+9]&0x80 != 0 {
		codes += 3 << (plain[at+9]&7 + 1)
	}
	table := []byte{0, 0, 0, 255, 255, 255, 255, 0, 0, 9, 9, 9}
	local := slices.Concat([]byte("GIF89a\x60\x00\x40\x00\x00\x00\x00"), plain[at:at+9], []byte{0x81}, table, plain[codes:])
	changed := func(change func(d []byte) []byte) []byte { return change(slices.Clone(plain)) }
	within := func(more ...byte) []byte { return slices.Concat(plain[:at], more, plain[at:]) }
	// Rows as interlacing has them.
	var order []int
	for _, pass := range [][2]int{{0, 8}, {4, 8}, {2, 4}, {1, 2}} {
		for y := pass[0]; y < 64; y += pass[1] {
			order = append(order, y)
		}
	}
	striped := image.NewPaletted(pal.Rect, pal.Palette)
	for i, y := range order {
		copy(striped.Pix[i*striped.Stride:][:96], pal.Pix[y*pal.Stride:][:96])
	}
	interlaced := gifOf(t, striped, 96, 64)
	interlaced[bytes.LastIndex(interlaced, []byte{0x2c, 0, 0, 0, 0})+9] |= 0x40
	offset := image.NewPaletted(image.Rect(7, 5, 40, 30), palette.Plan9)
	judge(t, []odd{
		{name: "plain", data: plain, taken: true},
		{name: "87a", data: changed(func(d []byte) []byte { copy(d, "GIF87a"); return d }), taken: true},
		{name: "interlaced", data: interlaced, taken: true},
		{name: "without its end", data: bytes.TrimSuffix(plain, []byte{0x3b}), taken: true},
		{name: "with a tail", data: append(slices.Clone(plain), "more"...), taken: true},
		{name: "a comment", data: within(0x21, 0xfe, 2, 'h', 'i', 0), taken: true},
		{name: "a loop", data: within(append([]byte("\x21\xff\x0bNETSCAPE2.0"), 3, 1, 0, 0, 0)...), taken: true},
		{name: "a text extension", data: within(append([]byte{0x21, 0x01, 12}, append(make([]byte, 12), 1, 'x', 0)...)...), taken: true},
		{name: "an unknown extension", data: within(0x21, 0x77, 1, 0xff, 0), taken: true},
		{name: "a second byte of padding", data: changed(func(d []byte) []byte {
			return slices.Concat(d[:len(d)-2], []byte{1, 0, 0, 0x3b})
		}), taken: true},
		{name: "data behind the last pixel", data: changed(func(d []byte) []byte {
			return slices.Concat(d[:len(d)-2], append([]byte{40}, make([]byte, 40)...), []byte{0, 0x3b})
		}), taken: true},
		{name: "a frame that is no frame's size", data: changed(func(d []byte) []byte { clear(d[at+5 : at+9]); return d }), says: "please"},
		{name: "a frame on a larger screen", data: gifOf(t, offset, 120, 80), size: image.Pt(120, 80)},
		{name: "a frame beyond its screen", data: changed(func(d []byte) []byte { d[6], d[8] = 10, 10; return d }), taken: true},
		{name: "a screen of 0 by 0", data: changed(func(d []byte) []byte { clear(d[6:10]); return d }), taken: true},
		{name: "a screen of 65535 by 65535", data: changed(func(d []byte) []byte { copy(d[6:], "\xff\xff\xff\xff"); return d }), says: "pixels"},
		{name: "cut in the frame", data: plain[:len(plain)-40], says: "damaged"},
		{name: "only a header", data: plain[:13], says: "damaged"},
		{name: "no frame", data: slices.Concat(plain[:at], []byte{0x3b}), says: "damaged"},
		{name: "an animation", data: animation(t), size: image.Pt(30, 20)},
		{name: "codes of 13 bits", data: changed(func(d []byte) []byte { d[codes] = 13; return d }), says: "damaged"},
		{name: "codes of 0 bits", data: changed(func(d []byte) []byte { d[codes] = 0; return d }), says: "damaged"},
		{name: "a palette of its own", data: local, taken: true},
		{name: "no palette at all", data: slices.Concat([]byte("GIF89a\x60\x00\x40\x00\x00\x00\x00"), plain[at:at+9], []byte{0}, plain[codes:]), says: "please"},
	})
}

// riff is a WebP file of these chunks.
func riff(chunks ...[]byte) []byte {
	body := append([]byte("WEBP"), slices.Concat(chunks...)...)
	return slices.Concat([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(len(body))), body)
}

func riffChunk(kind string, body []byte) []byte {
	out := append([]byte(kind), binary.LittleEndian.AppendUint32(nil, uint32(len(body)))...)
	return append(append(out, body...), make([]byte, len(body)&1)...)
}

func TestOddWebPs(t *testing.T) {
	lossy := seed(t, "lossy.webp")
	frame := lossy[12:]
	if string(frame[:4]) == "VP8X" {
		frame = frame[18:]
	}
	size := binary.LittleEndian.Uint32(frame[4:])
	frame = frame[:8+size+size&1]
	extended := func(flags byte, w, h int, chunks ...[]byte) []byte {
		x := []byte{flags, 0, 0, 0, byte(w - 1), byte((w - 1) >> 8), 0, byte(h - 1), byte((h - 1) >> 8), 0}
		return riff(append([][]byte{riffChunk("VP8X", x)}, chunks...)...)
	}
	moving := func(x, y int) []byte {
		anmf := []byte{byte(x / 2), 0, 0, byte(y / 2), 0, 0, 95, 0, 0, 63, 0, 0, 100, 0, 0, 0}
		return riffChunk("ANMF", append(anmf, frame...))
	}
	anim := riffChunk("ANIM", make([]byte, 6))
	oddChunk := riffChunk("xxxx", []byte("odd"))
	tiff := exif(6, binary.LittleEndian)
	long := slices.Clone(lossy)
	binary.LittleEndian.PutUint32(long[4:], uint32(len(long)+1000))
	short := slices.Clone(lossy)
	binary.LittleEndian.PutUint32(short[4:], 30)
	judge(t, []odd{
		{name: "lossy", data: lossy, taken: true},
		{name: "moving", data: seed(t, "moving.webp"), taken: true},
		{name: "lossless", data: unbase64(t, webpLossless), size: image.Pt(1, 1)},
		{name: "with EXIF", data: extended(8, 96, 64, frame, riffChunk("EXIF", tiff[6:])), size: image.Pt(64, 96)},
		{name: "with EXIF as JPEG has it", data: extended(8, 96, 64, frame, riffChunk("EXIF", tiff)), size: image.Pt(64, 96)},
		{name: "with EXIF that is not announced", data: extended(0, 96, 64, frame, riffChunk("EXIF", tiff[6:])), taken: true}, // as libwebp has it
		{name: "with XMP", data: extended(4, 96, 64, frame, riffChunk("XMP ", []byte("<x/>"))), taken: true},
		{name: "with a profile of sRGB", data: extended(32, 96, 64, riffChunk("ICCP", append(matrixProfile(plainColorants), "sRGB"...)), frame), taken: true},
		{name: "with a damaged profile", data: extended(32, 96, 64, riffChunk("ICCP", []byte("none")), frame), taken: true},
		{name: "with a profile of grey", data: extended(32, 96, 64, riffChunk("ICCP", greyProfile()), frame), taken: true},
		{name: "with unknown chunks", data: extended(0, 96, 64, oddChunk, frame, oddChunk), taken: true},
		{name: "unknown chunks without VP8X", data: riff(frame, oddChunk), taken: true},
		{name: "with a tail", data: append(slices.Clone(lossy), "tail"...), taken: true},
		{name: "a length beyond the file", data: long, taken: true},
		{name: "a length within the frame", data: short, says: "please"},
		{name: "a canvas of another size", data: extended(0, 90, 64, frame), says: "please"},
		{name: "a frame on a larger canvas", data: extended(2, 120, 80, anim, moving(10, 8)), size: image.Pt(120, 80)},
		{name: "a frame beyond its canvas", data: extended(2, 96, 64, anim, moving(10, 8)), says: "please"},
		{name: "an animation of one frame", data: extended(2, 96, 64, anim, moving(0, 0)), taken: true},
		{name: "an animation whose second frame is cut", data: func() []byte {
			d := extended(2, 96, 64, anim, moving(0, 0), moving(0, 0))
			return d[:len(d)-20]
		}(), taken: true},
		{name: "an animation without frames", data: extended(2, 96, 64, anim), says: "please"},
		{name: "cut", data: lossy[:len(lossy)-10], says: "please"},
		{name: "only a header", data: lossy[:16], says: "please"},
		{name: "of sound", data: append([]byte("RIFF\x24\x00\x00\x00WAVE"), make([]byte, 36)...), says: "not accepted"},
	})
}

func TestOddHEICs(t *testing.T) {
	plain, last, av1 := seed(t, "bars.heic"), seed(t, "meta_last.heic"), seed(t, "swatch.avif")
	brands := func(data []byte, major string, compatible ...string) []byte {
		n := binary.BigEndian.Uint32(data)
		old := len(data[:n])
		ftyp := slices.Concat([]byte("ftyp"), []byte(major), make([]byte, 4), []byte(strings.Join(compatible, "")))
		ftyp = append(binary.BigEndian.AppendUint32(nil, uint32(len(ftyp)+4)), ftyp...)
		for len(ftyp) < old { // so that what offsets point to stays where it is
			ftyp = append(ftyp, "miaf"...)
		}
		binary.BigEndian.PutUint32(ftyp, uint32(len(ftyp)))
		if len(ftyp) != old {
			t.Fatal("too many brands")
		}
		return append(ftyp, data[n:]...)
	}
	box := func(kind string, body int) []byte {
		return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+body)), kind...), make([]byte, body)...)
	}
	at := bytes.Index(last, []byte("meta")) - 4
	all := []odd{
		{name: "plain", data: plain, taken: true},
		{name: "index behind the pixels", data: last, taken: true},
		{name: "index beyond 64 KiB", data: slices.Concat(last[:at], box("free", 64<<10), last[at:]), taken: true},
		{name: "index beyond 1 MiB", data: slices.Concat(last[:at], box("skip", 1<<20), last[at:]), taken: true},
		{name: "an unknown box before the index", data: slices.Concat(last[:at], box("abcd", 5), last[at:]), taken: true},
		{name: "a box of a UUID behind", data: append(slices.Clone(plain), box("uuid", 40)...), taken: true},
		{name: "a film behind (moov)", data: append(slices.Clone(plain), box("moov", 40)...), taken: true},
		{name: "a motion photo of Samsung (mpvd)", data: append(slices.Clone(plain), box("mpvd", 4000)...), taken: true},
		{name: "bytes behind that are no box", data: append(slices.Clone(plain), "SEFH....SEFT"...), taken: true},
		{name: "with alpha", data: seed(t, "alpha.heic"), size: image.Pt(40, 24)},
		{name: "AVIF", data: av1, size: image.Pt(96, 64)},
		{name: "AVIF cut", data: av1[:len(av1)-10], says: "please"},
		{name: "AVIF of a sequence", data: brands(av1, "avis", "avif", "mif1"), size: image.Pt(96, 64)},
		{name: "AVIF of brand mif1", data: brands(av1, "mif1", "avif", "mif1"), size: image.Pt(96, 64)},
		{name: "cut in the pixels", data: plain[:len(plain)-10], says: "please"},
		{name: "cut in the index", data: plain[:200], says: "please"},
		{name: "only brands", data: plain[:28], says: "please"},
		{name: "brands of length 0", data: append(make([]byte, 4), plain[4:]...), says: "please"},
		{name: "no index", data: append(slices.Clone(plain[:28]), box("mdat", 100)...), says: "please"},
		{name: "a video", data: []byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isommp42 and what follows"), says: "video"},
		{name: "a video of QuickTime", data: []byte("\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00qt  and what follows"), says: "video"},
		{name: "raw of Canon", data: []byte("\x00\x00\x00\x18ftypcrx \x00\x00\x00\x01crx isom and what follows"), says: "raw"},
	}
	for _, major := range []string{"heic", "heix", "mif1", "msf1", "hevc", "mif2"} {
		all = append(all, odd{name: "major brand " + major, data: brands(plain, major, "mif1", "heic"), taken: true})
	}
	judge(t, all)
}

func TestOtherKindsAreRefusedInWords(t *testing.T) {
	pad := strings.Repeat("\x00", 200)
	var all []odd
	for begins, says := range map[string]string{
		"\xff\x0a": "JPEG XL", "\x00\x00\x00\x0cJXL \r\n\x87\n": "JPEG XL", "\x00\x00\x00\x0cjP  \r\n\x87\n": "JPEG 2000", "\xff\x4f\xff\x51": "JPEG 2000",
		"II*\x00": "TIFF", "MM\x00*": "TIFF", "II+\x00": "TIFF", "IIU\x00": "raw", "IIRO": "raw", "FUJIFILMCCD-RAW ": "raw",
		"BM": "BMP", "\x00\x00\x01\x00": "icon", "8BPS": "Photoshop", "%PDF-1.7": "PDF", "<svg xmlns='http://www.w3.org/2000/svg'>": "SVG", "<?xml version='1.0'?><svg/>": "SVG",
		"\x1a\x45\xdf\xa3": "video", "PK\x03\x04": "archive", "hello": "not accepted", "\x89PNG": "not accepted", "\xff\xd8": "not accepted", "GIF88a": "not accepted", "<html>": "not accepted", "": "not accepted",
	} {
		all = append(all, odd{name: fmt.Sprintf("%q", begins), data: []byte(begins + pad), says: says})
	}
	judge(t, all)
}

// Every cut of a small picture of each kind is taken or refused, and never more.
func TestEveryCutOfAPictureIsTakenOrRefused(t *testing.T) {
	p := newPictures(t)
	for _, name := range []string{"bars.jpg", "scans.jpg", "lossy.webp", "moving.webp", "interlaced.png", "bars.heic", "swatch.avif"} {
		data := seed(t, name)
		for n := 1; n < len(data); n += 1 + len(data)/40 {
			if _, err := p.keep(t, data[:n]); err != nil && refusal(t, err) != http.StatusUnsupportedMediaType {
				t.Errorf("%s cut at %d: %v", name, n, err)
			}
		}
	}
}

// A byte of each kind of picture is changed: it is taken or refused.
func TestAChangedByteIsTakenOrRefused(t *testing.T) {
	p := newPictures(t)
	for _, name := range []string{"bars.jpg", "progressive.jpg", "lossy.webp", "interlaced.png", "bars.heic", "swatch.avif", "ycck.jpg"} {
		data := seed(t, name)
		for i := range 60 {
			at := int(crc32.ChecksumIEEE([]byte{byte(i), name[0]})) % len(data)
			broken := slices.Clone(data)
			broken[at] ^= byte(1 << (i % 8))
			if _, err := p.keep(t, broken); err != nil && refusal(t, err) != http.StatusUnsupportedMediaType {
				t.Errorf("%s, byte %d: %v", name, at, err)
			}
		}
	}
}
