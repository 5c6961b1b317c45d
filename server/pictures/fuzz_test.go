package pictures

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
	"testing"
)

// seeds are small files of every kind, and such as look like one.
func seeds(f *testing.F) {
	photo := jpegOf(f, gradient(20, 12))
	f.Add(photo)
	f.Add(photo[:len(photo)-2])
	f.Add(jpegOf(f, image.NewGray(image.Rect(0, 0, 9, 9))))
	f.Add(withSegment(photo, markerAPP1, exif(6, binary.BigEndian)))
	f.Add(withSegment(photo, markerDRI, []byte{0, 1}))
	f.Add(noise(f, 20, 12, 100))
	f.Add(pngOf(f, gradient(5, 5)))
	f.Add(progressive(3))
	f.Add([]byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"))
	f.Add([]byte("RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x00\x00\x00\x20ftypheic\x00\x00\x00\x00"))
}

// FuzzCheckJPEG: what the checker passes, the standard decoder reads, to the
// same size and pixels; and it passes its own output unchanged.
func FuzzCheckJPEG(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		plain, ok := checkJPEG(data)
		if !ok || plain.width*plain.height > 1<<18 {
			return
		}
		again, ok := checkJPEG(plain.clean)
		if !ok || !bytes.Equal(again.clean, plain.clean) {
			t.Fatal("its own output is not plain")
		}
		if len(plain.clean) > len(data) {
			t.Fatal("it grew")
		}
		clean, err := jpeg.Decode(bytes.NewReader(plain.clean))
		if err != nil {
			if _, err := jpeg.DecodeConfig(bytes.NewReader(data)); err != nil {
				return // a layout that the standard decoder does not know
			}
			t.Fatalf("it passed what can't be decoded: %v", err)
		}
		if b := clean.Bounds(); b.Dx() != plain.width || b.Dy() != plain.height {
			t.Fatalf("the size is %v, not %d × %d", b, plain.width, plain.height)
		}
	})
}

// FuzzExifOrientation: any bytes name an orientation or none.
func FuzzExifOrientation(f *testing.F) {
	for orientation := range uint16(10) {
		f.Add(exif(orientation, binary.BigEndian))
		f.Add(exif(orientation, binary.LittleEndian))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if got := tiffOrientation(payload); got < 1 || got > 8 {
			t.Fatalf("orientation %d", got)
		}
		if len(payload) > 65000 {
			return
		}
		if got := exifOrientation(withSegment([]byte{0xff, markerSOI, 0xff, markerEOI}, markerAPP1, payload)); got < 1 || got > 8 {
			t.Fatalf("orientation %d", got)
		}
	})
}

// FuzzMeasure: what a header says never costs less than nothing, and what is
// decoded is no larger than was measured.
func FuzzMeasure(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		kind, err := sniff(data[:min(len(data), headBytes)], false)
		if err != nil {
			return
		}
		w, h, cost, err := kind.measure(data)
		if err != nil {
			return
		}
		if cost < int64(w)*int64(h) {
			t.Fatalf("%s of %d × %d costs %d bytes", kind.name, w, h, cost)
		}
		if int64(w)*int64(h) > 1<<18 {
			return
		}
		m, err := kind.decode(bytes.NewReader(data))
		if err == nil && (m.Bounds().Dx() > w || m.Bounds().Dy() > h) {
			t.Fatalf("%s: measured %d × %d, decoded %v", kind.name, w, h, m.Bounds())
		}
	})
}
