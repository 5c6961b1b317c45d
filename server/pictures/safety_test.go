package pictures

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image/jpeg"
	"net/http"
	"os"
	"runtime"
	"slices"
	"testing"
)

func TestWhatIsNoPictureIsRefused(t *testing.T) {
	p := newPictures(t)
	photo := jpegOf(t, gradient(64, 48))
	broken := slices.Clone(photo)
	for i := len(broken) - 200; i < len(broken)-2; i++ {
		broken[i] = 0xfe
	}
	for name, data := range map[string][]byte{
		"text called .jpg":  []byte("this is a text, whatever it is called"),
		"SVG":               []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`),
		"SVG with a header": []byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>`),
		"HTML":              []byte("<!DOCTYPE html><script>alert(1)</script>"),
		"PDF":               []byte("%PDF-1.7 ..."),
		"AVIF":              []byte("\x00\x00\x00\x20ftypavif\x00\x00\x00\x00avifmif1miafMA1B"),
		"HEIC":              []byte("\x00\x00\x00\x20ftypheic\x00\x00\x00\x00heicmif1miafMA1B"),
		"one byte":          {0xff},
		"a start only":      {0xff, 0xd8, 0xff},
		"PNG's start only":  []byte("\x89PNG\r\n\x1a\n"),
		"broken codes":      broken,
		"BMP":               []byte("BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00"),
	} {
		if _, err := p.keep(t, data); err == nil || refusal(t, err) != http.StatusUnsupportedMediaType {
			t.Errorf("%s: %v", name, err)
		}
	}
	entries, err := os.ReadDir(p.o.Dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("refused pictures left %v (%v)", entries, err)
	}
}

func TestTruncatedPicturesAreRefusedWhereverTheyEnd(t *testing.T) {
	p := newPictures(t)
	for name, whole := range map[string][]byte{"JPEG": jpegOf(t, gradient(40, 24)), "PNG": pngOf(t, gradient(12, 9)), "GIF": animation(t)[:60], "WebP": unbase64(t, webpLossy)} {
		for end := 1; end < len(whole); end++ {
			if name == "PNG" && end >= len(whole)-12 || name == "JPEG" && end >= len(whole)-2 {
				break // the end says nothing about the pixels
			}
			if _, err := p.keep(t, whole[:end]); err == nil || refusal(t, err) != http.StatusUnsupportedMediaType {
				t.Fatalf("%s cut at %d of %d: %v", name, end, len(whole), err)
			}
		}
	}
}

func TestBombsAreRefusedBeforeTheyAreDecoded(t *testing.T) {
	p := newPictures(t)
	huge := jpegOf(t, gradient(16, 16))
	sof := bytes.Index(huge, []byte{0xff, markerSOF0})
	binary.BigEndian.PutUint16(huge[sof+5:], 20000)
	binary.BigEndian.PutUint16(huge[sof+7:], 20000)
	header := []byte("IHDR\x00\x00\x4e\x20\x00\x00\x4e\x20\x08\x06\x00\x00\x00")
	bigPNG := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), header...)
	bigPNG = binary.BigEndian.AppendUint32(bigPNG, crc32.ChecksumIEEE(header))
	lossy := unbase64(t, webpLossy)
	frame := slices.Clone(lossy[12:])
	binary.LittleEndian.PutUint16(frame[14:], 16383)
	binary.LittleEndian.PutUint16(frame[16:], 16383)
	// The header says one pixel, the frame says 268 million.
	liar := append([]byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), frame...)
	binary.LittleEndian.PutUint32(liar[4:], uint32(len(liar)-8))
	scans, slow := progressive(200), progressive(60)
	binary.BigEndian.PutUint16(slow[7:], 5000)
	binary.BigEndian.PutUint16(slow[9:], 5000)
	for name, data := range map[string][]byte{
		"JPEG of 20,000 × 20,000": huge, "PNG of 20,000 × 20,000": bigPNG, "WebP that lies": liar, "JPEG of 200 scans": scans, "JPEG of 60 scans of 25 megapixels": slow,
		"GIF of 65,535 × 65,535": []byte("GIF89a\xff\xff\xff\xff\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x02D\x01\x00;"),
	} {
		allocated := testing.AllocsPerRun(1, func() {
			if _, err := p.keep(t, data); err == nil || refusal(t, err) != http.StatusUnsupportedMediaType {
				t.Errorf("%s: %v", name, err)
			}
		})
		if allocated > 10000 {
			t.Errorf("%s: %v allocations", name, allocated)
		}
	}
}

