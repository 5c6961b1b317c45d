package api

import (
	"net/http"
	"time"

	"podium/server/answer"
	"podium/store/archive"
)

// exportCSV answers GET /api/export.csv.
func (c *API) exportCSV(w http.ResponseWriter, r *http.Request) error {
	attachment(w, "text/csv; charset=utf-8", "submissions.csv")
	if err := (archive.Export{Contest: c.Contest}).WriteCSV(w); err != nil {
		c.brokeOff(r, err)
	}
	return nil
}

// exportZip answers GET /api/export.zip: the data in its old format, the
// spreadsheet and the pictures, as a stream.
func (c *API) exportZip(w http.ResponseWriter, r *http.Request) error {
	attachment(w, "application/zip", "contest.zip")
	if err := (archive.Export{Contest: c.Contest, Uploads: c.Kept(r.Context())}).WriteZip(w); err != nil {
		c.brokeOff(r, err)
	}
	return nil
}

// albumZip answers GET /api/album.zip: the photos to take home, as a stream.
func (c *API) albumZip(w http.ResponseWriter, r *http.Request) error {
	attachment(w, "application/zip", "photos.zip")
	if err := (archive.Album{Contest: c.Contest, Uploads: c.Kept(r.Context())}).WriteZip(w); err != nil {
		c.brokeOff(r, err)
	}
	return nil
}

// photosZip answers GET /api/photos.zip: the album, for everybody.
func (c *API) photosZip(w http.ResponseWriter, r *http.Request) error {
	evening, _, err := c.Contest.Evening()
	if err != nil {
		return storeError(err)
	}
	if !evening.AlbumForGuests {
		return answer.New(http.StatusForbidden, "The organiser does not give all photos to everybody.").Coded("noAlbum")
	}
	addr := c.AddressOf(r)
	if !c.Albums.Enter(addr) {
		return answer.Later(10*time.Second, "Others take the photos home just now; please try again in a moment.").Coded("busy")
	}
	defer c.Albums.Leave(addr)
	if r.Method == http.MethodHead {
		attachment(w, "application/zip", "photos.zip")
		return nil
	}
	return c.albumZip(&steadyWriter{ResponseWriter: w, control: http.NewResponseController(w)}, r)
}

// A guest who takes the album has to take steadyBytes in steadyTime, and is cut off
// else: there are few places, and whoever takes nothing would keep one for an hour.
const (
	steadyBytes = 1 << 20
	steadyTime  = 30 * time.Second
)

// steadyWriter gives each part of an answer its time.
type steadyWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	left    int // bytes of the part that may still be taken in its time
}

// Write implements io.Writer.
func (s *steadyWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		if s.left <= 0 {
			s.left = steadyBytes
			_ = s.control.SetWriteDeadline(time.Now().Add(steadyTime)) // best effort: tests have no connection
		}
		var some int
		some, err = s.ResponseWriter.Write(p[:min(len(p), s.left)])
		n, p, s.left = n+some, p[some:], s.left-some
	}
	return n, err
}

// Unwrap is for http.ResponseController.
func (s *steadyWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func attachment(w http.ResponseWriter, kind, name string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	w.Header().Set("Cache-Control", "no-store")
}

// brokeOff ends an export whose status has left already, so that the client
// sees an answer that was cut short and takes it for nothing else.
func (c *API) brokeOff(r *http.Request, err error) {
	if r.Context().Err() == nil { // else who asked for it went away
		c.Logger.Error("an export broke off", "error", err)
	}
	panic(http.ErrAbortHandler)
}
