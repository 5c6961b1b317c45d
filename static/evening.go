package static

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// An Evening is what the pages say of the event. The zero value leaves them as
// they are.
type Evening struct {
	Name    string // "" leaves Podium
	Date    string // 2006-01-02, or ""
	Accent  string // #rrggbb, or ""
	Welcome string // the line below the title, or ""
	Logo    string // names the picture that is served as /api/logo; "" where there is none
	// Changed is when any of it was changed last: an evening of the same time is
	// the same.
	Changed time.Time
}

// Origin stands in pages where the server's own origin belongs, https://example.org:
// previews of links need whole addresses. Whoever serves a page puts it there.
const Origin = "https://origin.invalid"

// For returns the tree to serve at an event: that of Files, with the event's
// name, words and colour in the pages and the manifest. evening is asked each
// time when one of them is opened. It is safe for concurrent use.
func For(evening func() Evening) fs.FS {
	return &dressed{tree: served(), evening: evening, made: map[string]madePage{}}
}

type dressed struct {
	tree
	evening func() Evening

	mu   sync.Mutex          // guards made
	made map[string]madePage // by name
}

// madePage is a file as it was dressed last, for the evening that was changed then.
type madePage struct {
	data    []byte
	changed time.Time
}

// Open implements [fs.FS].
func (d *dressed) Open(name string) (fs.File, error) {
	dress := func(page []byte, e Evening) []byte { return dressPage(page, e, name) }
	switch {
	case name == "manifest.webmanifest":
		dress = dressManifest
	case !strings.HasSuffix(name, ".html"):
		return d.tree.Open(name)
	}
	e := d.evening()
	d.mu.Lock()
	defer d.mu.Unlock()
	page, ok := d.made[name]
	if !ok || !page.changed.Equal(e.Changed) {
		data, err := fs.ReadFile(d.tree, name)
		if err != nil {
			return nil, err
		}
		page = madePage{dress(data, e), e.Changed}
		d.made[name] = page
	}
	return &pageFile{Reader: bytes.NewReader(page.data), name: name, changed: page.changed}, nil
}

// Where a page says what an event has words of its own for.
var (
	titlePlace       = regexp.MustCompile(`<title>([^<]*)</title>`)
	namePlace        = regexp.MustCompile(`(<[a-z0-9]+ class="(?:word|sr)">)Podium(</)`)
	descriptionPlace = regexp.MustCompile(`(<meta name="description" content=")([^"]*)(">)`)
	welcomePlace     = regexp.MustCompile(`(<p id="welcome"[^>]*>)[^<]*(</p>)`)
	headlinePlace    = regexp.MustCompile(`(<h1 id="title")>[^<]*(</h1>)`)
	namedPlace       = regexp.MustCompile(`(<(?:p|b) class="named") hidden>Podium(</)`)
)

// dressPage puts an event into the page of that name. The first of its title's words is the
// page's own, except on the page that guests open.
func dressPage(page []byte, e Evening, name string) []byte {
	text := string(page)
	title := titlePlace.FindStringSubmatch(text)
	if title == nil {
		return page
	}
	called := title[1]
	if e.Name != "" {
		if called = html.EscapeString(e.Name); title[1] != "Podium" {
			called = title[1] + " · " + called
		}
		text = namePlace.ReplaceAllStringFunc(text, func(found string) string {
			return strings.Replace(found, "Podium", html.EscapeString(e.Name), 1)
		})
	}
	date := ""
	if day, err := time.Parse(time.DateOnly, e.Date); err == nil {
		date = dateIn(day, name)
	}
	text = dressHead(text, html.EscapeString(e.Name), date, path.Base(name))
	description := ""
	if found := descriptionPlace.FindStringSubmatch(text); found != nil {
		description = found[2]
	}
	if e.Welcome != "" {
		description = html.EscapeString(e.Welcome)
		welcome := func(found string) string {
			parts := welcomePlace.FindStringSubmatch(found)
			return parts[1] + description + parts[2]
		}
		text = welcomePlace.ReplaceAllStringFunc(text, welcome)
	}
	if date != "" {
		description = strings.TrimSpace(date + ". " + description)
	}
	text = descriptionPlace.ReplaceAllStringFunc(text, func(found string) string {
		parts := descriptionPlace.FindStringSubmatch(found)
		return parts[1] + description + parts[3]
	})
	picture := "/icon.png"
	if e.Logo != "" {
		text, picture = dressLogo(text, e), e.icon()
	}
	text = strings.Replace(text, title[0], preview(called, description, addressOf(name), picture), 1)
	if sheet := accentSheet(e.Accent); sheet != "" {
		text = strings.Replace(text, "</head>", "<style>"+sheet+"</style>\n</head>", 1)
	}
	return []byte(text)
}

// dressHead says whose evening it is where guests look first: as the title of the
// page that they open, and in a line of its own on those that have one.
func dressHead(text, called, date, page string) string {
	put := func(place *regexp.Regexp, words string) {
		text = place.ReplaceAllStringFunc(text, func(found string) string {
			parts := place.FindStringSubmatch(found)
			return parts[1] + ` dir="auto">` + words + parts[2]
		})
	}
	line := []string{called, date}
	if page == "index.html" && called != "" {
		put(headlinePlace, called)
		line = line[1:]
	}
	if said := strings.Join(slices.DeleteFunc(line, func(s string) bool { return s == "" }), " · "); said != "" {
		put(namedPlace, said)
	}
	return text
}

// preview is a title, and what chats and networks show of a link to the page. The texts
// are markup already.
func preview(title, description, address, picture string) string {
	const form = "<title>%[1]s</title>\n" +
		`<meta property="og:type" content="website"><meta property="og:title" content="%[1]s"><meta property="og:description" content="%[2]s">` +
		`<meta property="og:url" content="%[3]s%[4]s"><meta property="og:image" content="%[3]s%[5]s">`
	return fmt.Sprintf(form, title, description, Origin, address, picture)
}

// addressOf is the path of the page of that name.
func addressOf(name string) string {
	if name = path.Base(name); name != "index.html" {
		return "/" + name
	}
	return "/"
}

// Where a page has the mark in whose place a logo comes, and its icon.
var (
	markPlace = regexp.MustCompile(`(<(?:a|span) class="brand"[^>]*>)(?:<svg.*?</svg>|<img [^>]*>)`)
	iconPlace = regexp.MustCompile(`<link rel="icon"[^>]*>`)
)

// icon is the address of the logo as a square.
func (e Evening) icon() string { return "/api/logo/icon?v=" + e.Logo }

// dressLogo puts an event's logo into a page.
func dressLogo(text string, e Evening) string {
	text = markPlace.ReplaceAllString(text, `${1}<img class="logo" src="/api/logo?v=`+e.Logo+`" alt="">`)
	return iconPlace.ReplaceAllString(text, `<link rel="icon" href="`+e.icon()+`" type="image/png">`)
}

// dressManifest puts an event into the manifest, by which a phone names what is
// put on its first screen.
func dressManifest(manifest []byte, e Evening) []byte {
	var fields map[string]any
	if err := json.Unmarshal(manifest, &fields); err != nil {
		return manifest // held by a test
	}
	if e.Name != "" {
		fields["name"], fields["short_name"] = e.Name, e.Name
	}
	if e.Logo != "" {
		fields["icons"] = []map[string]string{{"src": e.icon(), "sizes": "any", "type": "image/png", "purpose": "any maskable"}}
	}
	if e.Welcome != "" {
		fields["description"] = e.Welcome
	}
	out, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		return manifest
	}
	return out
}
