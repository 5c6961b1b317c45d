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
// JPEG, PNG, GIF (its first frame, because what is kept is always JPEG) and
// WebP are taken; SVG and AVIF never. HEIC is taken where the process has the
// memory for its decoder, which runs in WebAssembly. What is kept is JPEG: the
// picture at most 2,048 pixels wide and high, upright, and a thumbnail of 480.
// Everything but the pixels is left behind, colour profiles included: they are
// a place to hide things, and pages send sRGB.
//
// A baseline JPEG that fits already and stands upright keeps its own
// compression: it is not decoded but read code by code (checkJPEG), which
// proves it whole at a twentieth of the cost, and copied without its metadata. Its
// thumbnail is made when somebody first asks for it. All others are decoded
// and encoded anew.
//
// # Memory
//
// What decoding takes is known from the header (measure). Photos that together
// need more than the budget wait for each other, and one that alone needs more
// is refused before it is decoded. Scaling works on the planes of a JPEG as
// they are, row by row, and needs no more than the new size.
//
// # Processors
//
// Fewer photos by one are decoded at the same time than Go uses processors, and as
// many read code by code: each may take long, and must not slow down everybody
// else. Short photos take 2 ms at most to read, and as many are read as there are
// processors. They wait in a bounded part of the memory or on the disk, and addresses take turns. What the scans
// of a progressive JPEG make of its pixels is bounded too.
//
// Measured for 4,000 × 3,000 pixels, eight photos, four at once, with the
// settings of a machine of 256 MB (GOMEMLIMIT of 217 MiB, a budget of 128 MiB):
// 125 MB resident at most for JPEG and 155 MB for PNG.
// (go test -v -run TwelveMegapixels ./server/pictures) A HEIC of that size took
// 430 MB with one at a time, so its decoder is for machines of 1 GiB and more.
package pictures

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"podium/contest"
	"podium/server/answer"
	"podium/server/api"
	"podium/server/limits"
)

// The sides that pictures are fitted into, in pixels.
const (
	displaySide = 2048
	thumbSide   = 480
)

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
	// KeepOriginals keeps photos that are larger than the display size also in
	// full, upright and without metadata.
	KeepOriginals bool
	Cloud         *Cloud // nil: pictures stay here
	Contest       *contest.Contest
	Published     func() // called when a picture moved
	Logger        *slog.Logger
}

// Pictures keeps photos. It is safe for concurrent use.
type Pictures struct {
	o Options
	// reading and decoding are the turns of photos that are read and measured, and
	// of those that are decoded; short photos are read in turns of their own, and
	// do not wait for long ones. files bounds the photos that are held meanwhile,
	// decode what decoding them takes. Order: a turn → files → decode.
	reading, short, decoding  *limits.Turns
	files, decode             *semaphore.Weighted
	filesBudget, decodeBudget int64
	names                     dirSyncer
	making                    singleflight.Group // small sizes

	wake   chan struct{}   // of capacity 1: there is something to transfer or to remove
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup // of everything in the background
}

var _ api.Pictures = (*Pictures)(nil)

// New makes the folder, and starts the transfers to Cloudinary and the search for
// files that a crash left over, which Close ends.
func New(o Options) (*Pictures, error) {
	if err := prepareDir(o.Dir); err != nil {
		return nil, err
	}
	p := &Pictures{o: o, names: dirSyncer{dir: o.Dir}, wake: make(chan struct{}, 1)}
	p.filesBudget = o.MemoryBudget / 8
	p.decodeBudget = o.MemoryBudget - p.filesBudget
	p.files, p.decode = semaphore.NewWeighted(p.filesBudget), semaphore.NewWeighted(p.decodeBudget)
	processors := runtime.GOMAXPROCS(0)
	long := max(1, processors-1)
	p.reading, p.short, p.decoding = limits.NewTurns(long), limits.NewTurns(processors), limits.NewTurns(long)
	ctx, cancel := context.WithCancel(context.Background())
	p.ctx, p.cancel = ctx, cancel
	started := time.Now()
	p.work.Go(func() {
		if n, err := p.sweep(ctx, started.Add(-leftoverAge)); err != nil {
			o.Logger.Warn("look for pictures without a submission", "error", err)
		} else if n > 0 {
			o.Logger.Info("removed pictures whose submission was never stored", "files", n)
		}
	})
	if o.Cloud != nil {
		p.work.Go(func() { p.transfer(ctx) })
	}
	return p, nil
}

// leftoverAge is the age from which a file without a submission counts as left
// over: long enough for any clock.
const leftoverAge = 10 * time.Minute

// Close ends the transfers and waits for the one that runs.
func (p *Pictures) Close() {
	p.cancel()
	p.work.Wait()
}

// Keep implements contest.Pictures.
func (p *Pictures) Keep(ctx context.Context, photo io.ReadSeeker, size int64) (api.Picture, error) {
	made, err := p.render(ctx, photo, size)
	if err != nil {
		return api.Picture{}, err
	}
	files, err := p.write(made)
	if err != nil {
		return api.Picture{}, fullOr(err)
	}
	kept := api.Picture{
		URL: "/uploads/" + files[0], Method: MethodLocal, Files: files,
		Images: []contest.Image{
			{URL: "/uploads/" + files[1], Width: made.thumb.width, Height: made.thumb.height},
			{URL: "/uploads/" + files[0], Width: made.display.width, Height: made.display.height},
		},
	}
	if p.o.Cloud == nil {
		return kept, nil
	}
	// It is safe here already: Cloudinary gets one short try while the guest
	// waits, and as many as it needs afterwards.
	uploaded, err := p.o.Cloud.upload(context.WithoutCancel(ctx), cloudID(files[0]), bytes.NewReader(made.display.data), p.o.Cloud.Patience)
	if err != nil {
		p.o.Logger.Warn("a picture stays here for now", "error", err)
		kept.Method, kept.Awaits = MethodFallback, true
		return kept, nil
	}
	if err := p.removeFiles(files); err != nil {
		p.o.Logger.Warn("remove the local copy of a picture", "error", err)
	}
	return api.Picture{URL: uploaded.URL, Method: MethodCloud, CloudID: uploaded.ID}, nil
}

// Committed implements contest.Pictures: a picture that could not be sent to
// Cloudinary is noted down with its submission, and tried again from now on.
func (p *Pictures) Committed(_ context.Context, _ string, kept api.Picture) {
	if kept.Awaits {
		p.wakeTransfers()
	}
}

// Remove implements contest.Pictures. Where Cloudinary does not answer, the
// deletion there is noted down and tried again in the background.
func (p *Pictures) Remove(ctx context.Context, kept api.Picture) error {
	var err error
	if kept.CloudID != "" && p.o.Cloud != nil {
		if failed := p.removeAtCloud(ctx, kept.CloudID); failed != nil {
			p.o.Logger.Warn("a picture will be deleted at Cloudinary later", "error", failed)
			err = p.removeLater(kept.CloudID)
		}
	}
	return errors.Join(err, p.removeFiles(kept.Files))
}

// unsupported is the refusal of what is no picture that is taken.
func unsupported(because error, format string, args ...any) error {
	return answer.Because(because, http.StatusUnsupportedMediaType, fmt.Sprintf(format, args...))
}
