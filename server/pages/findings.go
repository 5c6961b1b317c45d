package pages

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"path"
	"strings"

	"golang.org/x/net/html"
)

// findings is what a page holds and loads, as far as its policy is concerned.
// Sources are written as they stand in a policy.
type findings struct {
	scripts, scriptHashes     set // files; inline blocks
	handlerHashes             set // handler attributes in the markup
	styles, styleHashes       set
	styleAttrHashes           set
	images, fonts, media      set
	frames, connects, actions set
	base                      set // where <base> points to
	forms                     bool
	buildsHandlers            bool // a script builds markup with handlers
	buildsStyles              bool // … with style elements
	buildsStyleAttrs          bool // … with style attributes
	evaluates                 bool // a script makes code from text
	unseenScript              bool // a script of another origin: nobody knows what it builds
	usesClient                bool // the page loads this server's Socket.IO client
}

// set is a set of sources.
type set map[string]struct{}

func (s *set) add(source string) {
	if source == "" {
		return
	}
	if *s == nil {
		*s = set{}
	}
	(*s)[source] = struct{}{}
}

// scanner reads one page and the files that it loads from this server.
type scanner struct {
	found findings
	base  string // folder that relative addresses begin with
	// queue holds the local files that are still to be read.
	queue []localFile
	seen  map[string]bool
}

type localFile struct {
	name   string // in the source
	folder string // of its address
	style  bool
}

// page takes in an HTML file. It reads the tokens as browsers do and not the
// tree, so that nothing a browser might run is lost by repairing the markup.
func (s *scanner) page(data []byte) {
	z := html.NewTokenizer(bytes.NewReader(data))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			s.attributes(token)
			switch token.Data {
			case "script":
				s.script(token, rawText(z))
			case "style":
				css := rawText(z)
				s.found.styleHashes.add(hashSource(css))
				s.css(css, s.base)
			default:
				s.element(token)
			}
		}
	}
}

// rawText is the text of the element that just began.
func rawText(z *html.Tokenizer) string {
	if z.Next() != html.TextToken {
		return ""
	}
	return z.Token().Data
}

// script takes in a script element.
func (s *scanner) script(t html.Token, text string) {
	kind := strings.ToLower(strings.TrimSpace(attr(t, "type")))
	if src, ok := attrOK(t, "src"); ok {
		s.scriptFile(src, s.base)
		return
	}
	switch kind {
	case "", "text/javascript", "application/javascript", "module", "text/ecmascript", "application/ecmascript":
		s.found.scriptHashes.add(hashSource(text))
		s.js(text, s.base)
	case "importmap", "speculationrules":
		s.found.scriptHashes.add(hashSource(text))
		for _, m := range quotedURL.FindAllStringSubmatch(text, -1) {
			s.found.scripts.add(exact(m[1]))
		}
	default: // data: never run, but templates in it may be put into the page
		s.js(text, s.base)
	}
}

// scriptFile takes in the address of a script.
func (s *scanner) scriptFile(address, folder string) {
	source, local := s.resolve(address, folder)
	if local == "" {
		s.found.scripts.add(source)
		if source != "" && !strings.Contains(source, "/socket.io") {
			s.found.unseenScript = true
		}
		return
	}
	if strings.HasPrefix(local, "socket.io/") {
		s.found.usesClient = true
		return
	}
	s.enqueue(localFile{local, "/" + path.Dir(local), false})
}

// styleFile takes in the address of a style sheet.
func (s *scanner) styleFile(address, folder string) {
	source, local := s.resolve(address, folder)
	if local != "" {
		s.enqueue(localFile{local, "/" + path.Dir(local), true})
		return
	}
	s.found.styles.add(source)
	// A sheet of another origin can't be read here; what it loads comes from
	// its own origin, with one exception that half the web uses.
	origin := originOf(source)
	s.found.fonts.add(origin)
	s.found.images.add(origin)
	if strings.HasSuffix(origin, "//fonts.googleapis.com") || origin == "fonts.googleapis.com" {
		s.found.fonts.add("https://fonts.gstatic.com")
	}
}

func (s *scanner) enqueue(f localFile) {
	if len(s.seen) >= maxLocal || s.seen[f.name] {
		return
	}
	s.seen[f.name] = true
	s.queue = append(s.queue, f)
}

// element takes in the addresses that an element loads.
func (s *scanner) element(t html.Token) {
	source := func(name string) string {
		value, ok := attrOK(t, name)
		if !ok {
			return ""
		}
		found, _ := s.resolve(value, s.base)
		return originOf(found)
	}
	switch t.Data {
	case "base":
		if href, ok := attrOK(t, "href"); ok {
			s.setBase(href)
		}
	case "link":
		s.link(t)
	case "img", "input", "image":
		s.found.images.add(source("src"))
		s.found.images.add(source("href"))
		s.srcset(attr(t, "srcset"))
	case "source", "video", "audio", "track":
		s.found.media.add(source("src"))
		s.found.images.add(source("poster"))
		s.srcset(attr(t, "srcset"))
	case "iframe", "frame", "embed", "object":
		s.found.frames.add(source("src"))
	case "form":
		s.found.forms = true
		s.found.actions.add(source("action"))
	}
	if _, ok := attrOK(t, "formaction"); ok {
		s.found.forms = true
		s.found.actions.add(source("formaction"))
	}
}

