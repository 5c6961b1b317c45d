// Package api is the contest's REST API: categories, submissions, the
// feed, winners, moderation, deletion and export.
//
// HTTP requests come in; JSON goes out, and changes go to the store, each in
// one transaction with the event that announces it. After a change the package
// calls Options.Published, so that whoever follows the log delivers it.
//
// # The API beyond the routes that old clients use
//
// For anyone:
//   - GET /api/contest: what a page needs to know once (categories, limits,
//     whether submissions wait for approval).
//   - GET /api/feed?limit=N, ?since=ms, ?category=ID&before=ENTRY&limit=N.
//   - GET /api/mine, DELETE /api/mine/ID: a phone's own photos, the newest hundred, by its
//     secret in the header Podium-Guest.
//   - GET /api/logo, GET /api/logo/icon: the event's logo, and the same as a square.
//   - GET /api/photos.zip: all photos, as in album.zip, where the organiser lets
//     everybody have them.
//   - GET /api/reveal: the presentation of the winners, as far as it is told.
//
// For admins and whoever has the presenter's link:
//   - GET /api/reveal/cue, POST /api/reveal/next and /api/reveal/back {"turn"}.
//
// For admins:
//   - POST /api/submissions/ID/approve, POST /api/submissions/ID/hide,
//     DELETE /api/submissions/ID.
//   - POST /api/submissions/delete-by-phone {"phone"}.
//   - POST /api/submissions/statuses {"statuses":{ID:"approved"|"waiting"|"hidden"}} changes
//     at most 500, all or none, and answers {"before":{…}}, which sent as statuses undoes it.
//   - POST /api/submissions/ID/move {"category","place"} puts one into another category,
//     place being the place that it has among the winners there, left out for none, and
//     answers {"entry","place"} with the place that it left.
//   - GET /api/categories/removed: the removed categories that have submissions, as
//     {"categories":[{"id","name","submissions","winners"}]}.
//   - POST /api/save-winners takes "before" too, in the form of "winners": where these
//     categories have other winners by now it changes nothing and answers 409.
//   - POST /api/reveal {"winners","order","names"} prepares a presentation, DELETE
//     ends it, GET /api/reveal/prepared says what is prepared.
//   - GET and POST /api/settings {"moderation":bool,"event":{"name","date","accent",
//     "welcome","terms","opens","closes","nameRequired","photosPerGuest","albumForGuests",
//     "wallSeconds","wallOrder","wallCode"}}: what is left out stays. GET /api/contest has
//     "event" too. Submissions outside its times are 403; where it asks for them, a
//     submission has a name, the field terms with "yes", and the field guest with
//     a secret of the phone, by which a guest's photos are counted.
//   - POST /api/logo, whose body is a picture, and DELETE /api/logo.
//   - GET /api/export.csv, GET /api/export.zip, and GET /api/album.zip: the photos
//     that everybody saw by name, the winners first, with a gallery.
//
// Events beyond newSubmission and winnersUpdated: submissionUpdated (the same
// payload as newSubmission), submissionRemoved {"id","category"}, for many that
// were deleted at once submissionsRemoved {"count","ids"} (without ids where they
// are over 500: then the feed says what is left), categoriesUpdated {"categories"}
// eventUpdated {} and
// revealUpdated {"state","turn","place":{"category","place","id"}}.
//
// # Text
//
// The store and the log hold text as people wrote it. With Options.EscapeText
// it is escaped for HTML on the way out, and category names are unescaped on
// the way back in. Names and phones leave on admin routes only.
package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"podium/contest"
	"podium/protocol/budget"
	"podium/protocol/limits"
	"podium/server/turns"
	"podium/store/archive"
)

// Limits of text fields, in characters.
const (
	MaxCaption = 2000
	MaxName    = 200
	MaxPhone   = 200
)

// maxJSON bounds JSON bodies of admins, in bytes.
const maxJSON = 1 << 20

