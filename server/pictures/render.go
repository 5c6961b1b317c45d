package pictures

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"

	"podium/server/answer"
	"podium/server/pictures/codec"
	"podium/server/turns"
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
	kind, err := sniff(head)
	if err != nil {
		return rendered{}, err
	}
	var out rendered
	kept := false
	if kind.kind == codec.JPEG {
		turns := p.reading
		if size <= shortPhoto {
			turns = p.short
		}
		err = p.inTurn(ctx, turns, size, fromTheBeginning(photo), func(data []byte) error {
			out, kept = keepJPEG(data)
			return nil
		})
	}
	if err != nil || kept {
		return out, err
	}
	err = p.inTurn(ctx, p.decoding, size, fromTheBeginning(photo), func(data []byte) error {
		out, err = p.renderDecoded(ctx, kind, data)
		return err
	})
	return out, err
}

// shortPhoto is the length, in bytes, of photos that are read without waiting for
// longer ones.
const shortPhoto = 256 << 10

// inTurn waits for a turn, reads the photo, and calls f with it. Only who has a
// turn holds a photo in memory.
func (p *Pictures) inTurn(ctx context.Context, turns *turns.Turns, size int64, read, f func(data []byte) error) error {
	if err := turns.Enter(ctx); err != nil {
		return err
	}
	defer turns.Leave()
	held := min(size, p.filesBudget)
	release, err := p.take(ctx, p.files, held)
	if err != nil {
		return err
	}
	defer release()
	data := make([]byte, size)
	if err := read(data); err != nil {
		return fmt.Errorf("read the photo: %w", err)
	}
	return f(data)
}

// fromTheBeginning reads a photo whole.
func fromTheBeginning(photo io.ReadSeeker) func(data []byte) error {
	return func(data []byte) error {
		if _, err := photo.Seek(0, io.SeekStart); err != nil {
			return err
		}
		_, err := io.ReadFull(photo, data)
		return err
	}
}

// take waits for n bytes of part, and charges Options.Memory with them until
// release is called. Nobody can be made to stop decoding, so others go for it.
func (p *Pictures) take(ctx context.Context, part *semaphore.Weighted, n int64) (release func(), err error) {
	if err := part.Acquire(ctx, n); err != nil {
		return nil, err
	}
	charge := p.o.Memory.Open(turns.AddressOf(ctx), nil)
	if err := charge.Hold(n); err != nil {
		charge.Close()
		part.Release(n)
		return nil, &answer.Error{Status: http.StatusServiceUnavailable, Sentence: "The server has no memory for this picture at the moment; please send it again.", Code: "busy", Retry: 2 * time.Second, Cause: err}
	}
	return func() {
		charge.Close()
		part.Release(n)
	}, nil
}

// headerCost is what reading a header may take, in bytes: profiles and EXIF are
// held, and of some formats the whole file.
func headerCost(data []byte) int64 { return codec.Base + 4<<20 + int64(len(data)) }

// header reads the header of a picture, and returns what decoding it takes with
// its sizes, in bytes. One that needs more than there can be is refused.
func (p *Pictures) header(ctx context.Context, kind format, data []byte, side int) (codec.Info, int64, error) {
	small := headerCost(data)
	release, err := p.take(ctx, p.decode, small)
	if err != nil {
		return codec.Info{}, 0, err
	}
	defer release()
	d, info, err := p.open(kind, data, side, small)
	if err != nil {
		return codec.Info{}, 0, refused(kind, err)
	}
	if err := d.Close(); err != nil {
		return codec.Info{}, 0, err
	}
	w, h := info.Width, info.Height
	if w < 1 || h < 1 {
		return codec.Info{}, 0, unsupported(codeDamaged, nil, "That %s picture is empty; please send another one.", kind.name)
	}
	if w > p.o.MaxPixels/h {
		return codec.Info{}, 0, unsupported(codeTooMuch, nil, "That picture has more pixels (%d × %d) than this server takes (%d million); please send a smaller copy of it, such as a screenshot.", w, h, p.o.MaxPixels/1_000_000)
	}
	cost := codec.Base + info.Need + madeBytes
	if p.o.KeepOriginals {
		cost += 3 * int64(w) * int64(h)
	}
	if cost > p.decodeBudget && kind.name == "HEIC" {
		return codec.Info{}, 0, unsupported(codeHEIC, nil, "A HEIC picture of %d × %d takes more memory than this server has; please send a screenshot of it, or take it again with the camera set to JPEG (“Most Compatible” on an iPhone, no “High efficiency pictures” on a Galaxy).", w, h)
	}
	if cost > p.decodeBudget {
		return codec.Info{}, 0, unsupported(codeTooMuch, nil, "A picture of this kind and size (%s, %d × %d) takes more memory than this server has; please send a smaller copy of it, such as a screenshot.", kind.name, w, h)
	}
	return info, cost, nil
}

