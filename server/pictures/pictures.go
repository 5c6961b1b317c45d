// Package pictures judges uploaded photos, makes them harmless and small, and
// keeps them: in a folder of this machine, or in Cloudinary.
//
// Bytes of unknown kind come in; a Picture (addresses, sizes, names of files)
// or a Refusal goes out, and image files go out over HTTP. The package knows
// nothing of categories and entries: whoever commits a submission stores what
// Keep returned, and calls Remove when it does not, or not any more.
package pictures

import (
	"fmt"
	"net/http"

	"podium/store"
)

// Ways in which a picture is kept, as entries name them.
const (
	MethodCloudinary = "cloudinary"
	MethodLocal      = "local-primary"  // Cloudinary is not configured
	MethodFallback   = "local-fallback" // Cloudinary is configured and failing
	MethodNone       = "none"           // there is no picture
)

// Picture is a photo that was kept.
type Picture struct {
	URL    string        // of the display size: absolute, or /uploads/<file>
	Method string        // one of the constants above
	Images []store.Image // its sizes, smallest first; nil when there is one only
	// Files are the names of its files in the folder of uploads.
	Files []string
	// CloudID is its public id in Cloudinary.
	CloudID string
}

// Refusal is a photo that is not taken, or can't be kept.
type Refusal struct {
	Status   int    // 413, 415, 503 or 507
	Sentence string // for the guest
	Cause    error  // for the log; may be nil
}

func (r *Refusal) Error() string {
	if r.Cause != nil {
		return r.Sentence + ": " + r.Cause.Error()
	}
	return r.Sentence
}

func (r *Refusal) Unwrap() error { return r.Cause }

func refuse(status int, cause error, format string, args ...any) *Refusal {
	return &Refusal{Status: status, Sentence: fmt.Sprintf(format, args...), Cause: cause}
}

func unsupported(cause error, format string, args ...any) *Refusal {
	return refuse(http.StatusUnsupportedMediaType, cause, format, args...)
}
