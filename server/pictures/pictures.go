// Package pictures judges photos by their bytes, makes them safe, and keeps
// them: in Cloudinary where that is configured and answers, and on this
// machine otherwise.
//
// A stream of bytes comes in; names of files and addresses go out. What is
// kept was decoded to its end and holds nothing but pixels: metadata (such as
// where a photo was taken), trailing data and everything that could make the
// file something else than an image are gone. Names are random and never come
// from the client.
//
// # Formats
//
// JPEG, PNG, GIF (its first frame) and WebP are taken; SVG never. HEIC is taken
// where the process may use 2 GiB, because its decoder runs in WebAssembly and
// needs about one for a phone's photo. What is kept is always JPEG: the
// picture at most 2,048 pixels wide and high, and a thumbnail of 480. A JPEG
// that fits already and needs no turning keeps its own compression; only its
// metadata is cut out.
//
// # Memory
//
// Decoding a photo takes about eight bytes a pixel. Photos that together need
// more than the budget wait for each other, and one that alone needs more is
// refused before it is decoded.
package pictures

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"podium/server/answer"
	"podium/server/contest"
	"podium/store"
)

// The sides that pictures are fitted into, in pixels.
const (
	displaySide = 2048
	thumbSide   = 480
)

// bytesPerPixel is what decoding takes, progressive JPEGs included.
const bytesPerPixel = 8

// The storage methods, as entries name them.
const (
	MethodCloud    = "cloudinary"
	MethodLocal    = "local-primary"
	MethodFallback = "local-fallback"
)

// Options say how pictures are kept.
type Options struct {
	Dir       string // of the pictures on this machine
	MaxPixels int    // of a photo that is taken
	// MemoryBudget bounds what decoding takes at the same time, in bytes.
	MemoryBudget int64
	HEIC         bool
	Cloud        *Cloud // nil: pictures stay here
	Store        *store.Store
	Published    func() // called when a picture moved
	Logger       *slog.Logger
}

// Pictures keeps photos. It is safe for concurrent use.
type Pictures struct {
	o      Options
	memory *semaphore.Weighted

	wake   chan struct{} // of capacity 1: there is something to transfer
	cancel context.CancelFunc
	work   sync.WaitGroup
}

var _ contest.Pictures = (*Pictures)(nil)

// New makes the folder and starts the transfers to Cloudinary, which Close ends.
func New(o Options) (*Pictures, error) {
	if err := prepareDir(o.Dir); err != nil {
		return nil, err
	}
	p := &Pictures{o: o, memory: semaphore.NewWeighted(o.MemoryBudget), wake: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	if o.Cloud != nil {
		p.work.Go(func() { p.transfer(ctx) })
	}
	return p, nil
}

// Close ends the transfers and waits for the one that runs.
func (p *Pictures) Close() {
	p.cancel()
	p.work.Wait()
}

// Keep implements contest.Pictures.
func (p *Pictures) Keep(ctx context.Context, photo io.ReadSeeker, size int64) (contest.Picture, error) {
	made, err := p.render(ctx, photo, size)
	if err != nil {
		return contest.Picture{}, err
	}
	files, err := p.write(made)
	if err != nil {
		return contest.Picture{}, fullOr(err)
	}
	kept := contest.Picture{
		URL: "/uploads/" + files[0], Method: MethodLocal, Files: files,
		Images: []store.Image{
			{URL: "/uploads/" + files[1], Width: made.thumb.width, Height: made.thumb.height},
			{URL: "/uploads/" + files[0], Width: made.display.width, Height: made.display.height},
		},
	}
	if p.o.Cloud == nil {
		return kept, nil
	}
	// It is safe here already: Cloudinary gets one short try while the guest
	// waits, and as many as it needs afterwards.
	uploaded, err := p.o.Cloud.upload(ctx, bytes.NewReader(made.display.data), patience)
	if err != nil {
		p.o.Logger.Warn("a picture stays here for now", "error", err)
		kept.Method = MethodFallback
		return kept, nil
	}
	if err := p.removeFiles(files); err != nil {
		p.o.Logger.Warn("remove the local copy of a picture", "error", err)
	}
	return contest.Picture{URL: uploaded.URL, Method: MethodCloud, CloudID: uploaded.ID}, nil
}

// patience is how long a guest waits for Cloudinary.
const patience = 5 * time.Second

// Committed implements contest.Pictures: a picture that could not be sent to
// Cloudinary is noted down for later.
func (p *Pictures) Committed(ctx context.Context, submission string, kept contest.Picture) {
	if kept.Method != MethodFallback {
		return
	}
	if err := p.o.Store.AwaitTransfer(ctx, submission); err != nil {
		p.o.Logger.Error("note a picture to transfer", "submission", submission, "error", err)
		return
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Remove implements contest.Pictures.
func (p *Pictures) Remove(ctx context.Context, kept contest.Picture) error {
	if kept.CloudID != "" && p.o.Cloud != nil {
		if err := p.o.Cloud.remove(ctx, kept.CloudID); err != nil {
			return err
		}
	}
	return p.removeFiles(kept.Files)
}

// unsupported is the refusal of what is no picture that is taken.
func unsupported(because error, format string, args ...any) error {
	return answer.Because(because, http.StatusUnsupportedMediaType, fmt.Sprintf(format, args...))
}
