// Package pictures judges photos by their bytes, makes them safe, and keeps
// them: in a bucket or Cloudinary where that is configured and answers, and on this
// machine otherwise.
//
// A stream of bytes comes in; names of files and addresses go out. What is
// kept was decoded to its end and holds nothing but pixels: metadata (such as
// where a photo was taken), trailing data and everything that could make the
// file something other than an image are gone. Names are random and never come
// from the client.
//
// # Formats
//
// JPEG, PNG, GIF and WebP (the first frame, on its screen), HEIC and AVIF are taken;
// SVG never. Whatever else people take for a photo is refused with what to do about
// it. What is kept is JPEG: the picture at most 2,048 pixels wide and high, upright,
// and a thumbnail of 480. Everything but the pixels is left behind, colour profiles
// included: they are a place to hide things, so colours are converted to sRGB. They
// are told by a profile of RGB, grey or inks, or by codes (ITU-T H.273) as HEIC, AVIF
// and PNG have them; the light of HDR pictures is pressed into what sRGB has.
//
// Package codec decodes with the libraries that browsers use, but for GIF, which is
// read here. What browsers show is taken: a file without its end, a wrong
// checksum in a chunk that is not part of the picture, a video behind a photo. What
// has lost pixels is refused, so that the guest can send it again.
//
// A baseline JPEG that fits already, stands upright and has no colour profile but
// sRGB keeps its own compression: it is not decoded but read code by code
// (checkJPEG), which proves it whole, and copied without its metadata. That is what
// this server's page sends. It costs a twentieth of what libjpeg-turbo takes for
// the same in WebAssembly, which is why it is code of ours; a fuzz target
// (FuzzCheckJPEG) holds it to what libjpeg-turbo decodes. Its thumbnail is made
// when somebody first asks for it. A thumbnail that can't be made is tried once.
//
// # Memory
//
// What decoding takes is known from the header, and the decoder gets that much and
// no more: a file whose header is not true fails, and nobody else is touched.
// Options.Memory, which others share, is charged with the same. Photos that together need more than the budget wait for each other, and one that
// alone needs more is refused before it is decoded. Scaling works row by row, and
// needs no more than the new size.
//
// Of a machine of 256 MB, decoders may have 112 MB. What is charged for a decoder, in
// MB, beside 13 for what is made of the rows, for pictures of 12 and of 50
// megapixels; of JPEG, PNG and HEIC, runs took as much or up to a fifth less, and of
// AVIF up to a third less. Beside each other on a busy machine, 12 megapixels of AVIF
// took half the time of HEIC (7 and 14 s). dav1d makes the program 260 KB larger.
//
//	                                12 MP  50 MP
//	JPEG, baseline                      1      1
//	JPEG, progressive, 4:2:0           35    144
//	JPEG, progressive, 4:4:4           69      –
//	PNG, also of 16 bits                1      1
//	PNG, interlaced                    46    196
//	WebP, lossy                        18     20
//	WebP, lossless                     72      –
//	HEIC, AVIF, 8 bits                 80      –
//
// Decoders are compiled when the first picture comes that needs them: for all but
// HEIC that takes a second or more, 43 MB at that time, and 25 MB from then on.
//
// # Processors
//
// One photo fewer is decoded at a time than Go uses processors, and as
// many are read code by code: each may take long, and must not slow down everybody
// else. Short photos take 2 ms at most to read, and as many are read as there are
// processors. They wait in a bounded part of the memory or on the disk, and addresses take turns. What the scans
// of a progressive JPEG make of its pixels is bounded too.
package pictures

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"podium/contest"
	"podium/protocol/budget"
	"podium/server/answer"
	"podium/server/api"
	"podium/server/pictures/codec"
	"podium/server/turns"
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
	// Memory is charged for that too, beside whatever else the process holds for
	// its clients.
	Memory *budget.Share
	// KeepOriginals keeps photos that are larger than the display size also in
	// full, upright and without metadata.
	KeepOriginals bool
	// AddressOf tells who a small size is made for, so that addresses take turns
	// at that too. Nil: all are one.
	AddressOf func(*http.Request) netip.Addr
	// Bucket and Cloud keep pictures elsewhere; nil: they stay here. Where there are
	// both, the bucket gets the new ones, and those at Cloudinary can be deleted.
	Bucket *Bucket
	Cloud  *Cloud
	// Codec decodes, and is the caller's. Nil: Pictures makes its own.
	Codec     *codec.Codec
	Contest   *contest.Contest
	Published func() // called when a picture moved
	Logger    *slog.Logger
}

