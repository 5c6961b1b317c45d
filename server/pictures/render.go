package pictures

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"github.com/gen2brain/heic"
	"golang.org/x/image/draw"
	"golang.org/x/image/webp"
)

// The JPEG qualities of what is made.
const (
	displayQuality = 85
	thumbQuality   = 78
)

// rendered is a photo as it is kept.
type rendered struct{ display, thumb encoded }

type encoded struct {
	data          []byte
	width, height int
}

// format is a kind of picture that is taken.
type format struct {
	name   string
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

// sniff tells the format by the first bytes, whatever the client claims.
func sniff(head []byte, allowHEIC bool) (format, error) {
	brand := ""
	if len(head) >= 12 && string(head[4:8]) == "ftyp" {
		brand = string(head[8:12])
	}
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xd8\xff")):
		return format{"JPEG", jpeg.DecodeConfig, jpeg.Decode}, nil
	case bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")):
		return format{"PNG", png.DecodeConfig, png.Decode}, nil
	case bytes.HasPrefix(head, []byte("GIF87a")), bytes.HasPrefix(head, []byte("GIF89a")):
		return format{"GIF", gif.DecodeConfig, gif.Decode}, nil
	case len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP":
		return format{"WebP", webp.DecodeConfig, webp.Decode}, nil
	case brand == "avif", brand == "avis":
		return format{}, unsupported(nil, "AVIF pictures are not taken; please send a JPEG.")
	case brand == "heic", brand == "heix", brand == "hevc", brand == "mif1", brand == "msf1":
		if !allowHEIC {
			return format{}, unsupported(nil, "HEIC pictures are not taken by this server; please send a JPEG.")
		}
		return format{"HEIC", heic.DecodeConfig, heic.Decode}, nil
	}
	return format{}, unsupported(nil, "That is no picture of a kind that is taken: JPEG, PNG, GIF or WebP.")
}

// render judges a photo and makes what is kept of it.
func (p *Pictures) render(ctx context.Context, photo io.ReadSeeker, size int64) (rendered, error) {
	data := make([]byte, size)
	if _, err := io.ReadFull(photo, data); err != nil {
		return rendered{}, fmt.Errorf("read the photo: %w", err)
	}
	kind, err := sniff(data[:min(len(data), 16)], p.o.HEIC)
	if err != nil {
		return rendered{}, err
	}
	config, err := kind.config(bytes.NewReader(data))
	if err != nil || config.Width < 1 || config.Height < 1 {
		return rendered{}, unsupported(err, "That %s picture cannot be read.", kind.name)
	}
	pixels := int64(config.Width) * int64(config.Height)
	if pixels > int64(p.o.MaxPixels) || pixels*bytesPerPixel > p.o.MemoryBudget {
		return rendered{}, unsupported(nil, "That picture has more pixels than this server takes (%d × %d).", config.Width, config.Height)
	}
	if err := p.memory.Acquire(ctx, pixels*bytesPerPixel); err != nil {
		return rendered{}, err
	}
	defer p.memory.Release(pixels * bytesPerPixel)
	return renderDecoded(kind, data)
}

// renderDecoded decodes the photo, turns and scales it.
func renderDecoded(kind format, data []byte) (rendered, error) {
	decoded, err := kind.decode(bytes.NewReader(data))
	if err != nil {
		return rendered{}, unsupported(err, "That %s picture is damaged or not complete.", kind.name)
	}
	orientation := 1
	if kind.name == "JPEG" {
		orientation = exifOrientation(data)
	}
	bounds := decoded.Bounds()
	var out rendered
	if kind.name == "JPEG" && orientation == 1 && max(bounds.Dx(), bounds.Dy()) <= displaySide {
		if clean, ok := stripJPEG(data); ok {
			out.display = encoded{clean, bounds.Dx(), bounds.Dy()}
		}
	}
	if out.display.data == nil {
		display := turn(fit(decoded, displaySide), orientation)
		decoded, orientation = display, 1
		if out.display, err = encodeJPEG(display, displayQuality); err != nil {
			return rendered{}, err
		}
	}
	out.thumb, err = encodeJPEG(turn(fit(decoded, thumbSide), orientation), thumbQuality)
	return out, err
}

func encodeJPEG(m image.Image, quality int) (encoded, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		return encoded{}, fmt.Errorf("encode the picture: %w", err)
	}
	return encoded{b.Bytes(), m.Bounds().Dx(), m.Bounds().Dy()}, nil
}

// fit scales a picture down so that neither side is longer than side, on white
// where it is transparent.
func fit(m image.Image, side int) *image.RGBA {
	b := m.Bounds()
	w, h := b.Dx(), b.Dy()
	if longest := max(w, h); longest > side {
		w, h = max(1, w*side/longest), max(1, h*side/longest)
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	opaque, ok := m.(interface{ Opaque() bool })
	op := draw.Src
	if !ok || !opaque.Opaque() {
		draw.Draw(out, out.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
		op = draw.Over
	}
	if w == b.Dx() && h == b.Dy() {
		draw.Draw(out, out.Bounds(), m, b.Min, op)
		return out
	}
	draw.ApproxBiLinear.Scale(out, out.Bounds(), m, b, op, nil)
	return out
}

// turn applies an EXIF orientation, 1 to 8.
func turn(m *image.RGBA, orientation int) *image.RGBA {
	if orientation < 2 || orientation > 8 {
		return m
	}
	w, h := m.Rect.Dx(), m.Rect.Dy()
	outW, outH := w, h
	if orientation >= 5 {
		outW, outH = h, w
	}
	out := image.NewRGBA(image.Rect(0, 0, outW, outH))
	for y := range outH {
		for x := range outW {
			var fromX, fromY int
			switch orientation {
			case 2:
				fromX, fromY = w-1-x, y
			case 3:
				fromX, fromY = w-1-x, h-1-y
			case 4:
				fromX, fromY = x, h-1-y
			case 5:
				fromX, fromY = y, x
			case 6:
				fromX, fromY = y, h-1-x
			case 7:
				fromX, fromY = w-1-y, h-1-x
			case 8:
				fromX, fromY = w-1-y, x
			}
			from := m.PixOffset(fromX, fromY)
			copy(out.Pix[out.PixOffset(x, y):][:4], m.Pix[from:from+4])
		}
	}
	return out
}