// setBase makes href the start of the page's relative addresses.
func (s *scanner) setBase(href string) {
	u, err := url.Parse(strings.TrimSpace(href))
	if err != nil {
		return
	}
	if u.Host != "" {
		s.found.base.add(originOf(hostSource(u)))
		return
	}
	s.found.base.add("'self'")
	s.base = path.Dir(path.Join(s.base, u.Path+"x"))
	if strings.HasPrefix(u.Path, "/") {
		s.base = path.Dir(u.Path + "x")
	}
}

// link takes in a link element.
func (s *scanner) link(t html.Token) {
	href, ok := attrOK(t, "href")
	if !ok {
		return
	}
	rel, as := " "+strings.ToLower(attr(t, "rel"))+" ", strings.ToLower(attr(t, "as"))
	source, _ := s.resolve(href, s.base)
	switch {
	case strings.Contains(rel, " stylesheet ") || as == "style":
		s.styleFile(href, s.base)
	case strings.Contains(rel, " modulepreload ") || as == "script":
		s.scriptFile(href, s.base)
	case strings.Contains(rel, "icon") || as == "image":
		s.found.images.add(originOf(source))
	case as == "font":
		s.found.fonts.add(originOf(source))
	case as == "fetch":
		s.found.connects.add(originOf(source))
	}
}

func (s *scanner) srcset(value string) {
	for candidate := range strings.SplitSeq(value, ",") {
		if fields := strings.Fields(candidate); len(fields) > 0 {
			source, _ := s.resolve(fields[0], s.base)
			s.found.images.add(originOf(source))
		}
	}
}

// attributes takes in the handlers and styles of any element, and addresses
// that are scripts.
func (s *scanner) attributes(t html.Token) {
	for _, a := range t.Attr {
		switch {
		case strings.HasPrefix(a.Key, "on") && len(a.Key) > 2:
			s.found.handlerHashes.add(hashSource(a.Val))
			s.js(a.Val, s.base)
		case a.Key == "style":
			s.found.styleAttrHashes.add(hashSource(a.Val))
			s.css(a.Val, s.base)
		case a.Key == "srcdoc":
			s.page([]byte(a.Val))
		case a.Key == "href" || a.Key == "action" || a.Key == "src":
			value := strings.TrimSpace(a.Val)
			if len(value) > 11 && strings.EqualFold(value[:11], "javascript:") {
				s.found.handlerHashes.add(hashSource(value))
				s.found.handlerHashes.add(hashSource(value[11:]))
			}
		}
	}
}

// resolve returns the source that address stands for in a policy, and the name
// of the file when it is on this server. Both are "" for addresses that load
// nothing, such as data: and fragments.
func (s *scanner) resolve(address, folder string) (source, local string) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || address == "" {
		return "", ""
	}
	if u.Host != "" {
		return hostSource(u), ""
	}
	if u.Scheme != "" || u.Opaque != "" || u.Path == "" {
		return "", ""
	}
	if !strings.HasPrefix(u.Path, "/") {
		return "", strings.TrimPrefix(path.Join("/", folder, u.Path), "/")
	}
	return "", strings.TrimPrefix(path.Clean(u.Path), "/")
}

// hostSource writes the address of another server as a source with its path.
// An address without a scheme has none in the policy either: the page's counts.
func hostSource(u *url.URL) string {
	if !validHost(u.Host) {
		return ""
	}
	switch u.Scheme {
	case "", "http", "https", "ws", "wss":
	default: // names of things, and programs of the phone's
		return ""
	}
	out := u.Host
	if u.Scheme != "" {
		out = u.Scheme + "://" + out
	}
	return out + strings.NewReplacer(";", "%3B", ",", "%2C", " ", "%20").Replace(u.EscapedPath())
}

// exact is hostSource of a text.
func exact(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return hostSource(u)
}

// originOf cuts the path off a source.
func originOf(source string) string {
	scheme, rest, ok := strings.Cut(source, "://")
	if !ok {
		scheme, rest = "", source
	}
	host, _, _ := strings.Cut(rest, "/")
	if host == "" || scheme == "" {
		return host
	}
	return scheme + "://" + host
}

// validHost reports whether host, with or without a port, can stand in a
// policy. Addresses in brackets can't.
func validHost(host string) bool {
	if host == "" || len(host) > 260 {
		return false
	}
	for i := range len(host) {
		c := host[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_', c == ':':
		default:
			return false
		}
	}
	return true
}

func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func attr(t html.Token, name string) string {
	value, _ := attrOK(t, name)
	return value
}

func attrOK(t html.Token, name string) (string, bool) {
	for _, a := range t.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}
