package pictures

import (
	"bytes"
	"encoding/binary"

	"podium/server/pictures/codec"
)

// format is a kind of picture that is taken.
type format struct {
	name string
	kind codec.Kind // "" for GIF, which is decoded here
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
	return format{}, otherKind(head)
}

// sniffHEIF tells HEIC and AVIF from videos by the brands in the first box. Cameras
// name what is inside as the major brand or only among the compatible ones. (ISO/IEC
// 14496-12, 4.3; 23008-12, 10; AV1 Image File Format, 6)
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
	major := string(head[8:12])
	switch {
	case av1 && (!hevc || major == "avif" || major == "avis"):
		return format{"AVIF", codec.HEIF}, nil
	case hevc, still:
		return format{"HEIC", codec.HEIF}, nil
	case major == "crx ":
		return format{}, unsupported(codeKind, nil, refusalOfRaw)
	}
	return format{}, unsupported(codeKind, nil, "That is a video, or a kind of picture that is not accepted; please send a photo, or a screenshot.")
}

// refusalOfRaw is for what cameras keep beside a photo, of which there are many kinds.
const refusalOfRaw = "That is a TIFF picture or a camera's raw one, which are not accepted; please send it as a JPEG, or a screenshot of it."

// otherKinds are kinds of files that people take for photos, by how they begin.
var otherKinds = []struct{ begins, name string }{
	{"\xff\x0a", "a JPEG XL picture"},
	{"\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL picture"},
	{"\x00\x00\x00\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"},
	{"\xff\x4f\xff\x51", "a JPEG 2000 picture"},
	{"BM", "a BMP picture"},
	{"\x00\x00\x01\x00", "an icon"},
	{"8BPS", "a Photoshop file"},
	{"%PDF", "a PDF"},
	{"<svg", "an SVG drawing"},
	{"<?xml", "an SVG drawing, or no picture at all"},
	{"\x1a\x45\xdf\xa3", "a video"},
	{"PK\x03\x04", "an archive"},
}

// otherKind says what a file is instead of a picture that is accepted, as far as its
// first bytes tell, and what to do about it.
func otherKind(head []byte) error {
	for _, begins := range []string{"II*\x00", "MM\x00*", "II+\x00", "MM\x00+", "IIU\x00", "IIRO", "IIRS", "FUJIFILMCCD-RAW"} {
		if bytes.HasPrefix(head, []byte(begins)) {
			return unsupported(codeKind, nil, refusalOfRaw)
		}
	}
	for _, kind := range otherKinds {
		if bytes.HasPrefix(head, []byte(kind.begins)) {
			return unsupported(codeKind, nil, "That is %s, which is not accepted; please send a JPEG, or a screenshot of the picture.", kind.name)
		}
	}
	return unsupported(codeKind, nil, "That kind of picture is not accepted; please send JPEG, PNG, GIF, WebP, HEIC or AVIF, or a screenshot of it.")
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
