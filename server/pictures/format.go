package pictures

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"io"

	"podium/server/pictures/codec"
)

// format is a kind of picture that is taken.
type format struct {
	name string
	kind codec.Kind // "" for GIF, which Go's own package decodes
}

// headBytes is how much of a file sniff wants to see: of HEIC, its brands.
const headBytes = 256

// sniff tells the format by the first bytes, whatever the client claims.
func sniff(head []byte) (format, error) {
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xd8\xff")):
		return format{"JPEG", codec.JPEG}, nil
	case bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")):
		return format{"PNG", codec.PNG}, nil
	case bytes.HasPrefix(head, []byte("GIF87a")), bytes.HasPrefix(head, []byte("GIF89a")):
		return format{name: "GIF"}, nil
	case len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP":
		return format{"WebP", codec.WebP}, nil
	case len(head) >= 12 && string(head[4:8]) == "ftyp":
		return sniffHEIF(head)
	}
	return format{}, unsupported(codeKind, nil, "That is no picture of a kind that is taken: JPEG, PNG, GIF, WebP or HEIC.")
}

// sniffHEIF tells HEIC from AVIF and from videos by the brands in the first box.
// Cameras name what is inside as the major brand or only among the compatible
// ones. (ISO/IEC 14496-12, 4.3; 23008-12, 10)
func sniffHEIF(head []byte) (format, error) {
	end := min(int(min(binary.BigEndian.Uint32(head), headBytes)), len(head))
	var still, hevc, av1 bool
	for at := 8; at+4 <= end; at += 4 {
		if at == 12 {
			continue // the minor version
		}
		switch string(head[at : at+4]) {
		case "heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs":
			hevc = true
		case "avif", "avis":
			av1 = true
		case "mif1", "mif2", "msf1":
			still = true
		}
	}
	switch {
	case hevc, still && !av1:
		return format{"HEIC", codec.HEIF}, nil
	case av1:
		return format{}, unsupported(codeKind, nil, "AVIF pictures are not taken; please send a JPEG, or a screenshot of the picture.")
	}
	return format{}, unsupported(codeKind, nil, "That is no picture of a kind that is taken: JPEG, PNG, GIF, WebP or HEIC.")
}

// decoder is a picture whose header was read.
type decoder interface {
	// Rows calls start with the size of what comes out, and each with every row of
	// it, in RGB. See codec.Picture.
	Rows(convert bool, start func(w, h int), each func(row []byte)) error
	Close() error
}

// open reads the header of a picture. The decoder may take limit bytes.
func (p *Pictures) open(kind format, data []byte, side int, limit int64) (decoder, codec.Info, error) {
	if kind.kind == "" {
		g, err := openGIF(data)
		if err != nil {
			return nil, codec.Info{}, err
		}
		return g, codec.Info{Width: g.width, Height: g.height, Need: g.need()}, nil
	}
	d, err := p.codec.Open(p.ctx, kind.kind, data, side, limit)
	if err != nil {
		return nil, codec.Info{}, err
	}
	return d, d.Info, nil
}

// gifPicture is the first frame of a GIF on its screen.
type gifPicture struct {
	data          []byte
	width, height int
	frame         image.Point // its size
}

var errGIF = errors.New("the GIF has no frame")

// openGIF looks for the first frame (GIF89a, 18–20). A screen that is smaller than
// the frame is made as large, as browsers do.
func openGIF(data []byte) (*gifPicture, error) {
	if len(data) < 13 {
		return nil, errGIF
	}
	g := &gifPicture{data: data, width: int(binary.LittleEndian.Uint16(data[6:])), height: int(binary.LittleEndian.Uint16(data[8:]))}
	at := 13
	if data[10]&0x80 != 0 {
		at += 3 << (data[10]&7 + 1)
	}
	for at+10 <= len(data) {
		switch data[at] {
		case 0x2c:
			left, top := int(binary.LittleEndian.Uint16(data[at+1:])), int(binary.LittleEndian.Uint16(data[at+3:]))
			g.frame = image.Pt(int(binary.LittleEndian.Uint16(data[at+5:])), int(binary.LittleEndian.Uint16(data[at+7:])))
			g.width, g.height = max(g.width, left+g.frame.X), max(g.height, top+g.frame.Y)
			return g, nil
		case 0x21:
			for at += 2; at < len(data) && data[at] != 0; at += 1 + int(data[at]) {
			}
			at++
		default:
			return nil, errGIF
		}
	}
	return nil, errGIF
}

// need is what the frame takes: twice where it comes interlaced.
func (g *gifPicture) need() int64 {
	return 2*int64(g.frame.X)*int64(g.frame.Y) + 3*int64(g.width) + 1<<16
}

// Close implements decoder.
func (g *gifPicture) Close() error { return nil }

// Rows implements decoder.
func (g *gifPicture) Rows(_ bool, start func(w, h int), each func(row []byte)) error {
	head := bytes.Clone(g.data[:13])
	binary.LittleEndian.PutUint16(head[6:], uint16(min(g.width, 0xffff)))
	binary.LittleEndian.PutUint16(head[8:], uint16(min(g.height, 0xffff)))
	m, err := gif.Decode(io.MultiReader(bytes.NewReader(head), bytes.NewReader(g.data[13:])))
	if err != nil {
		return err
	}
	frame, ok := m.(*image.Paletted)
	if !ok {
		return errGIF
	}
	var colours [256][3]byte
	for i := range colours {
		colours[i] = [3]byte{255, 255, 255}
		if i < len(frame.Palette) {
			if c := color.NRGBAModel.Convert(frame.Palette[i]).(color.NRGBA); c.A != 0 {
				colours[i] = [3]byte{c.R, c.G, c.B}
			}
		}
	}
	start(g.width, g.height)
	row := make([]byte, 3*g.width)
	for y := range g.height {
		for i := range row {
			row[i] = 255
		}
		if b := frame.Rect; y >= b.Min.Y && y < b.Max.Y {
			to := row[3*b.Min.X:]
			for x, index := range frame.Pix[frame.PixOffset(b.Min.X, y):][:b.Dx()] {
				copy(to[3*x:], colours[index][:])
			}
		}
		each(row)
	}
	return nil
}
