package pictures

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"podium/server/answer"
	"podium/server/limits"
)

// The JPEG qualities of what is made.
const (
	displayQuality  = 85
	thumbQuality    = 78
	originalQuality = 92
)

// rendered is a photo as it is kept.
type rendered struct {
	display  encoded
	thumb    encoded // without data: to be made when somebody asks for it
	original []byte  // the photo in its full size, nil where it is not kept
}

type encoded struct {
	data          []byte
	width, height int
}

// render judges a photo and makes what is kept of it.
func (p *Pictures) render(ctx context.Context, photo io.ReadSeeker, size int64) (rendered, error) {
	head := make([]byte, min(size, headBytes))
	if _, err := io.ReadFull(photo, head); err != nil {
		return rendered{}, fmt.Errorf("read the photo: %w", err)
	}
	kind, err := sniff(head, p.o.HEIC)
	if err != nil {
		return rendered{}, err
	}
	turns := p.reading
	if size <= shortPhoto {
		turns = p.short
	}
	var out rendered
	var cost int64
	kept := false
	err = p.inTurn(ctx, turns, photo, size, func(data []byte) error {
		if kind.name == "JPEG" {
			if out, kept = keepJPEG(data); kept {
				return nil
			}
		}
		cost, err = p.cost(kind, data)
		return err
	})
	if err != nil || kept {
		return out, err
	}
	err = p.inTurn(ctx, p.decoding, photo, size, func(data []byte) error {
		if err := p.decode.Acquire(ctx, cost); err != nil {
			return err
		}
		defer p.decode.Release(cost)
		out, err = renderDecoded(kind, data, p.o.KeepOriginals)
		return err
	})
	return out, err
}

// shortPhoto is the length, in bytes, of photos that are read without waiting for
// longer ones.
const shortPhoto = 256 << 10

// inTurn waits for a turn, reads the photo, and calls f with it. Only who has a
// turn holds a photo in memory.
func (p *Pictures) inTurn(ctx context.Context, turns *limits.Turns, photo io.ReadSeeker, size int64, f func(data []byte) error) error {
	if err := turns.Enter(ctx); err != nil {
		return err
	}
	defer turns.Leave()
	held := min(size, p.filesBudget)
	if err := p.files.Acquire(ctx, held); err != nil {
		return err
	}
	defer p.files.Release(held)
	data := make([]byte, size)
	if _, err := photo.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("rewind the photo: %w", err)
	}
	if _, err := io.ReadFull(photo, data); err != nil {
		return fmt.Errorf("read the photo: %w", err)
	}
	return f(data)
}

// cost measures what decoding a picture takes. One that needs more than there
// can be is refused.
func (p *Pictures) cost(kind format, data []byte) (int64, error) {
	w, h, cost, err := kind.measure(data)
	if err != nil || w < 1 || h < 1 {
		return 0, unsupported(err, "That %s picture cannot be read.", kind.name)
	}
	pixels := int64(w) * int64(h)
	cost += madeBytes
	if p.o.KeepOriginals {
		cost += 3 * pixels
	}
	if pixels > int64(p.o.MaxPixels) || cost > p.decodeBudget {
		return 0, answer.New(http.StatusUnsupportedMediaType, "That picture has more pixels than this server takes (%d × %d).", w, h)
	}
	return cost, nil
}

// madeBytes is what the sizes that are made take, in bytes: planes of the
// display size twice, for turning, and what they are encoded to.
const madeBytes = 2*displaySide*displaySide*3/2 + 1<<20

// keepJPEG keeps a JPEG as it is, without its metadata, where it fits already,
// stands upright, and every code of it could be read.
func keepJPEG(data []byte) (rendered, bool) {
	plain, ok := checkJPEG(data)
	if !ok || max(plain.width, plain.height) > displaySide || exifOrientation(data) != 1 {
		return rendered{}, false
	}
	w, h := fitted(plain.width, plain.height, thumbSide)
	return rendered{
		display: encoded{plain.clean, plain.width, plain.height},
		thumb:   encoded{nil, w, h},
	}, true
}

// renderDecoded decodes the photo, scales and turns it.
func renderDecoded(kind format, data []byte, original bool) (rendered, error) {
	decoded, err := kind.decode(bytes.NewReader(data))
	if err != nil {
		return rendered{}, unsupported(err, "That %s picture is damaged or not complete.", kind.name)
	}
	orientation := 1
	if kind.name == "JPEG" {
		orientation = exifOrientation(data)
	}
	var out rendered
	if size := decoded.Bounds(); original && max(size.Dx(), size.Dy()) > displaySide {
		full, err := encodeJPEG(turn(shrink(decoded, max(size.Dx(), size.Dy())), orientation), originalQuality)
		if err != nil {
			return rendered{}, err
		}
		out.original = full.data
	}
	display := turn(shrink(decoded, displaySide), orientation)
	if out.display, err = encodeJPEG(display, displayQuality); err != nil {
		return rendered{}, err
	}
	out.thumb, err = encodeJPEG(shrink(display, thumbSide), thumbQuality)
	return out, err
}

// makeThumb makes the small size of a picture that is kept in the file name.
func (p *Pictures) makeThumb(ctx context.Context, name string) ([]byte, error) {
	file, err := os.Open(filepath.Join(p.o.Dir, name))
	if err != nil {
		return nil, fmt.Errorf("read a picture: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("read a picture: %w", err)
	}
	var thumb encoded
	err = p.inTurn(ctx, p.decoding, file, info.Size(), func(data []byte) error {
		kind, err := sniff(data[:min(len(data), headBytes)], false)
		if err != nil {
			return err
		}
		cost, err := p.cost(kind, data)
		if err != nil {
			return err
		}
		if err := p.decode.Acquire(ctx, cost); err != nil {
			return err
		}
		defer p.decode.Release(cost)
		decoded, err := kind.decode(bytes.NewReader(data))
		if err != nil {
			return fmt.Errorf("decode a picture: %w", err)
		}
		thumb, err = encodeJPEG(shrink(decoded, thumbSide), thumbQuality)
		return err
	})
	return thumb.data, err
}

func encodeJPEG(m image.Image, quality int) (encoded, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		return encoded{}, fmt.Errorf("encode the picture: %w", err)
	}
	return encoded{b.Bytes(), m.Bounds().Dx(), m.Bounds().Dy()}, nil
}
