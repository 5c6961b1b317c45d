package archive

import (
	"archive/zip"
	"encoding/csv"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"podium/contest"
)

// Album is what organisers take home: the photos that everybody saw, under names
// that people can read, with a gallery to put anywhere. It holds nobody's name or
// phone number, and no winner that was not announced.
type Album struct {
	Contest *contest.Contest
	Uploads Pictures
}

// What an album holds beside the photos.
const (
	albumPage  = "index.html" // shows them all in a browser
	albumTable = "photos.csv" // lists them for a spreadsheet
)

// albumShelf is a category of an album.
type albumShelf struct {
	Name   string
	Photos []albumPhoto
}

// albumPhoto is a photo of an album.
type albumPhoto struct {
	Caption string
	Place   int    // among the winners, 1 for the first; 0 for none
	File    string // in the album; "" where only Source is known
	Source  string // the file in the folder of uploads, or the address of a picture that is kept elsewhere
	Sent    time.Time
}

// Address is where the album's page finds the photo.
func (p albumPhoto) Address() string {
	if p.File == "" {
		return p.Source
	}
	folder, file := path.Split(p.File)
	return "./" + url.PathEscape(path.Clean(folder)) + "/" + url.PathEscape(file)
}

// WriteZip writes the album as a zip, as a stream. After an error the zip has no
// end, so nobody takes it for whole.
func (a Album) WriteZip(w io.Writer) error {
	shelves, err := a.shelves()
	if err != nil {
		return err
	}
	evening, _, err := a.Contest.Evening()
	if err != nil {
		return err
	}
	z := zip.NewWriter(w)
	for i := range shelves {
		for j := range shelves[i].Photos {
			if err := a.photo(z, &shelves[i].Photos[j]); err != nil {
				return err
			}
		}
		// One that was deleted since is in neither list.
		shelves[i].Photos = slices.DeleteFunc(shelves[i].Photos, func(p albumPhoto) bool { return p.Source == "" })
	}
	page, err := z.CreateHeader(&zip.FileHeader{Name: albumPage, Method: zip.Deflate, Modified: time.Now()})
	if err != nil {
		return err
	}
	title := evening.Name
	if title == "" {
		title = "Photos"
	}
	if err := albumTemplate.Execute(page, map[string]any{"Title": title, "Shelves": shelves}); err != nil {
		return fmt.Errorf("write the album's page: %w", err)
	}
	table, err := z.CreateHeader(&zip.FileHeader{Name: albumTable, Method: zip.Deflate, Modified: time.Now()})
	if err != nil {
		return err
	}
	if err := writeAlbumTable(table, shelves); err != nil {
		return err
	}
	return z.Close()
}

// shelves are the categories in their order, of each the winners first, by their
// places, and then the others as they came.
func (a Album) shelves() ([]albumShelf, error) {
	feed, _, err := a.Contest.Feed(contest.Query{})
	if err != nil {
		return nil, err
	}
	picks, err := a.Contest.AllWinners()
	if err != nil {
		return nil, err
	}
	shelves := make([]albumShelf, 0, len(feed))
	folders := map[string]bool{}
	for _, one := range feed {
		folder := fileName(one.Category.Name, one.Category.ID)
		if folders[strings.ToLower(folder)] {
			folder += " " + one.Category.ID
		}
		folders[strings.ToLower(folder)] = true
		shelf := albumShelf{Name: one.Category.Name}
		for _, sub := range winnersFirst(one.Submissions, picks[one.Category.ID]) {
			source := albumSource(&sub)
			if source == "" {
				continue // words without a picture
			}
			photo := albumPhoto{Caption: sub.Caption, Place: slices.Index(picks[one.Category.ID], sub.ID) + 1, Source: source, Sent: time.UnixMilli(sub.CreatedAt)}
			if uploadName.MatchString(source) {
				name := fmt.Sprintf("%03d", len(shelf.Photos)+1)
				if words := fileName(sub.Caption, ""); words != "" {
					name += " – " + words
				}
				photo.File = folder + "/" + name + strings.ToLower(path.Ext(source))
			}
			shelf.Photos = append(shelf.Photos, photo)
		}
		shelves = append(shelves, shelf)
	}
	return shelves, nil
}

// winnersFirst is a list that came newest first, oldest first behind its winners.
func winnersFirst(list []contest.Submission, winners []string) []contest.Submission {
	sorted := slices.Clone(list)
	slices.Reverse(sorted)
	rank := func(sub contest.Submission) int {
		if at := slices.Index(winners, sub.ID); at >= 0 {
			return at
		}
		return len(winners)
	}
	slices.SortStableFunc(sorted, func(a, b contest.Submission) int { return rank(a) - rank(b) })
	return sorted
}

// albumSource is a submission's picture in its largest size: the name of its file
// or, where it is kept elsewhere, its address.
func albumSource(sub *contest.Submission) string {
	if sub.ImageURL == nil {
		return ""
	}
	source := *sub.ImageURL // of its sizes the largest
	if file, here := strings.CutPrefix(source, "/uploads/"); here {
		if !uploadName.MatchString(file) {
			return ""
		}
		return file
	}
	if !strings.HasPrefix(source, "https://") && !strings.HasPrefix(source, "http://") {
		return ""
	}
	return source
}