func TestPicturesThatAreDecodedLeaveAProcessorToOthers(t *testing.T) {
	p := newPictures(t)
	for range max(1, runtime.GOMAXPROCS(0)-1) {
		if err := p.decoding.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	png, waited := pngOf(t, gradient(20, 20)), make(chan error, 1)
	go func() {
		_, err := p.Keep(ctx, bytes.NewReader(png), int64(len(png)))
		waited <- err
	}()
	for p.decoding.Waiting() == 0 && len(waited) == 0 {
		runtime.Gosched()
	}
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Errorf("one more did not wait: %v", err)
	}
	if _, err := p.keep(t, jpegOf(t, gradient(64, 48))); err != nil {
		t.Errorf("a photo that needs no decoding: %v", err)
	}
	p.decoding.Leave()
	for range 2 { // the first gives its turn back
		if _, err := p.keep(t, png); err != nil {
			t.Errorf("when there is a turn again: %v", err)
		}
	}
}

func TestNothingButThePictureSurvives(t *testing.T) {
	p := newPictures(t)
	const payload = "<script>alert(document.domain)</script>"
	plain := jpegOf(t, gradient(64, 48))
	gifWith := append(slices.Clone(animation(t)), payload...)
	pngWith := slices.Clone(pngOf(t, gradient(20, 20)))
	text := append([]byte("tEXt"), "Comment\x00"+payload...)
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(text)-4))
	chunk = binary.BigEndian.AppendUint32(append(chunk, text...), crc32.ChecksumIEEE(text))
	pngWith = append(slices.Concat(pngWith[:33], chunk, pngWith[33:]), payload...)
	for name, data := range map[string][]byte{
		"behind the end":      append(slices.Clone(plain), "PK\x03\x04"+payload...),
		"a comment":           withSegment(plain, markerCOM, []byte(payload)),
		"XMP":                 withSegment(plain, markerAPP1, []byte("http://ns.adobe.com/xap/1.0/\x00"+payload)),
		"a colour profile":    withSegment(plain, 0xe2, []byte("ICC_PROFILE\x00\x01\x01"+payload)),
		"an APP15 segment":    withSegment(plain, markerAPPF, []byte(payload)),
		"an unknown segment":  withSegment(plain, markerAPP0, []byte("JFIF\x00"+payload)),
		"several":             withSegment(withSegment(plain, markerCOM, []byte(payload)), markerAPP1, exif(1, binary.BigEndian)),
		"behind a GIF's end":  gifWith,
		"a PNG's text":        pngWith,
		"an unused table":     withSegment(plain, markerDQT, append([]byte{3}, (payload + payload)[:64]...)),
		"fill before segment": append([]byte{0xff, 0xd8, 0xff, 0xff, 0xff}, withSegment(plain, markerCOM, []byte(payload))[3:]...),
	} {
		kept, err := p.keep(t, data)
		if err != nil {
			if name == "an unused table" || name == "an unknown segment" {
				continue // refusing is as good
			}
			t.Errorf("%s: %v", name, err)
			continue
		}
		out := p.stored(t, kept.Files[0])
		if bytes.Contains(out, []byte("<script")) && name != "an unused table" || bytes.Contains(out, []byte("GPS")) || bytes.Contains(out, []byte("PK\x03\x04")) {
			t.Errorf("%s is still in the file", name)
		}
		if _, err := jpeg.Decode(bytes.NewReader(out)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