// Pictures keeps photos. It is safe for concurrent use.
type Pictures struct {
	o Options
	// reading and decoding are the turns of photos that are read and measured, and
	// of those that are decoded; short photos are read in turns of their own, and
	// do not wait for long ones. files bounds the photos that are held meanwhile,
	// decode what decoding them takes. Order: a turn → files → decode.
	reading, short, decoding  *turns.Turns
	files, decode             *semaphore.Weighted
	filesBudget, decodeBudget int64
	codec                     *codec.Codec
	names                     dirSyncer
	making                    singleflight.Group // small sizes
	hopeless                  hopeless           // pictures whose small size cannot be made

	place place // of new pictures; nil: they stay here

	// The transferring goroutine's: the submissions whose pictures wait for the place
	// on other machines, and whether what was here before there was a bucket is there.
	elsewhere map[string]bool
	carried   bool

	wake   chan struct{}   // of capacity 1: there is something to transfer or to remove
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup // of everything in the background
}

var _ api.Pictures = (*Pictures)(nil)

// New makes the folder, and starts the transfers to the place and the search for
// files that a crash left over, which Close ends.
func New(o Options) (*Pictures, error) {
	if err := prepareDir(o.Dir); err != nil {
		return nil, err
	}
	p := &Pictures{o: o, names: dirSyncer{dir: o.Dir}, wake: make(chan struct{}, 1)}
	here, err := p.ours()
	if err != nil {
		return nil, err
	}
	p.filesBudget = o.MemoryBudget / 8
	p.decodeBudget = o.MemoryBudget - p.filesBudget
	p.files, p.decode = semaphore.NewWeighted(p.filesBudget), semaphore.NewWeighted(p.decodeBudget)
	processors := runtime.GOMAXPROCS(0)
	long := max(1, processors-1)
	p.reading, p.short, p.decoding = turns.NewTurns(long), turns.NewTurns(processors), turns.NewTurns(long)
	ctx, cancel := context.WithCancel(context.Background())
	p.ctx, p.cancel = ctx, cancel
	if p.codec = o.Codec; p.codec == nil {
		if p.codec, err = codec.New(ctx); err != nil {
			cancel()
			return nil, err
		}
	}
	switch {
	case o.Bucket != nil:
		p.place = o.Bucket
	case o.Cloud != nil:
		p.place = o.Cloud
	}
	if p.place != nil {
		p.work.Go(func() { p.transfer(ctx) })
	}
	p.work.Go(func() { p.keepSwept(ctx, here) })
	return p, nil
}

// sweepEvery is how often files are looked for that are here, and whose submission
// was deleted at another machine. What is here for as long and has no submission
// will get none.
const sweepEvery = 10 * time.Minute

const (
	// LeftOverAge is the age from which an object without a submission counts as left
	// over in the bucket.
	LeftOverAge = 10 * time.Minute
	// sweptAge is the age from which it is removed by itself: more than any clock is
	// wrong by.
	sweptAge = 24 * time.Hour
)

