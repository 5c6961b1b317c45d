package pages

import (
	"path"
	"regexp"
	"strings"
)

// maxLocal bounds the local files that are read for one page.
const maxLocal = 200

// What scripts and style sheets are searched for. A script is text here: what
// it does can't be known, only what it holds. Each pattern would rather find
// too much than too little: too much makes the policy looser in one respect,
// too little breaks the page.
var (
	// A handler attribute in markup that a script builds: onclick= that is no
	// property (.onclick = f) and no comparison.
	builtHandler = regexp.MustCompile(`(?i)(?:^|[^.\w$])on[a-z]{3,}\s*=\s*(?:\\?["'` + "`" + `]|\$\{|[a-z_$][\w$.]*\()`)
	setHandler   = regexp.MustCompile(`(?i)setAttribute\(\s*["'` + "`" + `]on[a-z]`)
	builtStyle   = regexp.MustCompile(`(?i)<style[\s>]|createElement\(\s*["'` + "`" + `]style["'` + "`" + `]`)
	builtAttr    = regexp.MustCompile(`(?i)[\s"'` + "`" + `]style\s*=\s*\\?["'` + "`" + `$]|setAttribute\(\s*["'` + "`" + `]style["'` + "`" + `]`)
	builtScript  = regexp.MustCompile(`(?i)<script[\s>]|createElement\(\s*["'` + "`" + `]script["'` + "`" + `]`)
	builtForm    = regexp.MustCompile(`(?i)<form[\s>]|createElement\(\s*["'` + "`" + `]form["'` + "`" + `]`)
	evaluation   = regexp.MustCompile(`(?:^|[^.\w$])(?:eval\s*\(|new\s+Function\s*\(|set(?:Timeout|Interval)\(\s*["'` + "`" + `])`)

	quotedURL    = regexp.MustCompile(`["'` + "`" + `]((?:https?|wss?)://[^\s"'` + "`" + `<>\\$]+)`)
	markupImage  = regexp.MustCompile(`(?i)<img[^>]*\ssrc\s*=\s*\\?["']?((?:https?:)?//[^\s"'` + "`" + `<>\\$]+)`)
	imported     = regexp.MustCompile(`(?:\bimport\b|\bfrom\b|\bexport\b[^'"]*from)\s*\(?\s*["'` + "`" + `]([^\s"'` + "`" + `$]+)["'` + "`" + `]`)
	workerScript = regexp.MustCompile(`new\s+(?:Shared)?Worker\(\s*["'` + "`" + `]([^\s"'` + "`" + `$]+)["'` + "`" + `]`)

	cssURL    = regexp.MustCompile(`(?i)url\(\s*["']?([^"')\s]+)["']?\s*\)`)
	cssImport = regexp.MustCompile(`(?i)@import\s+(?:url\(\s*)?["']?([^"')\s;]+)`)
)

// js takes in the text of a script whose address lies in folder.
func (s *scanner) js(text, folder string) {
	f := &s.found
	f.buildsHandlers = f.buildsHandlers || builtHandler.MatchString(text) || setHandler.MatchString(text)
	f.buildsStyles = f.buildsStyles || builtStyle.MatchString(text)
	f.buildsStyleAttrs = f.buildsStyleAttrs || builtAttr.MatchString(text)
	f.evaluates = f.evaluates || evaluation.MatchString(text)
	f.forms = f.forms || builtForm.MatchString(text)
	loads := builtScript.MatchString(text)
	for _, m := range quotedURL.FindAllStringSubmatch(text, -1) {
		s.jsURL(m[1], loads)
	}
	for _, m := range markupImage.FindAllStringSubmatch(text, -1) {
		f.images.add(originOf(exact(m[1])))
	}
	for _, m := range imported.FindAllStringSubmatch(text, -1) {
		if strings.HasPrefix(m[1], "/") || strings.HasPrefix(m[1], ".") || strings.Contains(m[1], "://") {
			s.scriptFile(m[1], folder)
		}
	}
	for _, m := range workerScript.FindAllStringSubmatch(text, -1) {
		if source, local := s.resolve(m[1], folder); local != "" {
			s.enqueue(localFile{local, "/" + path.Dir(local), false})
		} else {
			f.scripts.add(source)
		}
	}
}

// jsURL takes in an address that a script names. What it is for shows only in
// its ending, so it counts as something to connect to as well. loads says that
// the script makes script elements.
func (s *scanner) jsURL(address string, loads bool) {
	source := exact(address)
	origin := originOf(source)
	if origin == "" || strings.HasSuffix(origin, "//www.w3.org") { // names of namespaces, never loaded
		return
	}
	file, _, _ := strings.Cut(source, "?")
	switch strings.ToLower(path.Ext(file)) {
	case ".js", ".mjs":
		if loads {
			s.found.scripts.add(source)
			s.found.unseenScript = true
			return
		}
	case ".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".svg", ".ico":
		s.found.images.add(origin)
		return
	case ".css":
		s.styleFile(address, "/")
		return
	case ".mp3", ".mp4", ".webm", ".ogg", ".wav":
		s.found.media.add(origin)
		return
	}
	s.found.connects.add(origin)
	// The Socket.IO client is given an http address and opens a WebSocket too.
	if rest, ok := strings.CutPrefix(origin, "http"); ok {
		s.found.connects.add("ws" + rest)
	}
}

// css takes in the text of a style sheet whose address lies in folder.
func (s *scanner) css(text, folder string) {
	for _, m := range cssImport.FindAllStringSubmatch(text, -1) {
		s.styleFile(m[1], folder)
	}
	for _, m := range cssURL.FindAllStringSubmatch(text, -1) {
		source, _ := s.resolve(m[1], folder)
		origin := originOf(source)
		file, _, _ := strings.Cut(m[1], "?")
		file, _, _ = strings.Cut(file, "#")
		switch strings.ToLower(path.Ext(file)) {
		case ".woff", ".woff2", ".ttf", ".otf", ".eot":
			s.found.fonts.add(origin)
		default:
			s.found.images.add(origin)
		}
	}
}
