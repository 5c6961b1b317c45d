package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"podium/contest"
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

// Import reads the old deployment in dir into c, in one transaction, and
// copies its pictures into uploads. With dryRun it only reports; c may be nil
// then. The same data imported again changes nothing, whatever became of it
// here since; other data adds to what is there.
func Import(ctx context.Context, c *contest.Contest, dir string, uploads Keeper, dryRun bool) (*Report, error) {
	r := &Report{Notes: []string{}, Changed: []string{}, Refused: []string{}, DryRun: dryRun}
	old := os.DirFS(dir)
	doc, sum, err := findDocument(old, r)
	if err != nil {
		return nil, err
	}
	for _, remark := range doc.remarks {
		r.refuse("%s", remark)
	}
	bulk := contest.Bulk{Picks: contest.Picks{}}
	bulk.Categories = readCategories(old, sum, r)
	bulk.Source = hex.EncodeToString(sum.Sum(nil))
	readSubmissions(doc, &bulk, r)
	noteUnlisted(&bulk, r)
	readWinners(doc, &bulk, r)
	pictures := checkPictures(old, &bulk, r)
	if dryRun {
		return r, preview(c, &bulk, r)
	}
	added, err := c.Import(ctx, bulk)
	if err != nil {
		return nil, err
	}
	r.Submissions, r.Present = added.Submissions, added.Present
	if added.Known {
		r.note("The same data was imported before; what became of it here since was left as it is.")
	}
	for _, id := range added.Ignored {
		r.refuse("The winner %s is not a submission of its category.", clip(id))
	}
	r.Winners -= len(added.Ignored)
	// Pictures come last, because only those of entries that are here are
	// wanted. Where this breaks off, importing again copies the rest.
	return r, copyPictures(old, c, uploads, &bulk, pictures, r)
}

// preview says what an import into c would do; c may be nil.
func preview(c *contest.Contest, bulk *contest.Bulk, r *Report) error {
	r.Submissions = len(bulk.Submissions)
	places := map[string]string{}
	for i := range bulk.Submissions {
		sub := &bulk.Submissions[i]
		places[sub.ID] = sub.Category
		if c == nil {
			continue
		}
		switch there, err := c.Submission(sub.ID); {
		case err == nil:
			r.Present++
			r.Submissions--
			places[sub.ID] = there.Category
		case !errors.Is(err, contest.ErrNotFound):
			return err
		}
	}
	for _, category := range sorted(bulk.Picks) {
		for _, id := range bulk.Picks[category] {
			if places[id] != category {
				r.Winners--
				r.refuse("The winner %s is not a submission of its category.", clip(id))
			}
		}
	}
	return nil
}

// found is a file of data that could be read.
type found struct {
	name string
	text []byte
	doc  *document
	at   time.Time
}

// findDocument chooses the data: data.json, or the newest backup where that
// cannot be read; and in its place a pending write-ahead entry that is newer.
// It also returns a sum of what it chose.
func findDocument(old fs.FS, r *Report) (*document, hash.Hash, error) {
	sum := sha256.New()
	base := readFound(old, "data.json", r)
	if base == nil {
		if base = newestBackup(old, r); base != nil {
			r.note("The newest backup that can be read, %s, was taken in its place.", base.name)
		}
	}
	chosen := base
	if pending := pendingDocument(old, base, r); pending != nil {
		r.note("The pending write-ahead entry %s is newer and was applied.", pending.name)
		chosen = pending
	}
	if chosen == nil {
		return nil, nil, errors.New("there is no data.json and no backup that can be read")
	}
	r.Source = chosen.name
	_, _ = sum.Write(chosen.text)
	return chosen.doc, sum, nil
}

// readFound reads a file of data; nil where it cannot be read, which is noted.
func readFound(old fs.FS, name string, r *Report) *found {
	text, err := fs.ReadFile(old, name)
	var doc *document
	if err == nil {
		doc, err = parseDocument(text)
	}
	if err != nil {
		r.note("%s cannot be read (%v).", name, err)
		return nil
	}
	return &found{name, text, doc, modified(old, name)}
}

// newestBackup returns the newest backup that can be read, or nil.
func newestBackup(old fs.FS, r *Report) *found {
	names, _ := fs.Glob(old, "backups/*.json")
	slices.SortStableFunc(names, func(a, b string) int { return written(old, b).Compare(written(old, a)) })
	for _, name := range names {
		if one := readFound(old, name, r); one != nil {
			one.at = written(old, name)
			return one
		}
	}
	return nil
}

// milliseconds finds a time in the name of a backup.
var milliseconds = regexp.MustCompile(`(?:^|\D)(1\d{12})(?:\D|$)`)