// Picture is where a photo was put.
type Picture struct {
	URL     string          // absolute, or /uploads/…
	Method  string          // cloudinary, local-primary or local-fallback
	Images  []contest.Image // its sizes, smallest first; nil when there is one only
	Files   []string        // the names of its files in the folder of uploads
	CloudID string          // its id in Cloudinary
	Awaits  bool            // it is to be sent to Cloudinary
}

// Pictures judges photos and keeps them.
type Pictures interface {
	// Keep judges the photo of size bytes and keeps it. A photo that is refused
	// is an *answer.Error.
	Keep(ctx context.Context, photo io.ReadSeeker, size int64) (Picture, error)
	// Logo judges the picture of size bytes in the same way and makes a logo of
	// it, which it does not keep.
	Logo(ctx context.Context, picture io.ReadSeeker, size int64) (contest.Logo, error)
	// Committed is called when the submission that shows p is stored, so that
	// what is left to do for p begins.
	Committed(ctx context.Context, submission string, p Picture)
	// Remove deletes what Keep kept. It is called after the entry is gone.
	Remove(ctx context.Context, p Picture) error
}

// Options say how the contest runs.
type Options struct {
	Contest  *contest.Contest
	Pictures Pictures
	// Published is called after each commit that put an event into the log.
	Published func()
	// Founded is called when an admin has said what the event is.
	Founded func() error
	// Uploaded is called for each submission that was stored, with the method
	// by which its picture is kept.
	Uploaded func(method string)
	// EscapeText sends text escaped for HTML.
	EscapeText   bool
	WinnersLimit int
	// Moderation lets submissions wait when no admin has said otherwise.
	Moderation bool
	MaxPhoto   int64
	// Spools is charged for what submissions hold in memory while they arrive and
	// wait. Where it has no room for a photo, that is held in a file of SpoolDir.
	Spools   *budget.Share
	SpoolDir string
	// FeedMemory bounds the bytes of the feed that are kept encoded; 0 is no
	// bound. As much again may be kept of it compressed.
	FeedMemory int64
	// Readers is charged for what those who take the feed, or an admin's list of
	// everything, keep meanwhile.
	Readers *budget.Share
	Uploads *turns.Uploads
	// Waiting bounds the bytes of photos that have arrived and are worked on, or
	// wait for that.
	Waiting *limits.Gate
	// Albums bounds how many take all photos home at the same time.
	Albums *limits.Gate
	// Allow says how long the client of a request has to wait before it may
	// submit, or 0.
	Allow func(*http.Request) time.Duration
	// UploadWindow is the time in which a submission that arrives must bring
	// another 8 KiB, or its end.
	UploadWindow time.Duration
	// AddressOf finds the address of the client behind a request.
	AddressOf func(*http.Request) netip.Addr
	// Disk is asked for room before a submission is written.
	Disk Disk
	// Kept are the pictures for one export, which ends with the context.
	Kept func(context.Context) archive.Pictures
	// CleanupInterval is how often answers to an Idempotency-Key are forgotten
	// that are older than AnswerAge.
	CleanupInterval, AnswerAge time.Duration
	// Facts are further fields of GET /api/contest.
	Facts map[string]any
	// Now is the wall clock, by which submissions open and close. Stamp is what
	// submissions get their times from, by which pages sort them: it never goes back.
	Now, Stamp func() time.Time
	Logger     *slog.Logger
}

// Disk gives out room on the disk, beside what is kept free for what admins do. It is
// safe for concurrent use.
type Disk interface {
	// Spool reports whether n more bytes may be written now of an upload that is not
	// there whole, and so may stall.
	Spool(n int64) bool
	// Reserve keeps room for n bytes of what has arrived, until release is called, and
	// reports whether there is that much.
	Reserve(n int64) (release func(), ok bool)
}

// API answers the contest's requests. It is safe for concurrent use.
type API struct {
	Options
	text  text
	feed  feedCache
	once  keyed
	lists *budget.Meter // bytes of long lists of a phone's own photos

	listing sync.Mutex // held while all submissions are read for an admin, so that one list is made at a time

	cancel context.CancelFunc // ends work
	work   sync.WaitGroup
}

