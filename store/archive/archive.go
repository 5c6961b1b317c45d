// Package archive moves contest data between the store and the format of old
// deployments: data.json, categories.json, uploads/, backups/ and .wal/.
//
// A folder comes in and a store is filled, with a report of what could not be
// taken; or a store comes in and files go out, in the same format, so that one
// can go back, as a table for a spreadsheet, and as an album of photos to keep.
// The package asks nothing and prints nothing.
package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"podium/contest"
)

// Entry is a submission in the old format. Status and images are there only
// for what the old format does not know.
type Entry struct {
	ID            string          `json:"id"`
	Category      string          `json:"category"`
	Caption       string          `json:"caption"`
	Name          string          `json:"name"`
	Phone         string          `json:"phone"`
	ImageURL      *string         `json:"imageUrl"`
	StorageMethod string          `json:"storageMethod"`
	CreatedAt     int64           `json:"createdAt"`
	SubmissionID  string          `json:"submissionId"`
	Status        contest.Status  `json:"status,omitempty"`
	Images        []contest.Image `json:"images,omitempty"`
}

var (
	entryID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	// uploadName is the form of the names of pictures that are served.
	uploadName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,200}\.(jpg|jpeg|png|gif|webp|JPG|JPEG|PNG|GIF|WEBP)$`)
)

// document is data.json, its entries still as they were written.
type document struct {
	submissions map[string][]json.RawMessage
	winners     map[string]json.RawMessage
	// remarks say which parts could not be read, and which are not known.
	remarks []string
}

// parseDocument reads a data.json. Anything but an object with submissions is
// an error; a part of it that has another form only costs that part.
func parseDocument(data []byte) (*document, error) {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil {
		return nil, err
	}
	var lists map[string]json.RawMessage
	if err := json.Unmarshal(parts["submissions"], &lists); err != nil || lists == nil {
		return nil, fmt.Errorf("it has no submissions")
	}
	d := &document{submissions: make(map[string][]json.RawMessage, len(lists))}
	for _, category := range sorted(lists) {
		var list []json.RawMessage
		if err := json.Unmarshal(lists[category], &list); err != nil {
			d.remarks = append(d.remarks, fmt.Sprintf("The submissions of %q are not a list.", clip(category)))
			continue
		}
		d.submissions[category] = list
	}
	if raw, there := parts["winners"]; there {
		if err := json.Unmarshal(raw, &d.winners); err != nil {
			d.remarks = append(d.remarks, "The winners are not an object of lists.")
		}
	}
	for _, name := range sorted(parts) {
		if name != "submissions" && name != "winners" {
			d.remarks = append(d.remarks, fmt.Sprintf("The part %q of the data is not known here.", clip(name)))
		}
	}
	return d, nil
}

// fields are those of one entry, and what was remarked while they were read.
type fields struct {
	raw     map[string]any
	remarks []string
}

func (f *fields) remark(format string, args ...any) {
	f.remarks = append(f.remarks, fmt.Sprintf(format, args...))
}

// text returns a field as text.
func (f *fields) text(name string) string {
	switch v := f.raw[name].(type) {
	case string:
		return v
	case nil:
		if _, there := f.raw[name]; !there || name != "imageUrl" {
			f.remark("%s was missing", name)
		}
		return ""
	case float64:
		f.remark("%s was a number", name)
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		f.remark("%s had another type and is empty now", name)
		return ""
	}
}

// known are the fields that an entry can have.
var known = map[string]bool{"id": true, "category": true, "caption": true, "name": true, "phone": true, "imageUrl": true,
	"storageMethod": true, "createdAt": true, "submissionId": true, "status": true, "images": true}

// parseEntry reads one entry of a category. Fields that are missing or of
// another type get what can be derived, each with a remark.
func parseEntry(category string, raw json.RawMessage) (sub contest.Submission, remarks []string, err error) {
	var f fields
	if err := json.Unmarshal(raw, &f.raw); err != nil || f.raw == nil {
		return sub, nil, fmt.Errorf("it is not an object")
	}
	sub.ID = f.text("id")
	if !entryID.MatchString(sub.ID) {
		return sub, nil, fmt.Errorf("its id %q cannot be an id", clip(sub.ID))
	}
	sub.Category, sub.Status = category, contest.Approved
	sub.Caption, sub.Name, sub.Phone = f.text("caption"), f.text("name"), f.text("phone")
	if url := f.text("imageUrl"); url != "" {
		sub.ImageURL = &url
	} else if f.raw["imageUrl"] == "" {
		f.remark("imageUrl was empty and is null now")
	}
	sub.CloudID = cloudID(sub.ImageURL)
	f.readCreated(&sub)
	if sub.StorageMethod = f.text("storageMethod"); sub.StorageMethod == "" {
		sub.StorageMethod = method(sub.ImageURL)
	}
	if sub.SubmissionID = f.text("submissionId"); sub.SubmissionID == "" {
		sub.SubmissionID = "sub-" + sub.ID
	}
	if other := f.text("category"); other != "" && other != category {
		f.remark("it named the category %q and stands in the list of %q", clip(other), category)
	}
	f.readExtra(raw, &sub)
	f.lookForDamage(raw)
	return sub, f.remarks, nil
}

// readCreated reads createdAt; failing that, the time that the id begins with.
func (f *fields) readCreated(sub *contest.Submission) {
	value := f.raw["createdAt"]
	var derived bool
	sub.CreatedAt, derived = created(value, sub.ID)
	switch {
	case derived:
		f.remark("createdAt could not be read and was derived from the id")
	case value != float64(sub.CreatedAt):
		f.remark("createdAt was %v", value)
	}
}

// readExtra reads the fields that the old server's entries did not have.
func (f *fields) readExtra(raw json.RawMessage, sub *contest.Submission) {
	switch status, _ := f.raw["status"].(string); contest.Status(status) {
	case contest.Waiting, contest.Hidden:
		sub.Status = contest.Status(status)
	case contest.Approved:
	default:
		if f.raw["status"] != nil {
			f.remark("its status is not known; everybody sees it")
		}
	}
	if f.raw["images"] != nil {
		var extra struct {
			Images []contest.Image `json:"images"`
		}
		if err := json.Unmarshal(raw, &extra); err != nil {
			f.remark("its list of images could not be read")
		}
		sub.Images = extra.Images
	}
	for _, name := range sorted(f.raw) {
		if !known[name] {
			f.remark("the field %q is not known here and was left out", clip(name))
		}
	}
}

// lookForDamage remarks text that was no valid Unicode: what cannot be read
// was replaced when it was decoded.
func (f *fields) lookForDamage(raw json.RawMessage) {
	const replaced = "\uFFFD"
	if bytes.Contains(raw, []byte(replaced)) || bytes.Contains(bytes.ToLower(raw), []byte(`\ufffd`)) {
		return // it was there before
	}
	for _, name := range sorted(f.raw) {
		if text, ok := f.raw[name].(string); ok && strings.Contains(text, replaced) {
			f.remark("%s had damaged characters", name)
		}
	}
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
func method(address *string) string {
	switch {
	case address == nil:
		return "none"
	case strings.HasPrefix(*address, "/"):
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
func upload(address *string) (name string, ok bool) {
	if address == nil {
		return "", false
	}
	path, ok := strings.CutPrefix(*address, "/uploads/")
	if !ok {
		return "", false
	}
	path, _, _ = strings.Cut(path, "?")
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	return path, true
}

// served returns the name that a picture has here: its own where it can, and
// otherwise one that follows from it.
func served(name, kind string) string {
	if uploadName.MatchString(name) {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return "import-" + hex.EncodeToString(sum[:8]) + "." + strings.TrimPrefix(kind, "image/")
}

// cloudAddress is the form of Cloudinary's addresses: behind "upload/" come
// transformations, a version, and the picture's id.
var cloudAddress = regexp.MustCompile(`^https?://res\.cloudinary\.com/[^/]+/image/upload/(?:[^/]+/)*?v\d+/(.+)\.[A-Za-z0-9]+$`)

// cloudID returns the id of a picture in Cloudinary, "" where its address does
// not say.
func cloudID(address *string) string {
	if address == nil {
		return ""
	}
	m := cloudAddress.FindStringSubmatch(*address)
	if m == nil {
		return ""
	}
	id, err := url.PathUnescape(m[1])
	if err != nil {
		return ""
	}
	return id
}
