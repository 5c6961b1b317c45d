// Package pages serves the pages: the embedded ones or those of a folder, and
// the official Socket.IO browser client.
//
// A tree of files comes in; an http.Handler goes out that answers with them,
// with an ETag, compressed, and each page with a Content-Security-Policy made
// from what it really holds. The files themselves are never changed.
//
// # The policy
//
// A page's policy is computed from the page, and from the scripts and style
// sheets of this server that it loads (see findings). What is known only when
// the page runs can't be seen in a file, so these are the rules:
//
//   - Inline scripts run by the SHA-256 of those that the file holds; script
//     files from 'self' and from the exact external addresses in the file.
//   - Handler attributes (onclick="…") run by their hashes where the file
//     holds them and no script builds markup. Where a script builds some
//     (`onclick="deleteCategory('${id}')"`), no hash can cover them: that page
//     gets script-src-attr 'unsafe-inline', and only escaped text protects it.
//   - Inline styles and style attributes likewise.
//   - Pictures come from 'self', data:, blob:, Cloudinary and the origins in
//     the file; connections go to 'self' and the origins that the
//     page's scripts name; so a picture or form of somebody else's loads
//     nothing and goes nowhere.
//   - base-uri, form-action, frame-ancestors and object-src are closed, as far
//     as the page's own forms allow.
package pages

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"podium/server/answer"
	"podium/static"
)

// cloudinary is where pictures come from besides this server. It stands in
// every page's policy, because entries may be from a time when it was in use.
const cloudinary = "https://res.cloudinary.com"

// Pages serves pages. It is safe for concurrent use.
type Pages struct {
	source source
	// clientOrigin is where the Socket.IO client comes from when it is not
	// served here, or "".
	clientOrigin string
	origin       Origin

	mu       sync.Mutex           // guards the fields below
	origins  map[string]bool      // those that pages were served for
	policies map[string]*pageRule // by file, folder of the address, and ETag
}

// New serves files; one that changes is read again. For a folder that anybody
// else can write to, files should be an [os.Root]'s, which links can't leave.
// clientOrigin is where pages get the Socket.IO client from by a redirect, ""
// where it is served here.
func New(files fs.FS, clientOrigin string, origin Origin) *Pages {
	return &Pages{
		source: source{files: files, assets: map[string]*asset{}}, clientOrigin: clientOrigin, origin: origin,
		origins: map[string]bool{}, policies: map[string]*pageRule{},
	}
}

// fileOf returns the file that answers an address, "" for none. Names with a
// part that begins with a dot, and those that are not clean, have none.
func fileOf(address string) string {
	if name, ok := static.PageFile(address); ok {
		return name
	}
	name := strings.TrimPrefix(address, "/")
	if strings.HasSuffix(name, "/") {
		name += "index.html"
	}
	if !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, "\\\x00") {
		return ""
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") {
			return ""
		}
	}
	return name
}

// Serve answers GET and HEAD for a page or a file that pages load. What it
// returns instead of an answer is an [answer.Error] (404 or 405), or what kept
// it from reading the file.
func (p *Pages) Serve(w http.ResponseWriter, r *http.Request) error {
	name := fileOf(r.URL.Path)
	if name == "" {
		return notFound()
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return answer.New(http.StatusMethodNotAllowed, "Pages can only be read.").Coded("malformed")
	}
	name = p.translated(w, r, name)
	a, err := p.source.open(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) || errors.Is(err, fs.ErrPermission) || escapes(err) {
		return notFound()
	}
	if err != nil {
		return fmt.Errorf("serve %s: %w", name, err)
	}
	defer a.release()
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	switch {
	case a.isPage():
		p.setPolicy(w, r, name, a)
	case a.isDocument():
		h.Set("Content-Security-Policy", documentPolicy)
	default:
		// A worker takes its policy from its own file, so there is none here;
		// nothing else that is served is more than what its type says.
		h.Del("Content-Security-Policy")
	}
	p.addressed(a, r).serve(w, r)
	return nil
}

// missing is the page that says that there is none.
const missing = "missing.html"

// ServeMissing answers with the page that says that there is no such page, where
// there is one and who asks is somebody who looks at pages. It reports whether
// it answered.
func (p *Pages) ServeMissing(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		return false
	}
	name := p.translated(w, r, missing)
	a, err := p.source.open(name)
	if err != nil {
		return false
	}
	defer a.release()
	p.setPolicy(w, r, name, a)
	a = p.addressed(a, r)
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(a.data)))
	w.WriteHeader(http.StatusNotFound)
	if r.Method != http.MethodHead {
		_, _ = w.Write(a.data) // the client may be gone
	}
	return true
}

// translated is the name of a page in the language of who asks.
func (p *Pages) translated(w http.ResponseWriter, r *http.Request, name string) string {
	t, ok := p.source.files.(Translated)
	if !ok {
		return name
	}
	list := t.Languages(name)
	if list == nil {
		return name
	}
	w.Header().Add("Vary", "Accept-Language, Cookie")
	return t.In(name, languageOf(r, list))
}

func (p *Pages) setPolicy(w http.ResponseWriter, r *http.Request, name string, a *asset) {
	w.Header().Set("Content-Security-Policy", p.policy(name, path.Dir(r.URL.Path), a).header(r.Host))
	w.Header().Set("X-Frame-Options", "DENY")
}

// escapes reports whether a root refused a link that leaves it, or the path is
// none that can be followed. What the system itself failed at is neither.
func escapes(err error) bool {
	var at *fs.PathError
	for _, failure := range []error{syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, failure) {
			return false
		}
	}
	return errors.As(err, &at)
}

func notFound() error { return answer.New(http.StatusNotFound, "There is no such page.").Coded("gone") }