// written is when a backup was made: as its name says, because copying a
// folder often gives all files the time of the copying, or else as the file
// system says.
func written(old fs.FS, name string) time.Time {
	if m := milliseconds.FindStringSubmatch(filepath.Base(name)); m != nil {
		if ms, err := strconv.ParseInt(m[1], 10, 64); err == nil {
			return time.UnixMilli(ms)
		}
	}
	return modified(old, name)
}

// walEntry is a file of .wal/.
type walEntry struct {
	Timestamp json.RawMessage `json:"timestamp"`
	Operation string          `json:"operation"`
	Data      json.RawMessage `json:"data"`
	Status    string          `json:"status"`
}

// pendingDocument returns the newest pending write-ahead entry, if it goes
// beyond base: by time, or because it has all that base has and more. Pending
// entries that are not taken are noted.
func pendingDocument(old fs.FS, base *found, r *Report) (newest *found) {
	names, _ := fs.Glob(old, ".wal/wal-*.json")
	for _, name := range names {
		one := readPending(old, name, r)
		if one == nil {
			continue
		}
		older := one
		if newest == nil || one.at.After(newest.at) {
			newest, older = one, newest
		}
		if older != nil {
			r.note("The pending write-ahead entry %s is older than another one and was passed over.", older.name)
		}
	}
	if newest == nil || base == nil || newest.at.After(base.at) || covers(newest.doc, base.doc) {
		return newest
	}
	r.note("The pending write-ahead entry %s is older than %s and was passed over.", newest.name, base.name)
	return nil
}

// readPending reads a file of .wal/; nil where it is not pending, or cannot be
// read, which is told.
func readPending(old fs.FS, name string, r *Report) *found {
	text, err := fs.ReadFile(old, name)
	var e walEntry
	if err == nil {
		err = json.Unmarshal(text, &e)
	}
	if err != nil {
		r.refuse("The write-ahead entry %s cannot be read.", name)
		return nil
	}
	if e.Status != "pending" {
		return nil
	}
	doc, err := parseDocument(e.Data)
	if err != nil {
		r.refuse("The pending write-ahead entry %s holds no whole data (%v).", name, err)
		return nil
	}
	var value any
	_ = json.Unmarshal(e.Timestamp, &value) // what is no time counts as the name says
	at, _ := created(value, strings.TrimPrefix(filepath.Base(name), "wal-"))
	return &found{name, e.Data, doc, time.UnixMilli(at)}
}

// covers reports whether a has every entry of b and more than that.
func covers(a, b *document) bool {
	ids := func(d *document) map[string]bool {
		set := map[string]bool{}
		for category, list := range d.submissions {
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

func readCategories(old fs.FS, sum hash.Hash, r *Report) []contest.Category {
	data, err := fs.ReadFile(old, "categories.json")
	_, _ = sum.Write(data)
	if errors.Is(err, fs.ErrNotExist) {
		r.note("There is no categories.json; the categories stay as they are.")
		return nil
	}
	var listed []contest.Category
	if err == nil {
		err = json.Unmarshal(data, &listed)
	}
	if err != nil {
		r.refuse("categories.json cannot be read (%v).", err)
		return nil
	}
	var list []contest.Category
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
func readSubmissions(doc *document, bulk *contest.Bulk, r *Report) {
	seen := map[string]bool{}
	for _, category := range sorted(doc.submissions) {
		list := doc.submissions[category]
		for i := len(list) - 1; i >= 0; i-- {
			sub, remarks, err := parseEntry(category, list[i])
			if err != nil {
				r.refuse("Entry %d of %q: %v.", i, clip(category), err)
				continue
			}
			if (contest.Category{ID: category, Name: "x"}).Validate() != nil {
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

func readWinners(doc *document, bulk *contest.Bulk, r *Report) {
	for _, category := range sorted(doc.winners) {
		var ids []string
		if err := json.Unmarshal(doc.winners[category], &ids); err != nil {
			r.refuse("The winners of %q are not a list of ids.", clip(category))
			continue
		}
		bulk.Picks[category] = ids
		r.Winners += len(ids)
	}
}

// noteUnlisted tells of submissions that nobody sees because their category
// is not in the list.
func noteUnlisted(bulk *contest.Bulk, r *Report) {
	if bulk.Categories == nil {
		return
	}
	listed, others := map[string]bool{}, map[string]int{}
	for _, c := range bulk.Categories {
		listed[c.ID] = true
	}
	for i := range bulk.Submissions {
		if category := bulk.Submissions[i].Category; !listed[category] {
			others[category]++
		}
	}
	for _, category := range sorted(others) {
		r.note("The category %q is not in categories.json: its %d submissions are kept, and are seen when it is added.", category, others[category])
	}
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
