package pictures

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"io"

	"podium/contest"
	"podium/server/pictures/codec"
)

const (
	// logoSide is the square that logos are fitted into, in pixels.
	logoSide = 512
	// clearPixels is the largest PNG of which the transparency is kept: Go's own
	// decoder, which keeps it, holds all pixels at once.
	clearPixels = 2 << 20
	// clearCost is what that takes for each pixel, in bytes: up to eight as it is
	// decoded, four as it is scaled.
	clearCost = 12
)

// Logo judges a picture as Keep does a photo, and makes a logo of it, which it
// does not keep. A picture that is refused is an *answer.Error.
func (p *Pictures) Logo(ctx context.Context, picture io.ReadSeeker, size int64) (contest.Logo, error) {
	head := make([]byte, min(size, headBytes))
	if _, err := io.ReadFull(picture, head); err != nil {
		return contest.Logo{}, fmt.Errorf("read the logo: %w", err)
	}
	kind, err := sniff(head)
	if err != nil {
		return contest.Logo{}, err
	}
	var logo contest.Logo
	err = p.inTurn(ctx, p.decoding, size, fromTheBeginning(picture), func(data []byte) error {
		logo, err = p.makeLogo(ctx, kind, data)
		return err
	})
	return logo, err
}

func (p *Pictures) makeLogo(ctx context.Context, kind format, data []byte) (logo contest.Logo, err error) {
	err = p.decoded(ctx, kind, data, logoSide, func(m *image.YCbCr) error {
		shown, err := encodeJPEG(m, originalQuality)
		if err != nil {
			return err
		}
		logo.Picture = contest.Picture{Kind: "image/jpeg", Data: shown.data, Width: shown.width, Height: shown.height}
		logo.Icon, err = icon(m)
		return err
	})
	if err != nil || kind.kind != codec.PNG {
		return logo, err
	}
	clear, err := p.transparent(ctx, data)
	if err != nil || clear == nil {
		return logo, err
	}
	if logo.Picture, err = encodePNG(clear); err != nil {
		return logo, err
	}
	logo.Icon, err = icon(clear)
	return logo, err
}

// transparent is a PNG, scaled, with its transparency; nil where it has none or
// is too large for that.
func (p *Pictures) transparent(ctx context.Context, data []byte) (*image.RGBA, error) {
	config, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil || config.Width > clearPixels/config.Height {
		return nil, nil // the decoder that counts has read it
	}
	cost := int64(config.Width) * int64(config.Height) * clearCost
	if cost > p.decodeBudget {
		return nil, nil
	}
	release, err := p.take(ctx, p.decode, cost)
	if err != nil {
		return nil, err
	}
	defer release()
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, nil
	}
	if still, ok := m.(interface{ Opaque() bool }); ok && still.Opaque() {
		return nil, nil
	}
	whole := image.NewRGBA(image.Rect(0, 0, config.Width, config.Height))
	draw.Draw(whole, whole.Rect, m, m.Bounds().Min, draw.Src)
	return shrinkRGBA(whole, logoSide), nil
}

// shrinkRGBA scales a picture to at most side pixels, each channel by itself: they
// are premultiplied.
func shrinkRGBA(m *image.RGBA, side int) *image.RGBA {
	const channels = 4
	w, h := m.Rect.Dx(), m.Rect.Dy()
	newW, newH := fitted(w, h, side)
	out := image.NewRGBA(image.Rect(0, 0, newW, newH))
	row, plane := make([]byte, w), make([]byte, newW*newH)
	for channel := range channels {
		s := newShrinker(plane, newW, newW, newH, w, h)
		for y := range h {
			for x := range row {
				row[x] = m.Pix[y*m.Stride+channels*x+channel]
			}
			s.add(row)
		}
		for i, v := range plane {
			out.Pix[channels*i+channel] = v
		}
	}
	return out
}

// icon puts a picture on a white square, with the margin that phones cut into
// other shapes.
func icon(m image.Image) (contest.Picture, error) {
	b := m.Bounds()
	side := max(b.Dx(), b.Dy()) * 5 / 4
	square := image.NewRGBA(image.Rect(0, 0, side, side))
	draw.Draw(square, square.Rect, image.White, image.Point{}, draw.Src)
	at := image.Pt((side-b.Dx())/2, (side-b.Dy())/2)
	draw.Draw(square, image.Rectangle{Min: at, Max: at.Add(b.Size())}, m, b.Min, draw.Over)
	return encodePNG(square)
}

func encodePNG(m image.Image) (contest.Picture, error) {
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		return contest.Picture{}, fmt.Errorf("encode the logo: %w", err)
	}
	return contest.Picture{Kind: "image/png", Data: b.Bytes(), Width: m.Bounds().Dx(), Height: m.Bounds().Dy()}, nil
}
