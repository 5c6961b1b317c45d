// Package archive moves contest data between the store and the format of old
// deployments: data.json, categories.json, uploads/, backups/ and .wal/.
//
// A folder comes in and a store is filled, with a report of what could not be
// taken; or a store comes in and files go out, in the same format, so that one
// can go back, and as a table for a spreadsheet. The package asks nothing and
// prints nothing.
package archive

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"podium/store"
)

// Entry is a submission in the old format. Status and images are there only
// for what the old format does not know.
type Entry struct {
	ID            string        `json:"id"`
	Category      string        `json:"category"`
	Caption       string        `json:"caption"`
	Name          string        `json:"name"`
	Phone         string        `json:"phone"`
	ImageURL      *string       `json:"imageUrl"`
	StorageMethod string        `json:"storageMethod"`
	CreatedAt     int64         `json:"createdAt"`
	SubmissionID  string        `json:"submissionId"`
	Status        store.Status  `json:"status,omitempty"`
	Images        []store.Image `json:"images,omitempty"`
}

var (
	entryID    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	uploadName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$`)
)

// document is data.json, its entries still as they were written.
type document struct {
	Submissions map[string][]json.RawMessage `json:"submissions"`
	Winners     map[string]json.RawMessage   `json:"winners"`
}

// parseDocument reads a data.json. Anything but an object with submissions is
// an error.
func parseDocument(data []byte) (*document, error) {
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, err
	}
	if d.Submissions == nil {
		return nil, fmt.Errorf("it has no submissions")
	}
	return &d, nil
}

// parseEntry reads one entry of a category. Fields that are missing or of
// another type get what can be derived, each with a remark.
func parseEntry(category string, raw json.RawMessage) (sub store.Submission, remarks []string, err error) {
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil || fields == nil {
		return sub, nil, fmt.Errorf("it is no object")
	}
	text := func(name string) string {
		switch v := fields[name].(type) {
		case string:
			return v
		case nil:
			return ""
		case float64:
			remarks = append(remarks, name+" was a number")
			return strconv.FormatFloat(v, 'f', -1, 64)
		default:
			remarks = append(remarks, name+" had another type and is empty now")
			return ""
		}
	}
	sub.ID = text("id")
	if !entryID.MatchString(sub.ID) {
		return sub, nil, fmt.Errorf("its id %q cannot be an id", clip(sub.ID))
	}
	sub.Category, sub.Status = category, store.Approved
	sub.Caption, sub.Name, sub.Phone = text("caption"), text("name"), text("phone")
	sub.StorageMethod, sub.SubmissionID = text("storageMethod"), text("submissionId")
	if url := text("imageUrl"); url != "" {
		sub.ImageURL = &url
	}
	var derived bool
	if sub.CreatedAt, derived = created(fields["createdAt"], sub.ID); derived {
		remarks = append(remarks, "createdAt could not be read and was derived from the id")
	}
	if sub.StorageMethod == "" {
		sub.StorageMethod = method(sub.ImageURL)
		remarks = append(remarks, "storageMethod was missing")
	}
	if sub.SubmissionID == "" {
		sub.SubmissionID = "sub-" + sub.ID
		remarks = append(remarks, "submissionId was missing")
	}
	if other := text("category"); other != "" && other != category {
		remarks = append(remarks, "it names another category than the list it is in")
	}
	var extra struct {
		Status store.Status  `json:"status"`
		Images []store.Image `json:"images"`
	}
	if json.Unmarshal(raw, &extra) == nil {
		sub.Images = extra.Images
		if extra.Status == store.Waiting || extra.Status == store.Hidden {
			sub.Status = extra.Status
		}
	}
	return sub, remarks, nil
}

// created reads a time in milliseconds or as text; failing that, the one that
// an id begins with.
func created(value any, id string) (ms int64, derived bool) {
	switch v := value.(type) {
	case float64:
		if v > 0 && v < math.MaxInt64 {
			return int64(v), false
		}
	case string:
		if t, err := time.Parse(time.RFC3339, v); err == nil {
			return t.UnixMilli(), false
		}
		if n, err := strconv.ParseInt(v, 10, 64); err == nil && n > 0 {
			return n, false
		}
	}
	head, _, _ := strings.Cut(id, "-")
	n, _ := strconv.ParseInt(head, 10, 64) // 0 where the id does not say
	return n, true
}

// method says where a picture is by its address.
func method(url *string) string {
	switch {
	case url == nil:
		return "none"
	case strings.HasPrefix(*url, "/"):
		return "local-primary"
	}
	return "cloudinary"
}

// clip shortens text for a report.
func clip(text string) string {
	if len(text) > 40 {
		return text[:40] + "…"
	}
	return text
}

// upload returns the name of the file behind a local picture's address.
func upload(url *string) (name string, ok bool) {
	if url == nil {
		return "", false
	}
	name, ok = strings.CutPrefix(*url, "/uploads/")
	return name, ok && uploadName.MatchString(name)
}
