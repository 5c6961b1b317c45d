package archive

import (
	"archive/zip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"podium/contest"
)

// Export is what goes out.
type Export struct {
	Contest *contest.Contest
	Uploads Pictures // nil for none
	// Anonymous leaves out names and phone numbers.
	Anonymous bool
	// Damage says, for people, what the store lacks of a damaged file that it was
	// salvaged from.
	Damage []string
}

// DamageName is the name of the file that lists what could not be read, a
// sentence a line. It is there only where something is missing.
const DamageName = "damage.txt"

// WriteZip writes everything as a zip, as a stream. After an error the zip has
// no end, so nobody takes it for whole.
func (e Export) WriteZip(w io.Writer) error {
	z := zip.NewWriter(w)
	create := func(name string, picture bool) (io.Writer, error) {
		header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Now()}
		if picture {
			header.Method = zip.Store // it is compressed already
		}
		return z.CreateHeader(header)
	}
	if err := e.write(create); err != nil {
		return err
	}
	return z.Close()
}

// write writes each file to what create returns for its name.
func (e Export) write(create func(name string, picture bool) (io.Writer, error)) error {
	categories, err := e.Contest.Categories()
	if err != nil {
		return err
	}
	entries, err := e.entries()
	if err != nil {
		return err
	}
	picks, err := e.Contest.AllWinners()
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name  string
		value any
	}{
		{"categories.json", categories},
		{"data.json", map[string]any{"submissions": entries, "winners": picks}},
	} {
		w, err := create(file.name, false)
		if err != nil {
			return err
		}
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(file.value); err != nil {
			return fmt.Errorf("write %s: %w", file.name, err)
		}
	}
	w, err := create("submissions.csv", false)
	if err != nil {
		return err
	}
	if err := e.WriteCSV(w); err != nil {
		return err
	}
	if err := e.damage(create); err != nil {
		return err
	}
	return e.pictures(create)
}

// damage lists what could not be read.
func (e Export) damage(create func(name string, picture bool) (io.Writer, error)) error {
	lines := e.Damage
	if file, ok := e.Contest.Store.(interface{ PassedOver() []string }); ok {
		for _, id := range file.PassedOver() {
			lines = append(lines, fmt.Sprintf("The record of submission %s.", id))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	w, err := create(DamageName, false)
	if err == nil {
		_, err = io.WriteString(w, strings.Join(lines, "\n")+"\n")
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", DamageName, err)
	}
	return nil
}

// entries are all submissions by category, the newest first, those of removed
// categories too.
func (e Export) entries() (map[string][]Entry, error) {
	counts, err := e.Contest.Counts()
	if err != nil {
		return nil, err
	}
	categories, err := e.Contest.Categories()
	if err != nil {
		return nil, err
	}
	all := map[string][]Entry{}
	for _, c := range categories {
		all[c.ID] = []Entry{}
	}
	for id := range counts {
		all[id] = []Entry{}
	}
	for id := range all {
		list, _, err := e.Contest.Submissions(id, contest.Query{All: true})
		if err != nil {
			return nil, err
		}
		for i := range list {
			all[id] = append(all[id], e.entry(&list[i]))
		}
		if len(list) == 0 && !slices.ContainsFunc(categories, func(c contest.Category) bool { return c.ID == id }) {
			delete(all, id) // all of it was deleted
		}
	}
	return all, nil
}

func (e Export) entry(s *contest.Submission) Entry {
	entry := Entry{ID: s.ID, Category: s.Category, Caption: s.Caption, Name: s.Name, Phone: s.Phone, ImageURL: s.ImageURL,
		StorageMethod: s.StorageMethod, CreatedAt: s.CreatedAt, SubmissionID: s.SubmissionID, Images: s.Images}
	if s.Status != contest.Approved {
		entry.Status = s.Status
	}
	if e.Anonymous {
		entry.Name, entry.Phone = "", ""
	}
	return entry
}

// WriteCSV writes every submission as a row for a spreadsheet.
func (e Export) WriteCSV(w io.Writer) error {
	picks, err := e.Contest.AllWinners()
	if err != nil {
		return err
	}
	categories, err := e.Contest.Categories()
	if err != nil {
		return err
	}
	names := make(map[string]string, len(categories))
	for _, c := range categories {
		names[c.ID] = c.Name
	}
	// The mark at the beginning tells spreadsheets that the text is UTF-8.
	if _, err := io.WriteString(w, "\uFEFF"); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	out := csv.NewWriter(w)
	head := []string{"id", "submissionId", "category", "caption", "imageUrl", "storageMethod", "createdAt", "status", "place", "categoryName"}
	if !e.Anonymous {
		head = append(head, "name", "phone")
	}
	_ = out.Write(head) // Error tells below
	err = e.Contest.Each(func(s contest.Submission) bool {
		place, image := "", ""
		if i := slices.Index(picks[s.Category], s.ID); i >= 0 {
			place = strconv.Itoa(i + 1)
		}
		if s.ImageURL != nil {
			image = *s.ImageURL
		}
		row := []string{s.ID, cell(s.SubmissionID), cell(s.Category), cell(s.Caption), cell(image), cell(s.StorageMethod),
			time.UnixMilli(s.CreatedAt).UTC().Format(time.RFC3339), string(s.Status), place, cell(names[s.Category])}
		if !e.Anonymous {
			row = append(row, cell(s.Name), cell(s.Phone))
		}
		return out.Write(row) == nil
	})
	out.Flush()
	return errors.Join(err, out.Error())
}

// cell keeps a spreadsheet from running text as a formula, by an apostrophe before
// what would be one. Where lists are separated by semicolons, a spreadsheet splits
// our rows at those, at tabs and at the ends of lines, whatever quotes are around
// them: what follows one of them is the beginning of a cell too.
func cell(text string) string {
	var out strings.Builder
	for begins := true; text != ""; {
		if begins && formula(text) {
			out.WriteByte('\'')
		}
		next := strings.IndexAny(text, ";\t\r\n") + 1
		if begins = next > 0; !begins {
			next = len(text)
		}
		out.WriteString(text[:next])
		text = text[next:]
	}
	return out.String()
}

// formula reports whether a cell of that text would be run.
func formula(text string) bool {
	first, _ := utf8.DecodeRuneInString(strings.TrimLeft(text, " \u00a0\""))
	return strings.ContainsRune("=+-@\t\r\n＝＋－＠", first)
}

func (e Export) pictures(create func(name string, picture bool) (io.Writer, error)) error {
	if e.Uploads == nil {
		return nil
	}
	names, err := e.Uploads.Names()
	if err != nil {
		return err
	}
	for _, name := range sorted(names) {
		if !uploadName.MatchString(name) {
			continue
		}
		if err := e.picture(name, create); err != nil {
			return fmt.Errorf("write the picture %s: %w", name, err)
		}
	}
	return nil
}

func (e Export) picture(name string, create func(string, bool) (io.Writer, error)) error {
	from, err := e.Uploads.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted since they were listed
	}
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := create("uploads/"+name, true)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return err
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
