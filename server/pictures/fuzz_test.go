package pictures

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"testing"

	"podium/server/answer"
	"podium/server/pictures/codec"
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

// FuzzCheckJPEG: what the checker passes, to be kept as it is, libjpeg-turbo
// decodes without losing a sample, to the same size; and it passes its own output
// unchanged.
func FuzzCheckJPEG(f *testing.F) {
	seeds(f)
	reference, err := codec.New(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	defer reference.Close()
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
		d, err := reference.Open(t.Context(), codec.JPEG, plain.clean, displaySide, 16<<20)
		if err != nil {
			t.Fatalf("it passed what can't be decoded: %v", err)
		}
		defer d.Close()
		if d.Width != plain.width || d.Height != plain.height {
			t.Fatalf("the size is %d × %d, not %d × %d", d.Width, d.Height, plain.width, plain.height)
		}
		if err := d.Rows(false, func(w, h int) {}, func(row []byte) {}); err != nil {
			t.Fatalf("it passed what can't be decoded: %v", err)
		}
	})
}

// FuzzExifOrientation: any bytes name an orientation or none.
func FuzzExifOrientation(f *testing.F) {
	for orientation := range uint16(10) {
		f.Add(exif(orientation, binary.BigEndian)[6:])
		f.Add(exif(orientation, binary.LittleEndian)[6:])
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if got := tiffOrientation(payload); got < 1 || got > 8 {
			t.Fatalf("orientation %d", got)
		}
	})
}

// FuzzDecode: any bytes are decoded within the memory that their header asks for,
// or refused.
func FuzzDecode(f *testing.F) {
	seeds(f)
	p := newPictures(f, func(o *Options) { o.MaxPixels = 1 << 18 })
	for _, name := range []string{"bars.jpg", "swatch.heic", "swatch.avif", "moving.webp", "interlaced.png", "ycck.jpg"} {
		f.Add(seed(f, name))
		p.kept(f, seed(f, name)) // compiles the decoders, which takes longer than an input may
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		kind, err := sniff(data[:min(len(data), headBytes)])
		if err != nil {
			return
		}
		out, err := p.renderDecoded(t.Context(), kind, data)
		var known *answer.Error
		if err != nil && !errors.As(err, &known) {
			t.Fatalf("%s: %v", kind.name, err)
		}
		if errors.Is(err, codec.ErrMemory) {
			t.Fatalf("%s: %v", kind.name, err)
		}
		if err == nil && max(out.display.width, out.display.height) > displaySide {
			t.Fatalf("%s: %d × %d", kind.name, out.display.width, out.display.height)
		}
	})
}
