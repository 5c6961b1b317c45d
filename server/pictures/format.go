package pictures

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"github.com/gen2brain/heic"
	"golang.org/x/image/webp"
)

// format is a kind of picture that is taken.
type format struct {
	name   string
	decode func(io.Reader) (image.Image, error)
	// measure reads the header: the size of the picture, and the bytes that
	// decoding it takes.
	measure func(data []byte) (w, h int, bytes int64, err error)
}

// headBytes is how much of a file sniff wants to see.
const headBytes = 16

// sniff tells the format by the first bytes, whatever the client claims.
func sniff(head []byte, allowHEIC bool) (format, error) {
	brand := ""
	if len(head) >= 12 && string(head[4:8]) == "ftyp" {
		brand = string(head[8:12])
	}
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xd8\xff")):
		return format{"JPEG", jpeg.Decode, measureJPEG}, nil
	case bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")):
		return format{"PNG", png.Decode, measurePNG}, nil
	case bytes.HasPrefix(head, []byte("GIF87a")), bytes.HasPrefix(head, []byte("GIF89a")):
		return format{"GIF", gif.Decode, measureGIF}, nil
	case len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP":
		return format{"WebP", webp.Decode, measureWebP}, nil
	case brand == "avif", brand == "avis":
		return format{}, unsupported(nil, "AVIF pictures are not taken; please send a JPEG.")
	case brand == "heic", brand == "heix", brand == "hevc", brand == "hevx", brand == "heim", brand == "heis", brand == "mif1", brand == "msf1":
		if !allowHEIC {
			return format{}, unsupported(nil, "HEIC pictures are not taken by this server; please send a JPEG.")
		}
		return format{"HEIC", decodeHEIC, measureHEIC}, nil
	}
	return format{}, unsupported(nil, "That is no picture of a kind that is taken: JPEG, PNG, GIF or WebP.")
}

// maxScans bounds the passes over a progressive JPEG. Encoders make about ten;
// each takes time for all of the picture, however short it is in the file.
const maxScans = 100

// maxScanned bounds the scans times the pixels: about two seconds of work. Ten
// scans of 50 megapixels are half of it.
const maxScanned = 1 << 30

// measureJPEG counts the samples that the decoder holds, and for progressive
// files the coefficients of all of them, of four bytes each.
func measureJPEG(data []byte) (w, h int, cost int64, err error) {
	config, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return 0, 0, 0, err
	}
	total, largest, progressive := int64(4), int64(1), true // the worst, where the header can't be found
	first := segments(data, func(marker byte, p []byte) bool {
		if marker < markerSOF0 || marker > markerSOF2 || len(p) < 6 {
			return true
		}
		progressive = marker == markerSOF2
		total = 0
		for i := 6; i+2 < len(p); i += 3 {
			area := int64(p[i+1]>>4) * int64(p[i+1]&15)
			total, largest = total+area, max(largest, area)
		}
		return true
	})
	if scans := bytes.Count(data[first:], []byte{0xff, markerSOS}); scans > maxScans || int64(scans)*int64(config.Width)*int64(config.Height) > maxScanned {
		return 0, 0, 0, fmt.Errorf("it has %d scans", scans)
	}
	cost = int64(config.Width) * int64(config.Height) * total / largest
	if progressive {
		cost *= 5
	}
	return config.Width, config.Height, cost, nil
}

// measurePNG counts the pixels, twice where they come interlaced.
func measurePNG(data []byte) (w, h int, cost int64, err error) {
	config, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return 0, 0, 0, err
	}
	each := int64(4)
	switch config.ColorModel {
	case color.GrayModel:
		each = 1
	case color.Gray16Model:
		each = 2
	case color.RGBA64Model, color.NRGBA64Model:
		each = 8
	}
	if _, ok := config.ColorModel.(color.Palette); ok {
		each = 1
	}
	if len(data) > 28 && data[28] != 0 { // IHDR's interlace method
		each *= 2
	}
	return config.Width, config.Height, int64(config.Width) * int64(config.Height) * each, nil
}

// measureGIF counts the pixels of one frame; frames can't be larger than the
// screen.
func measureGIF(data []byte) (w, h int, cost int64, err error) {
	config, err := gif.DecodeConfig(bytes.NewReader(data))
	return config.Width, config.Height, 2 * int64(config.Width) * int64(config.Height), err
}

var errChunks = errors.New("the chunks of the file do not fit together")

// measureWebP looks at every chunk that names a size. The decoder believes the
// frame's, and a header before it may name another: the largest counts.
// (RFC 9649, 2.5–2.7; RFC 6386, 9.1)
func measureWebP(data []byte) (w, h int, cost int64, err error) {
	if _, err := webp.DecodeConfig(bytes.NewReader(data)); err != nil {
		return 0, 0, 0, err
	}
	see := func(width, height uint32) { w, h = max(w, int(width)), max(h, int(height)) }
	for rest := data[12:]; len(rest) >= 8; {
		size := uint64(binary.LittleEndian.Uint32(rest[4:]))
		if size > uint64(len(rest)-8) {
			return 0, 0, 0, errChunks
		}
		body := rest[8 : 8+size]
		switch string(rest[:4]) {
		case "VP8X":
			if len(body) >= 10 {
				see(1+uint24(body[4:]), 1+uint24(body[7:]))
			}
		case "VP8 ":
			if len(body) >= 10 {
				see(uint32(binary.LittleEndian.Uint16(body[6:]))&0x3fff, uint32(binary.LittleEndian.Uint16(body[8:]))&0x3fff)
			}
		case "VP8L", "ALPH":
			if len(body) >= 5 && rest[3] == 'L' {
				packed := binary.LittleEndian.Uint32(body[1:])
				see(1+packed&0x3fff, 1+packed>>14&0x3fff)
			}
		}
		rest = rest[min(uint64(len(rest)), 8+size+size&1):]
	}
	// VP8L keeps the pixels and what it is making of them.
	return w, h, 10 * int64(w) * int64(h), nil
}

func uint24(b []byte) uint32 { return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 }

// The cost of decoding HEIC, measured: the decoder itself, and what it holds
// for a pixel.
const (
	heicBase     = 100 << 20
	heicPerPixel = 24
)

// heicSmallest is the width from which the decoder's planes are laid out as it
// says; smaller ones come out in wrong colours.
const heicSmallest = 128

func measureHEIC(data []byte) (w, h int, cost int64, err error) {
	config, err := heic.DecodeConfig(bytes.NewReader(data))
	if err == nil && config.Width < heicSmallest {
		err = errors.New("it is too small for the decoder")
	}
	return config.Width, config.Height, heicBase + heicPerPixel*int64(config.Width)*int64(config.Height), err
}

// decodeHEIC decodes a picture. The decoder frees the pixels before it hands
// them out, and its allocator writes over the first of them: these are taken
// from the row below.
func decodeHEIC(r io.Reader) (image.Image, error) {
	m, err := heic.Decode(r)
	if planes, ok := m.(*image.YCbCr); ok && err == nil && planes.YStride >= 32 && len(planes.Y) >= 2*planes.YStride {
		copy(planes.Y[:32], planes.Y[planes.YStride:])
	}
	return m, err
}
