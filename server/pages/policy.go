package pages

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// A page's policy allows what the page holds, and nothing else:
//
//   - inline scripts and style sheets by their hashes, so that one that somebody
//     else brings in does not run;
//   - scripts, styles, fonts, pictures and connections from this server and from
//     the origins that the page loads from;
//   - handlers in attributes by their hashes where all of them stand in the page.
//     A page that builds markup with handlers while it runs (onclick="…'+id)
//     cannot be helped by hashes, because its handlers are not known before:
//     there script-src-attr is open, and the escaping of text is what protects;
//   - style attributes likewise.
//
// Frames around the page, <base>, plugins and forms that lead elsewhere are
// closed for all. The header is the second line of defence; the first is that
// text leaves the server escaped for pages that put it into markup.

// hostMark stands in a policy for the server's own host, which Safari wants to
// see named for WebSockets.
const hostMark = "{host}"

var hostForm = regexp.MustCompile(`^[A-Za-z0-9.\-]+(:\d+)?$|^\[[0-9A-Fa-f:.]+\](:\d+)?$`)

// safeHost is a Host header that can stand in a policy.
func safeHost(host string) string {
	if hostForm.MatchString(host) {
		return host
	}
	return "localhost"
}

// Patterns in scripts. They may find too much; then the policy is a little
// wider than it had to be.
var (
	buildsHandlers = regexp.MustCompile(`(?i)\bon[a-z]{3,20}\s*=\s*\\?["'\x60$]|setAttribute\(\s*["']on`)
	buildsStyles   = regexp.MustCompile(`(?i)\bstyle\s*=\s*\\?["']|setAttribute\(\s*["']style`)
	buildsSheets   = regexp.MustCompile(`(?i)<style|createElement\(\s*["']style`)
	evaluates      = regexp.MustCompile(`\beval\(|\bnew Function\(|\bset(?:Timeout|Interval)\(\s*["']`)
	absoluteURL    = regexp.MustCompile(`(?i)\b(https?|wss?)://([a-z0-9.-]+(?::\d+)?)(/[^\s"'\x60<>\\)]*)?`)
	cssURL         = regexp.MustCompile(`(?i)(?:url\(\s*["']?|@import\s+["'])(https?://[^"')\s]+)`)
)

// policy collects the sources of each directive.
type policy struct {
	files      fs.FS
	sources    map[string][]string
	handlers   []string // hashes of handlers in attributes
	styles     []string // hashes of style attributes
	anyHandler bool
	anyStyle   bool
}

// policyOf computes the policy of a page.
func policyOf(page []byte, files fs.FS, clientOrigin string) string {
	p := &policy{files: files, sources: map[string][]string{
		"script-src":  {"'self'"},
		"style-src":   {"'self'"},
		"img-src":     {"'self'", "data:", "blob:", "https://res.cloudinary.com"},
		"font-src":    {"'self'", "data:"},
		"connect-src": {"'self'", "ws://" + hostMark, "wss://" + hostMark},
		"media-src":   {"'self'", "blob:"},
		"frame-src":   nil,
		"form-action": nil,
	}}
	if clientOrigin != "" {
		p.add("script-src", clientOrigin)
		p.add("connect-src", clientOrigin) // for source maps
	}
	root, err := html.Parse(bytes.NewReader(page))
	if err == nil {
		p.walk(root)
	}
	return p.String()
}

func (p *policy) add(directive, source string) {
	if source != "" && !slices.Contains(p.sources[directive], source) {
		p.sources[directive] = append(p.sources[directive], source)
	}
}

// walk looks at an element and all below it.
func (p *policy) walk(n *html.Node) {
	if n.Type == html.ElementNode {
		p.element(n)
	}
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		p.walk(child)
	}
}

func (p *policy) element(n *html.Node) {
	for _, a := range n.Attr {
		switch {
		case strings.HasPrefix(a.Key, "on"):
			p.handlers = append(p.handlers, hash(a.Val))
		case a.Key == "style":
			p.styles = append(p.styles, hash(a.Val))
			p.css(a.Val)
		}
	}
	switch n.DataAtom {
	case atom.Script:
		p.script(n)
	case atom.Style:
		p.add("style-src", hash(textOf(n)))
		p.css(textOf(n))
	case atom.Link:
		p.link(n)
	case atom.Img, atom.Source:
		p.add("img-src", origin(attribute(n, "src")))
	case atom.Video, atom.Audio:
		p.add("media-src", origin(attribute(n, "src")))
	case atom.Iframe:
		if src := attribute(n, "src"); origin(src) != "" {
			p.add("frame-src", origin(src))
		} else if src != "" {
			p.add("frame-src", "'self'")
		}
	case atom.Form:
		if attribute(n, "action") != "" {
			p.add("form-action", "'self'")
		}
	}
}

