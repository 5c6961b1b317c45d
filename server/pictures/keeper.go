package pictures

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"podium/store"
)

// Options say where and how pictures are kept.
type Options struct {
	Dir           string // folder of uploads; made when it is missing
	MaxBytes      int64  // of a photo; 0 means 10 MiB
	MaxPixels     int    // of a photo; 0 means 50,000,000
	KeepOriginals bool   // keep the stripped original beside the display size
	// Cloud sends pictures to Cloudinary; the zero value keeps them here.
	Cloud Cloud
	// Transfers lists pictures that are to be sent to Cloudinary later. It may
	// be nil when Cloud is not configured.
	Transfers Transfers
	Logger    *slog.Logger
}

// Cloud says how to reach Cloudinary. It is configured when Name is not empty.
type Cloud struct {
	Name, Key, Secret string
	URL               string        // of the upload API; "" means Cloudinary's own
	Folder            string        // that public ids begin with; "" means "podium"
	Wait              time.Duration // that a guest waits for Cloudinary at most; 0 means 3 s
	Timeout           time.Duration // of a later attempt; 0 means 60 s
}

// Transfers is the list of submissions whose pictures wait for Cloudinary. It
// survives restarts. The store satisfies it.
type Transfers interface {
	// Transfers returns at most limit ids, and how many there are in all.
	Transfers(limit int) (ids []string, all int, err error)
	// Submission returns the submission of that id.
	Submission(id string) (store.Submission, error)
	// SetPicture changes a submission's picture, takes it off the list and
	// announces it.
	SetPicture(ctx context.Context, id string, change func(*store.Submission)) (store.Submission, error)
}

// Keeper judges and keeps pictures. It is safe for concurrent use.
type Keeper struct {
	o Options
}

// New returns a keeper, with the folder of uploads made.
func New(o Options) (*Keeper, error) { return &Keeper{o: o}, nil }

// Keep judges the photo of size bytes and keeps it. When it returns, the
// files are synced. A photo that is not taken is a *Refusal.
func (k *Keeper) Keep(ctx context.Context, photo io.ReadSeeker, size int64) (Picture, error) {
	return Picture{}, errors.ErrUnsupported
}

// Remove deletes what Keep kept, here at once and in Cloudinary in the
// background. It is called for a submission that was not committed, or is gone.
func (k *Keeper) Remove(ctx context.Context, p Picture) error { return nil }

// ServeHTTP answers GET and HEAD of /uploads/<file>.
func (k *Keeper) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }

// Sweep deletes files that the keeper made before it was started and that no
// submission refers to: uploads whose submission a crash kept from being
// committed. It returns how many there were. Other files are left alone.
func (k *Keeper) Sweep(ctx context.Context, referred func(file string) bool) (int, error) {
	return 0, nil
}

// Run transfers waiting pictures to Cloudinary until ctx ends; it returns at
// once when Cloudinary is not configured. published is called after each
// change that put an event into the log.
func (k *Keeper) Run(ctx context.Context, published func()) {}

// Wake makes Run look at the list now: a submission kept as local-fallback was
// committed and noted (store.AwaitTransfer).
func (k *Keeper) Wake() {}

// State is how keeping goes, for metrics and the dashboard.
type State struct {
	Configured bool      `json:"configured"` // Cloudinary is
	Breaker    string    `json:"breaker"`    // closed, half-open, open; "" when not configured
	Waiting    int       `json:"waiting"`    // pictures that are to be sent later
	Sent       uint64    `json:"sent"`       // to Cloudinary, in all
	Failures   uint64    `json:"failures"`   // attempts that failed
	LastError  string    `json:"lastError,omitempty"`
	LastSent   time.Time `json:"lastSent,omitzero"`
	Kept       uint64    `json:"kept"`      // pictures taken
	Refused    uint64    `json:"refused"`   // pictures not taken
	Decoding   int64     `json:"decoding"`  // bytes that decoding in progress may use
	DecodeMax  int64     `json:"decodeMax"` // bytes that decoding may use at most
}

// State returns how keeping goes.
func (k *Keeper) State() State { return State{} }

// Origins are the origins that pictures are loaded from besides this server,
// for a page's Content-Security-Policy.
func (k *Keeper) Origins() []string { return nil }
