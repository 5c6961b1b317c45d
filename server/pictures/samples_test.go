package pictures

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"testing"
)

// gradient is a picture without sharp edges, so that JPEG changes it little.
func gradient(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, color.RGBA{byte(255 * x / w), byte(255 * y / h), byte(128 + 64*x/w), 255})
		}
	}
	return m
}

func jpegOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// noise is a JPEG whose blocks are full of coefficients.
func noise(t testing.TB, w, h, quality int) []byte {
	t.Helper()
	random := rand.New(rand.NewPCG(1, uint64(quality)))
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = uint8(random.Uint32())
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withSegment puts a segment behind a JPEG's start.
func withSegment(data []byte, marker byte, payload []byte) []byte {
	out := append([]byte{0xff, markerSOI, 0xff, marker}, binary.BigEndian.AppendUint16(nil, uint16(len(payload)+2))...)
	return append(append(out, payload...), data[2:]...)
}

// exif is EXIF data with an orientation and a place.
func exif(orientation uint16, order binary.AppendByteOrder) []byte {
	b := []byte("Exif\x00\x00II")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		b = []byte("Exif\x00\x00MM")
	}
	b = order.AppendUint16(b, 42)
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 0x0112) // orientation
	b = order.AppendUint16(b, 3)
	b = order.AppendUint32(b, 1)
	b = order.AppendUint16(b, orientation)
	b = order.AppendUint16(b, 0)
	b = order.AppendUint16(b, 0x8825) // GPS
	b = order.AppendUint16(b, 4)
	b = order.AppendUint32(b, 1)
	b = order.AppendUint32(b, 38)
	b = order.AppendUint32(b, 0)
	return append(b, "GPS 48.8584 N 2.2945 E"...)
}

const (
	webpLossy    = "UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA"
	webpLossless = "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="
)

func unbase64(t testing.TB, text string) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// animation is a GIF whose first frame is red and whose others are blue.
func animation(t testing.TB) []byte {
	t.Helper()
	g := gif.GIF{}
	for i := range 5 {
		frame := image.NewPaletted(image.Rect(0, 0, 30, 20), color.Palette{color.RGBA{255, 0, 0, 255}, color.RGBA{0, 0, 255, 255}})
		if i > 0 {
			for k := range frame.Pix {
				frame.Pix[k] = 1
			}
		}
		g.Image, g.Delay = append(g.Image, frame), append(g.Delay, 10)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// progressive is the frame of a progressive JPEG with that many empty scans.
func progressive(scans int) []byte {
	b := []byte{0xff, markerSOI, 0xff, markerSOF2, 0, 11, 8, 0x10, 0, 0x10, 0, 1, 1, 0x11, 0}
	for range scans {
		b = append(b, 0xff, markerSOS, 0, 8, 1, 1, 0, 0, 0, 0, 0x00)
	}
	return append(b, 0xff, markerEOI)
}
