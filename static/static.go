// Package static holds the pages that Podium serves by itself: HTML, CSS and JavaScript modules, embedded in the binary.
//
// What comes in: the files of this folder; there is no build step. What goes out: Files, the whole tree for the file
// server, in which each page holds its style sheets, its words in one language and one short script, so that nothing blocks
// its drawing; For, the same with
// an event's name, words and colour in the pages; and PageFile,
// which says which file answers a page's address. The folder client/ holds the official Socket.IO browser client when it
// was copied there before the binary was built; without it, only its README is embedded.
//
// The dashboard draws its charts by itself, as SVG: six lines of at most 360 points, redrawn every five seconds, are about
// twenty-five lines of code. The smallest charting library that is looked after, uPlot, has 50 KB, draws pixels that take
// no colours from the style sheet in light and dark, and would be missing from each binary that was built without npm.
//
// What the pages ask of the server that serves them:
//   - Scripts come from files of their own origin and from the page, styles from the page: script-src 'self' and the hashes
//     of the page's script and style elements are enough.
//   - Pictures come from the same origin, from blob: (previews of photos not sent yet) and from where uploads are kept.
//   - sw.js is a service worker for the whole origin, so it has to stay at the root.
//   - Files have no version in their names, so browsers have to ask again (ETag), or pages and scripts could be of
//     different versions after an update.
package static

import (
	"embed"
	"io/fs"
)

//go:embed *.html *.css *.js *.svg *.png *.webmanifest css js lang client
var files embed.FS

// ClientVersion is the version of the Socket.IO browser client that belongs into client/, and that browsers are sent to a
// CDN for where it was not copied there.
const ClientVersion = "4.8.4"

// Client returns the folder of the Socket.IO browser client. It is safe for concurrent use and never changes.
func Client() fs.FS {
	sub, err := fs.Sub(files, "client")
	if err != nil {
		panic(err) // the name is a constant that is valid
	}
	return sub
}

// Files returns the tree to serve. Its paths are the addresses of the files without the leading slash. It is safe for
// concurrent use and never changes.
func Files() fs.FS { return served() }

// PageFile returns the file that answers the page address path, such as "/wall", and whether there is one. Only the
// addresses of whole pages are known here; every other file is served under its own name. It holds for the embedded pages
// and for those of a folder.
func PageFile(path string) (name string, ok bool) {
	switch path {
	case "/", "/index.html":
		return "index.html", true
	case "/winners", "/winners.html":
		return "winners.html", true
	case "/wall", "/wall.html":
		return "wall.html", true
	case "/present", "/present.html":
		return "present.html", true
	case "/setup", "/setup.html":
		return "setup.html", true
	case "/admin", "/admin/", "/admin.html":
		return "admin.html", true
	case "/admin/codes":
		return "codes.html", true
	case "/admin/dashboard":
		return "dashboard.html", true
	}
	return "", false
}