// photo writes one photo. Of one whose file is gone nothing is left.
func (a Album) photo(z *zip.Writer, p *albumPhoto) error {
	if p.File == "" {
		return nil
	}
	from, err := a.Uploads.Open(p.Source)
	if errors.Is(err, fs.ErrNotExist) {
		p.Source = ""
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the picture %s: %w", p.Source, err)
	}
	defer from.Close()
	// It is compressed already.
	to, err := z.CreateHeader(&zip.FileHeader{Name: p.File, Method: zip.Store, Modified: p.Sent})
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, from); err != nil {
		return fmt.Errorf("write the picture %s: %w", p.Source, err)
	}
	return nil
}

func writeAlbumTable(w io.Writer, shelves []albumShelf) error {
	// The mark at the beginning tells spreadsheets that the text is UTF-8.
	if _, err := io.WriteString(w, "\uFEFF"); err != nil {
		return fmt.Errorf("write the album's table: %w", err)
	}
	out := csv.NewWriter(w)
	_ = out.Write([]string{"file", "category", "place", "caption", "sent"}) // Error tells below
	for _, shelf := range shelves {
		for _, p := range shelf.Photos {
			place, file := "", p.File
			if p.Place > 0 {
				place = strconv.Itoa(p.Place)
			}
			if file == "" {
				file = p.Source
			}
			_ = out.Write([]string{cell(file), cell(shelf.Name), place, cell(p.Caption), p.Sent.UTC().Format(time.RFC3339)})
		}
	}
	out.Flush()
	return out.Error()
}

// longestFileName bounds what a text gives to a file's name, in characters, so that
// names in any script stay below the 255 bytes of file systems.
const longestFileName = 50

// fileName makes a text into the name of a file or folder on any system, otherwise
// where nothing of it is left.
func fileName(text, otherwise string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`/\:*?"<>|`, r), unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == unicode.ReplacementChar:
			return -1 // what turns the direction of text would disguise a name
		}
		return r
	}, text)
	runes := []rune(strings.Join(strings.Fields(clean), " "))
	name := strings.Trim(string(runes[:min(len(runes), longestFileName)]), " .")
	if name == "" {
		return otherwise
	}
	base, _, _ := strings.Cut(strings.ToUpper(name), ".")
	if slices.Contains(reservedNames, base) {
		name += "_"
	}
	return name
}

// reservedNames are names that Windows keeps for devices.
var reservedNames = []string{"CON", "PRN", "AUX", "NUL", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8", "COM9",
	"LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9"}

// albumTemplate is the album's page: no script, nothing from elsewhere but pictures
// that were kept there, and no words but those of the event, whatever its language is.
var albumTemplate = template.Must(template.New("album").Parse(`<!doctype html>
<html lang="und">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<style>
:root { color-scheme: light dark; --paper: #f4ecdd; --print: #fffaf0; --ink: #1b1613; --gold: #f2a900; }
@media (prefers-color-scheme: dark) { :root { --paper: #15110f; --print: #221c18; --ink: #f6ecdb; --gold: #ffb72b; } }
body { margin: 0 auto; max-width: 100rem; padding: 1rem max(1rem, 3vw) 4rem; font: 100%/1.4 system-ui, sans-serif; background: var(--paper); color: var(--ink); }
h1, h2, .place { font-family: "Avenir Next Condensed", "Roboto Condensed", "Arial Narrow", "Liberation Sans Narrow", sans-serif-condensed, sans-serif; font-weight: 800; line-height: 1; text-transform: uppercase; overflow-wrap: anywhere; }
h1 { font-size: clamp(2.5rem, 8vw, 6rem); margin: 0 0 1rem; }
h2 { border-top: 3px solid; padding-top: 1rem; margin: 2.5rem 0 1rem; }
.photos { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, clamp(9rem, 6rem + 10vw, 18rem)), 1fr)); gap: 1rem; margin: 0; padding: 0; list-style: none; }
figure { position: relative; margin: 0; height: 100%; padding: .5rem .5rem 0; box-sizing: border-box; background: var(--print); }
img { display: block; width: 100%; aspect-ratio: 4 / 5; object-fit: cover; background: #8883; }
/* Who won is not cut to a frame. */
.won { grid-column: span 2; }
.won img { aspect-ratio: 5 / 4; object-fit: contain; }
@media (max-width: 30rem) { .won { grid-column: 1 / -1; } }
figcaption { padding: .6rem .15rem; overflow-wrap: anywhere; }
.place { position: absolute; top: 1rem; inset-inline-start: 0; padding: .35rem .8rem; background: var(--gold); color: #1b1613; font-size: 1.5rem; }
</style>
</head>
<body>
<h1 dir="auto">{{.Title}}</h1>
{{range $shelf := .Shelves}}{{if .Photos}}<h2 dir="auto">{{.Name}}</h2>
<ul class="photos">
{{range .Photos}}<li{{if .Place}} class="won"{{end}}><figure><a href="{{.Address}}"><img src="{{.Address}}" alt="{{or .Caption $shelf.Name}}" loading="lazy"></a>{{if .Place}}<strong class="place">{{.Place}}</strong>{{end}}{{if .Caption}}<figcaption dir="auto">{{.Caption}}</figcaption>{{end}}</figure></li>
{{end}}</ul>
{{end}}{{end}}</body>
</html>
`))