// New returns the API, which cleans up until Close. Every field of Options but
// Facts must be set.
func New(o Options) *API {
	c := &API{Options: o, text: text{escape: o.EscapeText}, lists: budget.NewMeter(listedPerSecond)}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	c.work.Go(func() { c.clean(ctx) })
	return c
}

// Close ends the cleaning up.
func (c *API) Close() {
	c.cancel()
	c.work.Wait()
}

// clean forgets answers that nobody will ask for again.
func (c *API) clean(ctx context.Context) {
	ticker := time.NewTicker(c.CleanupInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := c.Contest.Alone(ctx, "forget old answers", func(ctx context.Context) error {
			return c.Contest.TrimAnswers(ctx, c.AnswerAge)
		})
		if err != nil && ctx.Err() == nil {
			c.Logger.Warn("forget old answers", "error", err)
		}
	}
}

// Handler is an HTTP handler that returns what went wrong instead of writing
// it; the server writes it.
type Handler = func(w http.ResponseWriter, r *http.Request) error

// Route is one row of the API.
type Route struct {
	Method, Path string // a parameter is written :id
	Who          Who
	Handler      Handler
}

// Who says who may use a route.
type Who int

// Everybody; whoever presents the winners, and admins; whoever sets a new event
// up, and admins; admins.
const (
	Anyone Who = iota
	Presenters
	Founders
	Admins
)

// Routes lists the API.
func (c *API) Routes() []Route {
	return []Route{
		{http.MethodGet, "/categories.json", Anyone, c.categories},
		{http.MethodPost, "/api/categories", Admins, c.saveCategories},
		{http.MethodGet, "/api/categories/removed", Admins, c.removedCategories},
		{http.MethodPost, "/api/submit", Anyone, c.submit},
		{http.MethodGet, "/api/feed", Anyone, c.getFeed},
		{http.MethodGet, "/api/winners", Anyone, c.winners},
		{http.MethodGet, "/api/contest", Anyone, c.about},
		{http.MethodGet, "/api/submissions", Admins, c.submissions},
		{http.MethodPost, "/api/save-winners", Admins, c.saveWinners},
		{http.MethodPost, "/api/submissions/delete-by-phone", Admins, c.deleteByPhone},
		{http.MethodPost, "/api/submissions/statuses", Admins, c.setStatuses},
		{http.MethodPost, "/api/submissions/:id/move", Admins, c.move},
		{http.MethodPost, "/api/submissions/:id/approve", Admins, c.approve},
		{http.MethodPost, "/api/submissions/:id/hide", Admins, c.hide},
		{http.MethodDelete, "/api/submissions/:id", Admins, c.remove},
		{http.MethodGet, "/api/mine", Anyone, c.mine},
		{http.MethodDelete, "/api/mine/:id", Anyone, c.removeMine},
		{http.MethodGet, "/api/reveal", Anyone, c.reveal},
		{http.MethodPost, "/api/reveal", Admins, c.prepareReveal},
		{http.MethodDelete, "/api/reveal", Admins, c.endReveal},
		{http.MethodGet, "/api/reveal/prepared", Admins, c.preparedReveal},
		{http.MethodGet, "/api/reveal/cue", Presenters, c.cueReveal},
		{http.MethodPost, "/api/reveal/next", Presenters, c.nextReveal},
		{http.MethodPost, "/api/reveal/back", Presenters, c.backReveal},
		{http.MethodGet, "/api/logo", Anyone, c.logo},
		{http.MethodGet, "/api/logo/icon", Anyone, c.logoIcon},
		{http.MethodPost, "/api/logo", Founders, c.saveLogo},
		{http.MethodDelete, "/api/logo", Founders, c.removeLogo},
		{http.MethodGet, "/api/settings", Admins, c.settings},
		{http.MethodPost, "/api/settings", Admins, c.saveSettings},
		{http.MethodGet, "/api/export.csv", Admins, c.exportCSV},
		{http.MethodGet, "/api/export.zip", Admins, c.exportZip},
		{http.MethodGet, "/api/album.zip", Admins, c.albumZip},
		{http.MethodGet, "/api/photos.zip", Anyone, c.photosZip},
	}
}