// keepSwept removes what no submission refers to: of what was here when this process
// began, and again and again where other machines delete submissions as well, or a
// deletion in the bucket may have been broken off. For what is here no
// clock is asked: one that was set back would make a new file look old.
func (p *Pictures) keepSwept(ctx context.Context, here []string) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	if p.o.Contest.Shared() {
		here = nil // a commit of the process before may still be under way
	}
	for {
		if n, err := p.sweep(ctx, here); err != nil {
			p.o.Logger.Warn("look for pictures without a submission", "error", err)
		} else if n > 0 {
			p.o.Logger.Info("removed pictures that belong to no submission", "files", n)
		}
		if p.o.Bucket != nil {
			p.sweepBucket(ctx, time.Now().Add(-sweptAge))
		}
		if !p.o.Contest.Shared() && p.o.Bucket == nil {
			return
		}
		var err error
		if here, err = p.ours(); err != nil {
			p.o.Logger.Warn("look for pictures without a submission", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// sweepBucket removes from the bucket what no submission refers to, unless another
// machine is at it.
func (p *Pictures) sweepBucket(ctx context.Context, before time.Time) {
	err := p.o.Contest.Alone(ctx, "look for pictures left over in the bucket", func(ctx context.Context) error {
		n, err := RemoveLeftOver(ctx, p.o.Contest, p.o.Bucket.files, before)
		if n > 0 {
			p.o.Logger.Info("removed pictures that belong to no submission from the bucket", "files", n)
		}
		return err
	})
	if err != nil && ctx.Err() == nil {
		p.o.Logger.Warn("look for pictures without a submission in the bucket", "error", err)
	}
}

// Close ends the transfers and waits for the one that runs.
func (p *Pictures) Close() {
	p.cancel()
	p.work.Wait()
	if p.o.Codec != nil {
		return
	}
	if err := p.codec.Close(); err != nil {
		p.o.Logger.Warn("end the decoders of pictures", "error", err)
	}
}

// Keep implements contest.Pictures.
func (p *Pictures) Keep(ctx context.Context, photo io.ReadSeeker, size int64) (api.Picture, error) {
	made, err := p.render(ctx, photo, size)
	if err != nil {
		return api.Picture{}, err
	}
	names, files := made.files()
	kept := api.Picture{
		URL: "/uploads/" + names[0], Method: MethodLocal, Files: names,
		Images: []contest.Image{
			{URL: "/uploads/" + names[1], Width: made.thumb.width, Height: made.thumb.height},
			{URL: "/uploads/" + names[0], Width: made.display.width, Height: made.display.height},
		},
	}
	if p.place != nil {
		// One short try while the guest waits; where it fails the picture stays
		// here, and there are as many as it needs afterwards.
		there, err := p.place.keep(context.WithoutCancel(ctx), kept, files, p.place.service().Patience)
		if err == nil {
			return there, nil
		}
		p.o.Logger.Warn("a picture stays here for now", "error", err)
		kept.Method, kept.Awaits = MethodFallback, true
	}
	if err := p.write(files); err != nil {
		return api.Picture{}, fullOr(err)
	}
	return kept, nil
}

// Committed implements contest.Pictures: a picture that could not be sent to its
// place is noted down with its submission, and tried again from now on.
func (p *Pictures) Committed(_ context.Context, _ string, kept api.Picture) {
	if kept.Awaits {
		p.wakeTransfers()
	}
}

// Remove implements contest.Pictures. Where the picture's place does not answer, the
// deletion there is noted down and tried again in the background.
func (p *Pictures) Remove(ctx context.Context, kept api.Picture) error {
	id := kept.CloudID
	if id == "" && p.o.Bucket != nil && len(kept.Files) > 0 {
		// It waits to be sent, and a part of it may have been; or it was in the
		// folder before there was a bucket, or came by an import.
		id = contest.BucketID(kept.Files[0])
	}
	var err error
	if id != "" && p.placeOf(id) != nil {
		if failed := p.removeThere(ctx, id); failed != nil {
			p.o.Logger.Warn("a picture will be deleted elsewhere later", "error", failed)
			err = p.removeLater(id)
		}
	}
	return errors.Join(err, p.removeFiles(kept.Files))
}

// Why a picture is not taken, as pages know it.
const (
	codeKind    = "photoKind"    // not of a kind that is taken
	codeTooMuch = "photoTooMuch" // more pixels or memory than there can be
	codeHEIC    = "photoHEIC"    // as codeTooMuch, of a camera that can take others
	codeDamaged = "photoDamaged"
)

// unsupported is the refusal of what is no picture that is taken.
func unsupported(code string, because error, format string, args ...any) error {
	return answer.Because(because, http.StatusUnsupportedMediaType, fmt.Sprintf(format, args...)).Coded(code)
}