func (p *policy) script(n *html.Node) {
	src := attribute(n, "src")
	if src == "" {
		p.add("script-src", hash(textOf(n)))
		p.code(textOf(n))
		return
	}
	if from := origin(src); from != "" {
		p.add("script-src", from)
		p.add("connect-src", from) // a client from a CDN fetches its source map
		return
	}
	p.local(src, p.code)
}

func (p *policy) link(n *html.Node) {
	href := attribute(n, "href")
	from := origin(href)
	switch rel := strings.ToLower(attribute(n, "rel")); {
	case strings.Contains(rel, "stylesheet"):
		p.add("style-src", from)
		if from == "https://fonts.googleapis.com" {
			p.add("font-src", "https://fonts.gstatic.com") // where those sheets load from
		}
		if from == "" {
			p.local(href, p.css)
		} else {
			p.add("font-src", from)
		}
	case strings.Contains(rel, "icon"):
		p.add("img-src", from)
	}
}

// local hands a file that the page loads from this server to look.
func (p *policy) local(ref string, look func(string)) {
	u, err := url.Parse(ref)
	if err != nil {
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+u.Path), "/")
	if text, err := fs.ReadFile(p.files, name); err == nil {
		look(string(text))
	}
}

// code looks at a script.
func (p *policy) code(text string) {
	p.anyHandler = p.anyHandler || buildsHandlers.MatchString(text)
	p.anyStyle = p.anyStyle || buildsStyles.MatchString(text)
	if buildsSheets.MatchString(text) {
		p.add("style-src", "'unsafe-inline'")
	}
	if evaluates.MatchString(text) {
		p.add("script-src", "'unsafe-eval'")
	}
	for _, m := range absoluteURL.FindAllStringSubmatch(text, -1) {
		from := strings.ToLower(m[1] + "://" + m[2])
		p.add("connect-src", from)
		if strings.HasSuffix(m[3], ".js") {
			p.add("script-src", from)
		}
	}
}

// css looks at a style sheet.
func (p *policy) css(text string) {
	for _, m := range cssURL.FindAllStringSubmatch(text, -1) {
		from := origin(m[1])
		p.add("img-src", from)
		p.add("font-src", from)
		if strings.Contains(text, "@import") {
			p.add("style-src", from)
		}
	}
}

// String writes the policy.
func (p *policy) String() string {
	var b strings.Builder
	b.WriteString("default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; worker-src 'self'; manifest-src 'self'")
	directive := func(name string, sources []string) {
		b.WriteString("; " + name + " ")
		if len(sources) == 0 {
			sources = []string{"'none'"}
		}
		b.WriteString(strings.Join(sources, " "))
	}
	for _, name := range []string{"script-src", "img-src", "font-src", "connect-src", "media-src", "frame-src", "form-action"} {
		directive(name, p.sources[name])
	}
	directive("script-src-attr", attributes(p.handlers, p.anyHandler))
	sheets := p.sources["style-src"]
	if slices.Contains(sheets, "'unsafe-inline'") { // hashes would switch it off
		sheets = slices.DeleteFunc(slices.Clone(sheets), func(s string) bool { return strings.HasPrefix(s, "'sha256-") })
	}
	directive("style-src", sheets)
	directive("style-src-attr", attributes(p.styles, p.anyStyle))
	return b.String()
}

// attributes are the sources for attributes that run or style.
func attributes(hashes []string, built bool) []string {
	switch {
	case built:
		return []string{"'unsafe-inline'"}
	case len(hashes) > 0:
		slices.Sort(hashes)
		return append([]string{"'unsafe-hashes'"}, slices.Compact(hashes)...)
	}
	return nil
}

// hash is the source of an inline text. Parsers see its lines ended by "\n".
func hash(text string) string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// origin is the origin of an absolute address, or "" for one of this server.
func origin(ref string) string {
	if strings.HasPrefix(ref, "//") {
		ref = "https:" + ref
	}
	u, err := url.Parse(ref)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || !hostForm.MatchString(u.Host) {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return strings.TrimSpace(a.Val)
		}
	}
	return ""
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for child := n.FirstChild; child != nil; child = child.NextSibling {
		b.WriteString(child.Data)
	}
	return b.String()
}