// refused makes the failure of a decoder an answer.
func refused(kind format, err error) error {
	if errors.Is(err, codec.ErrMemory) {
		return unsupported(codeTooMuch, err, "That %s picture takes more memory than its header says; please send another copy of it, such as a screenshot.", kind.name)
	}
	if errors.Is(err, codec.ErrUnsupported) {
		return unsupported(codeKind, err, "That %s picture is of a kind that this server cannot read; please send it as an ordinary JPEG, or a screenshot of it.", kind.name)
	}
	return unsupported(codeDamaged, err, "That %s picture is damaged or incomplete; please send it again, or a screenshot of it.", kind.name)
}

// madeBytes is what the sizes that are made take, in bytes: planes of the
// display size twice, for turning, and what they are encoded to.
const madeBytes = 2*displaySide*displaySide*3/2 + 1<<20

// keepJPEG keeps a JPEG as it is, without its metadata, where it fits already,
// stands upright in plain sRGB, and every code of it could be read.
func keepJPEG(data []byte) (rendered, bool) {
	plain, ok := checkJPEG(data)
	if !ok || max(plain.width, plain.height) > displaySide || plain.orientation != 1 {
		return rendered{}, false
	}
	w, h := fitted(plain.width, plain.height, thumbSide)
	return rendered{
		display: encoded{plain.clean, plain.width, plain.height},
		thumb:   encoded{nil, w, h},
	}, true
}

// renderDecoded decodes the photo, scales and turns it.
func (p *Pictures) renderDecoded(ctx context.Context, kind format, data []byte) (rendered, error) {
	side := displaySide
	if p.o.KeepOriginals {
		side = math.MaxInt32
	}
	var out rendered
	err := p.decoded(ctx, kind, data, side, func(full *image.YCbCr) (err error) {
		if p.o.KeepOriginals && max(full.Rect.Dx(), full.Rect.Dy()) > displaySide {
			original, err := encodeJPEG(full, originalQuality)
			if err != nil {
				return err
			}
			out.original = original.data
		}
		display := shrink(full, displaySide)
		if out.display, err = encodeJPEG(display, displayQuality); err != nil {
			return err
		}
		out.thumb, err = encodeJPEG(shrink(display, thumbSide), thumbQuality)
		return err
	})
	return out, err
}

// decoded calls use with the upright picture, at most side pixels wide and high.
func (p *Pictures) decoded(ctx context.Context, kind format, data []byte, side int, use func(*image.YCbCr) error) error {
	info, cost, err := p.header(ctx, kind, data, side)
	if err != nil {
		return err
	}
	release, err := p.take(ctx, p.decode, cost)
	if err != nil {
		return err
	}
	defer release()
	d, _, err := p.open(kind, data, side, codec.Base+info.Need)
	if err != nil {
		return refused(kind, err)
	}
	var s *scaler
	err = d.Rows(!plainRGB(info.Profile), func(w, h int) { s = newScaler(w, h, side) }, func(row []byte) { s.add(row) })
	if err = errors.Join(err, d.Close()); err != nil {
		return refused(kind, err)
	}
	m := s.to
	if !info.Upright {
		m = turn(m, tiffOrientation(info.EXIF))
	}
	return use(m)
}

// makeThumb makes the small size of a picture that is kept in the file name, and
// says whether that is in the bucket. It is opened anew when its turn comes: no
// connection waits for that.
func (p *Pictures) makeThumb(ctx context.Context, name string) (data []byte, away bool, err error) {
	file, err := p.find(ctx, name)
	if err != nil {
		return nil, false, err
	}
	size := file.version.size
	if err := file.Close(); err != nil {
		return nil, false, fmt.Errorf("read a picture: %w", err)
	}
	read := func(data []byte) error {
		file, err := p.find(ctx, name)
		if err != nil {
			return err
		}
		defer file.Close()
		away = file.away
		_, err = io.ReadFull(file, data)
		return err
	}
	var thumb encoded
	err = p.inTurn(ctx, p.decoding, size, read, func(data []byte) error {
		kind, err := sniff(data[:min(len(data), headBytes)])
		if err != nil {
			return err
		}
		return p.decoded(ctx, kind, data, thumbSide, func(m *image.YCbCr) error {
			thumb, err = encodeJPEG(m, thumbQuality)
			return err
		})
	})
	return thumb.data, away, err
}

func encodeJPEG(m image.Image, quality int) (encoded, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		return encoded{}, fmt.Errorf("encode the picture: %w", err)
	}
	return encoded{b.Bytes(), m.Bounds().Dx(), m.Bounds().Dy()}, nil
}
