// Package pages serves HTML pages and what they load, from the binary or from
// a folder, and gives each page the strictest Content-Security-Policy that it
// works under.
//
// Requests for files come in; files go out, compressed and with an ETag. Where
// files come from is an [fs.FS], so that nothing outside of it can be reached.
// The policy is computed from what a page holds: see policy.go.
package pages

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"podium/server/answer"
)

// minCompressed is the size in bytes from which text is compressed.
const minCompressed = 1024

// Pages serves the files of a folder. It is safe for concurrent use.
type Pages struct {
	files fs.FS
	// clientOrigin is where the Socket.IO client comes from when it is not
	// served here, or "".
	clientOrigin string

	mu    sync.Mutex // guards cache, and is held while a file is read
	cache map[string]*file
}

// file is a file as it is served.
type file struct {
	modified time.Time
	size     int64
	kind     string
	etag     string
	body     []byte
	gzipped  []byte // nil where that saves nothing
	policy   string // of HTML; {host} stands for the server's own host
}

// New serves files. clientOrigin is where pages get the Socket.IO client from
// by a redirect, "" where it is served here.
func New(files fs.FS, clientOrigin string) *Pages {
	return &Pages{files: files, clientOrigin: clientOrigin, cache: make(map[string]*file)}
}

// names are the paths whose files have other names.
var names = map[string]string{
	"/":                "index.html",
	"/admin":           "admin.html",
	"/admin/dashboard": "dashboard.html",
	"/wall":            "wall.html",
	"/winners":         "winners.html",
}

// Serve answers a request for a page or a file that pages load.
func (p *Pages) Serve(w http.ResponseWriter, r *http.Request) error {
	name, ok := nameOf(r.URL.Path)
	if !ok {
		return notFound()
	}
	f, err := p.load(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) || errors.Is(err, fs.ErrPermission) {
		return notFound()
	}
	if err != nil {
		return fmt.Errorf("serve %s: %w", name, err)
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", f.etag)
	if f.policy != "" {
		h.Set("Content-Security-Policy", strings.ReplaceAll(f.policy, hostMark, safeHost(r.Host)))
	}
	body := f.body
	if f.gzipped != nil {
		h.Add("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			body = f.gzipped
		}
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	return nil
}

func notFound() error { return answer.New(http.StatusNotFound, "There is no such page.") }

// nameOf returns the file that a path stands for. Hidden files are none.
func nameOf(urlPath string) (string, bool) {
	if name, ok := names[urlPath]; ok {
		return name, true
	}
	name := strings.TrimPrefix(urlPath, "/")
	if !fs.ValidPath(name) || name == "." {
		return "", false
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") {
			return "", false
		}
	}
	return name, true
}

// load returns a file, read anew where it changed.
func (p *Pages) load(name string) (*file, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	info, err := fs.Stat(p.files, name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fs.ErrNotExist
	}
	if f := p.cache[name]; f != nil && f.modified.Equal(info.ModTime()) && f.size == info.Size() {
		return f, nil
	}
	body, err := fs.ReadFile(p.files, name)
	if err != nil {
		return nil, err
	}
	f := newFile(name, body)
	f.modified, f.size = info.ModTime(), info.Size()
	if strings.HasPrefix(f.kind, "text/html") {
		f.policy = policyOf(body, p.files, p.clientOrigin)
	}
	p.cache[name] = f
	return f, nil
}

func newFile(name string, body []byte) *file {
	sum := sha256.Sum256(body)
	kind := mime.TypeByExtension(path.Ext(name))
	switch path.Ext(name) { // systems disagree on these
	case ".js", ".mjs":
		kind = "text/javascript; charset=utf-8"
	case ".map", ".json":
		kind = "application/json; charset=utf-8"
	case ".webmanifest":
		kind = "application/manifest+json"
	case "":
		kind = "application/octet-stream"
	}
	if kind == "" {
		kind = http.DetectContentType(body)
	}
	f := &file{kind: kind, body: body, etag: `"` + hex.EncodeToString(sum[:12]) + `"`}
	text := strings.HasPrefix(kind, "text/") || strings.HasPrefix(kind, "application/json") ||
		strings.HasPrefix(kind, "application/manifest") || strings.HasPrefix(kind, "image/svg")
	if text && len(body) >= minCompressed {
		f.gzipped = compress(body)
	}
	return f
}

// compress returns body as gzip, or nil where that is no smaller.
func compress(body []byte) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil
	}
	if _, err := z.Write(body); err != nil || z.Close() != nil || b.Len() >= len(body) {
		return nil
	}
	return b.Bytes()
}
