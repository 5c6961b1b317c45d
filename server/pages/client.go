package pages

import (
	"bytes"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"podium/server/answer"
)

// cdn is where the official Socket.IO client is published.
const cdn = "https://cdn.socket.io"

// clientFiles are the files that the official server offers.
var clientFiles = []string{"socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"}

// Client serves the official Socket.IO browser client as the official server
// does. It is safe for concurrent use.
type Client struct {
	version string
	files   map[string]*file
}

// NewClient reads the client's files of that version. Where they are missing it
// logs one warning and sends browsers to the public CDN.
func NewClient(files fs.FS, version string, logger *slog.Logger) *Client {
	c := &Client{version: version, files: make(map[string]*file)}
	missing := 0
	for _, name := range clientFiles {
		for _, name := range []string{name, name + ".map"} {
			body, err := fs.ReadFile(files, name)
			if err != nil {
				missing++
				continue
			}
			c.files[name] = newFile(name, body)
		}
	}
	if missing > 0 {
		logger.Warn("the Socket.IO browser client is not built in; browsers are sent to the public CDN for it", "missing", missing)
	}
	return c
}

// Origin is where pages get the client from: "" for this server.
func (c *Client) Origin() string {
	if len(c.files) == 2*len(clientFiles) {
		return ""
	}
	return cdn
}

// Has reports whether a path below /socket.io/ names one of the client's files.
func (c *Client) Has(name string) bool {
	for _, known := range clientFiles {
		if name == known || name == known+".map" {
			return true
		}
	}
	return false
}

// Serve answers a request for one of the client's files.
func (c *Client) Serve(w http.ResponseWriter, r *http.Request, name string) error {
	if !c.Has(name) {
		return answer.New(http.StatusNotFound, "There is no such file.")
	}
	f := c.files[name]
	if f == nil {
		http.Redirect(w, r, cdn+"/"+c.version+"/"+name, http.StatusFound)
		return nil
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "public, max-age=0")
	h.Set("ETag", `"`+c.version+`"`)
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
