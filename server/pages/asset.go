package pages

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"podium/server/answer"
)

// smallest is the size from which compressing pays.
const smallest = 512

// asset is one file as it was read. It is immutable but for the compressed
// forms, which are made when they are first asked for.
type asset struct {
	name     string
	kind     string // Content-Type
	data     []byte
	etag     string // quoted, of the plain form
	stamp    stamp
	file     fs.File       // streamed files only
	seeker   io.ReadSeeker // file
	modified time.Time
	of       *asset // that this one was made of, by an origin

	gzipOnce, zstdOnce sync.Once
	gzipped, zstded    []byte // nil where compressing does not pay
}

func newAsset(name string, data []byte) *asset {
	sum := sha256.Sum256(data)
	return &asset{name: name, kind: kindOf(name), data: data,
		etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// release gives back what the asset holds for one request only.
func (a *asset) release() {
	if a.file != nil {
		a.file.Close()
	}
}

// isPage reports whether browsers show the file as a page with scripts.
func (a *asset) isPage() bool { return strings.HasPrefix(a.kind, "text/html") }

// isDocument reports whether browsers show the file as a document that could
// hold scripts although it is no page.
func (a *asset) isDocument() bool {
	return strings.HasPrefix(a.kind, "image/svg+xml") || strings.Contains(a.kind, "xml") || a.kind == "application/pdf"
}

// serve writes the file in the best form that the request accepts.
func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.kind)
	if a.file != nil {
		h.Set("ETag", a.etag)
		http.ServeContent(w, r, "", a.modified, a.seeker)
		return
	}
	data, encoding := a.data, ""
	if compressible(a.kind) && len(a.data) >= smallest {
		h.Add("Vary", "Accept-Encoding")
		if r.Header.Get("Range") == "" {
			data, encoding = a.encoded(r.Header.Get("Accept-Encoding"))
		}
	}
	if encoding == "" {
		h.Set("ETag", a.etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		return
	}
	h.Set("ETag", strings.TrimSuffix(a.etag, `"`)+"-"+encoding+`"`)
	if a.matches(r.Header.Get("If-None-Match"), encoding) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	writeBody(w, r, data, encoding)
}

// serveTagged writes the file in the best form that the request accepts, with
// the ETag and type that the header already has.
func (a *asset) serveTagged(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", a.kind)
	w.Header().Add("Vary", "Accept-Encoding")
	data, encoding := a.encoded(r.Header.Get("Accept-Encoding"))
	writeBody(w, r, data, encoding)
}

func writeBody(w http.ResponseWriter, r *http.Request, data []byte, encoding string) {
	h := w.Header()
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	h.Set("Content-Length", strconv.Itoa(len(data)))
	if r.Method != http.MethodHead {
		w.Write(data)
	}
}

// matches reports whether an If-None-Match header names this form.
func (a *asset) matches(header, encoding string) bool {
	want := strings.Trim(a.etag, `"`) + "-" + encoding
	for tag := range strings.SplitSeq(header, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == "*" || strings.Trim(tag, `"`) == want {
			return true
		}
	}
	return false
}

// encoded returns the smallest form that accept allows, and its name.
func (a *asset) encoded(accept string) ([]byte, string) {
	if answer.Accepts(accept, "zstd") {
		a.zstdOnce.Do(func() { a.zstded = smaller(zstdBytes(a.data), a.data) })
		if a.zstded != nil {
			return a.zstded, "zstd"
		}
	}
	if answer.Accepts(accept, "gzip") {
		a.gzipOnce.Do(func() { a.gzipped = smaller(gzipBytes(a.data), a.data) })
		if a.gzipped != nil {
			return a.gzipped, "gzip"
		}
	}
	return a.data, ""
}

// smaller returns packed where it is smaller than plain, else nil.
func smaller(packed, plain []byte) []byte {
	if packed == nil || len(packed) >= len(plain) {
		return nil
	}
	return packed
}

func gzipBytes(data []byte) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil
	}
	w.Write(data) // a bytes.Buffer takes everything
	w.Close()
	return out.Bytes()
}

func zstdBytes(data []byte) []byte {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil
	}
	defer w.Close()
	return w.EncodeAll(data, nil)
}

func compressible(kind string) bool {
	kind, _, _ = strings.Cut(kind, ";")
	switch kind {
	case "application/javascript", "application/json", "application/manifest+json", "application/wasm", "application/xml", "image/svg+xml", "image/x-icon",
		"font/ttf", "font/otf":
		return true
	}
	return strings.HasPrefix(kind, "text/")
}

// kinds are the types of files of pages. The system's own table is asked only
// for others, because systems disagree.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8",
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
	".json": "application/json; charset=utf-8", ".map": "application/json; charset=utf-8",
	".webmanifest": "application/manifest+json",
	".txt":         "text/plain; charset=utf-8", ".md": "text/plain; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
	".webp": "image/webp", ".avif": "image/avif", ".ico": "image/x-icon",
	".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf", ".otf": "font/otf",
	".mp3": "audio/mpeg", ".mp4": "video/mp4", ".webm": "video/webm", ".wasm": "application/wasm",
	".pdf": "application/pdf", ".xml": "application/xml; charset=utf-8",
}

func kindOf(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if kind := kinds[ext]; kind != "" {
		return kind
	}
	if kind := mime.TypeByExtension(ext); kind != "" {
		return kind
	}
	return "application/octet-stream"
}
