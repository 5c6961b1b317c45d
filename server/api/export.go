package api

import (
	"net/http"

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
	if err := (archive.Export{Contest: c.Contest, Uploads: c.UploadsDir}).WriteZip(w); err != nil {
		c.brokeOff(r, err)
	}
	return nil
}

// albumZip answers GET /api/album.zip: the photos to take home, as a stream.
func (c *API) albumZip(w http.ResponseWriter, r *http.Request) error {
	attachment(w, "application/zip", "photos.zip")
	if err := (archive.Album{Contest: c.Contest, Uploads: c.UploadsDir}).WriteZip(w); err != nil {
		c.brokeOff(r, err)
	}
	return nil
}

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
