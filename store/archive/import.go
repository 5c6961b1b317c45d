package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"podium/store"
)

// Report says what an import found and did.
type Report struct {
	Source      string   `json:"source"`      // the file that the data came from
	Categories  int      `json:"categories"`  // taken
	Submissions int      `json:"submissions"` // new
	Present     int      `json:"present"`     // that were there already
	Pictures    int      `json:"pictures"`    // copied
	Winners     int      `json:"winners"`
	Notes       []string `json:"notes"`   // what was decided
	Changed     []string `json:"changed"` // entries that were taken with a change
	Refused     []string `json:"refused"` // what was not taken, with the reason
	DryRun      bool     `json:"dryRun"`
}

func (r *Report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

func (r *Report) refuse(format string, args ...any) {
	r.Refused = append(r.Refused, fmt.Sprintf(format, args...))
}

// Import reads the old deployment in dir into s, in one transaction, and
// copies its pictures into uploads. With dryRun it only reports. What was
// imported before is left as it is.
func Import(ctx context.Context, s *store.Store, dir, uploads string, dryRun bool) (*Report, error) {
	r := &Report{Notes: []string{}, Changed: []string{}, Refused: []string{}, DryRun: dryRun}
	old := os.DirFS(dir)
	doc, err := findDocument(old, r)
	if err != nil {
		return nil, err
	}
	bulk := store.Bulk{Picks: store.Picks{}}
	bulk.Categories = readCategories(old, r)
	readSubmissions(doc, &bulk, r)
	readWinners(doc, &bulk, r)
	checkPictures(old, &bulk, r)
	if dryRun {
		r.Submissions = len(bulk.Submissions)
		return r, nil
	}
	if err := copyPictures(old, uploads, &bulk, r); err != nil {
		return nil, err
	}
	added, err := s.Import(ctx, bulk)
	if err != nil {
		return nil, err
	}
	r.Submissions, r.Present = added.Submissions, added.Present
	for _, id := range added.Ignored {
		r.refuse("The winner %s is no submission of its category.", clip(id))
	}
	return r, nil
}

// findDocument chooses the data: a pending write-ahead entry that is newer
// than data.json, data.json itself, or the newest backup that can be read.
func findDocument(old fs.FS, r *Report) (*document, error) {
	data, err := fs.ReadFile(old, "data.json")
	var doc *document
	if err == nil {
		doc, err = parseDocument(data)
	}
	if err != nil {
		r.note("data.json cannot be read (%v).", err)
	}
	if pending, name := pendingDocument(old, doc, r); pending != nil {
		r.Source = name
		r.note("The write-ahead entry %s is newer than data.json and was applied.", name)
		return pending, nil
	}
	if doc != nil {
		r.Source = "data.json"
		return doc, nil
	}
	names, _ := fs.Glob(old, "backups/*.json")
	slices.SortFunc(names, func(a, b string) int { return modified(old, b).Compare(modified(old, a)) })
	for _, name := range names {
		if data, err := fs.ReadFile(old, name); err == nil {
			if doc, err := parseDocument(data); err == nil {
				r.Source = name
				r.note("The newest backup that can be read, %s, was taken in its place.", name)
				return doc, nil
			}
		}
		r.note("The backup %s cannot be read either.", name)
	}
	return nil, errors.New("there is no data.json and no backup that can be read")
}

// walEntry is a file of .wal/.
type walEntry struct {
	Timestamp json.RawMessage `json:"timestamp"`
	Operation string          `json:"operation"`
	Data      json.RawMessage `json:"data"`
	Status    string          `json:"status"`
}

// pendingDocument returns the newest pending write-ahead entry that goes
// beyond doc: by time, or because it has all that doc has and more.
func pendingDocument(old fs.FS, doc *document, r *Report) (newest *document, name string) {
	names, _ := fs.Glob(old, ".wal/wal-*.json")
	saved := modified(old, "data.json").UnixMilli()
	latest := int64(0)
	for _, n := range names {
		data, err := fs.ReadFile(old, n)
		var e walEntry
		if err == nil {
			err = json.Unmarshal(data, &e)
		}
		if err != nil {
			r.refuse("The write-ahead entry %s cannot be read.", n)
			continue
		}
		if e.Status != "pending" {
			continue
		}
		whole, err := parseDocument(e.Data)
		if err != nil {
			r.refuse("The pending write-ahead entry %s holds no whole data (%v).", n, err)
			continue
		}
		var value any
		_ = json.Unmarshal(e.Timestamp, &value) // what is no time counts as the name says
		at, _ := created(value, strings.TrimPrefix(filepath.Base(n), "wal-"))
		if at >= latest && (doc == nil || at > saved || covers(whole, doc)) {
			newest, name, latest = whole, n, at
		}
	}
	return newest, name
}

// covers reports whether a has every entry of b and more than that.
func covers(a, b *document) bool {
	ids := func(d *document) map[string]bool {
		set := map[string]bool{}
		for category, list := range d.Submissions {
			for _, raw := range list {
				if sub, _, err := parseEntry(category, raw); err == nil {
					set[sub.ID] = true
				}
			}
		}
		return set
	}
	more, fewer := ids(a), ids(b)
	for id := range fewer {
		if !more[id] {
			return false
		}
	}
	return len(more) > len(fewer)
}

func readCategories(old fs.FS, r *Report) []store.Category {
	data, err := fs.ReadFile(old, "categories.json")
	if errors.Is(err, fs.ErrNotExist) {
		r.note("There is no categories.json; the categories stay as they are.")
		return nil
	}
	var listed []store.Category
	if err == nil {
		err = json.Unmarshal(data, &listed)
	}
	if err != nil {
		r.refuse("categories.json cannot be read (%v).", err)
		return nil
	}
	var list []store.Category
	seen := map[string]bool{}
	for _, c := range listed {
		switch err := c.Validate(); {
		case err != nil:
			r.refuse("The category %q: %v.", clip(c.ID), err)
		case seen[c.ID]:
			r.refuse("The category %q is listed twice.", c.ID)
		default:
			seen[c.ID] = true
			list = append(list, c)
		}
	}
	r.Categories = len(list)
	return list
}

// readSubmissions takes the entries, the oldest first.
func readSubmissions(doc *document, bulk *store.Bulk, r *Report) {
	seen := map[string]bool{}
	for _, category := range sorted(doc.Submissions) {
		list := doc.Submissions[category]
		for i := len(list) - 1; i >= 0; i-- {
			sub, remarks, err := parseEntry(category, list[i])
			if err != nil {
				r.refuse("Entry %d of %q: %v.", i, clip(category), err)
				continue
			}
			if (store.Category{ID: category, Name: "x"}).Validate() != nil {
				r.refuse("Entry %s: %q cannot be a category.", sub.ID, clip(category))
				continue
			}
			if seen[sub.ID] {
				r.refuse("Entry %s occurs twice; the older one was taken.", sub.ID)
				continue
			}
			seen[sub.ID] = true
			bulk.Submissions = append(bulk.Submissions, sub)
			for _, remark := range remarks {
				r.Changed = append(r.Changed, "Entry "+sub.ID+": "+remark+".")
			}
		}
	}
}

func readWinners(doc *document, bulk *store.Bulk, r *Report) {
	for _, category := range sorted(doc.Winners) {
		var ids []string
		if err := json.Unmarshal(doc.Winners[category], &ids); err != nil {
			r.refuse("The winners of %q are no list of ids.", clip(category))
			continue
		}
		bulk.Picks[category] = ids
		r.Winners += len(ids)
	}
}

// checkPictures looks for each picture that should be here, and notes whose it
// is.
func checkPictures(old fs.FS, bulk *store.Bulk, r *Report) {
	for i := range bulk.Submissions {
		sub := &bulk.Submissions[i]
		name, ok := upload(sub.ImageURL)
		if !ok {
			continue
		}
		f, err := old.Open("uploads/" + name)
		if err != nil {
			r.refuse("The picture %s of entry %s is missing; the entry was taken without it being here.", name, sub.ID)
			continue
		}
		head := make([]byte, 512)
		n, _ := io.ReadFull(f, head) // a short picture is judged by what it has
		f.Close()
		switch http.DetectContentType(head[:n]) {
		case "image/jpeg", "image/png", "image/gif", "image/webp":
			sub.Files = append(sub.Files, name)
		default:
			r.refuse("The picture %s of entry %s is no picture; it was left out.", name, sub.ID)
		}
	}
}

// copyPictures copies pictures that are not there yet, each whole or not at
// all.
func copyPictures(old fs.FS, uploads string, bulk *store.Bulk, r *Report) error {
	if err := os.MkdirAll(uploads, 0o700); err != nil {
		return fmt.Errorf("make the folder of pictures: %w", err)
	}
	for i := range bulk.Submissions {
		for _, name := range bulk.Submissions[i].Files {
			to := filepath.Join(uploads, name)
			if _, err := os.Stat(to); err == nil {
				continue
			}
			if err := copyFile(old, "uploads/"+name, to); err != nil {
				return fmt.Errorf("copy the picture %s: %w", name, err)
			}
			r.Pictures++
		}
	}
	return nil
}

func copyFile(old fs.FS, name, to string) error {
	from, err := old.Open(name)
	if err != nil {
		return err
	}
	defer from.Close()
	partial := to + ".partial"
	f, err := os.OpenFile(partial, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(partial, to)
	}
	if err != nil {
		return errors.Join(err, os.Remove(partial))
	}
	return nil
}

// modified is when a file was last written, the zero time where that cannot be
// told.
func modified(old fs.FS, name string) time.Time {
	info, err := fs.Stat(old, name)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
