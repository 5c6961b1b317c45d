package pages

import (
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"podium/server/answer"
)

// cdn is where the Socket.IO project publishes its browser client, a folder a
// version.
const cdn = "https://cdn.socket.io"

// clientFiles are the files of the official browser client, as the official
// server offers them below its path.
var clientFiles = []string{"socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"}

// Client serves the official Socket.IO browser client, with the headers of the
// official server. It is safe for concurrent use.
type Client struct {
	version string
	files   map[string]*asset
}

// NewClient reads the client's files of that version. Where some are missing
// it logs one warning, and browsers are sent to the public CDN for them. A nil
// logger means slog.Default().
func NewClient(files fs.FS, version string, logger *slog.Logger) *Client {
	if logger == nil {
		logger = slog.Default()
	}
	c := &Client{version: version, files: make(map[string]*asset)}
	missing := 0
	for _, script := range clientFiles {
		for _, name := range []string{script, script + ".map"} {
			data, err := fs.ReadFile(files, name)
			if err != nil {
				missing++
				continue
			}
			a := newAsset(name, data)
			a.kind = "application/javascript; charset=utf-8"
			if strings.HasSuffix(name, ".map") {
				a.kind = "application/json; charset=utf-8"
			}
			c.files[name] = a
		}
	}
	if missing > 0 {
		logger.Warn("the Socket.IO browser client is not built in; browsers are sent to the public CDN for it (make client)", "missing", missing)
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

// Has reports whether name, a path below /socket.io/, is one of the client's
// files.
func (c *Client) Has(name string) bool {
	return slices.Contains(clientFiles, strings.TrimSuffix(name, ".map"))
}

// Serve answers GET and HEAD for one of the client's files. Another name or
// method is an [answer.Error].
func (c *Client) Serve(w http.ResponseWriter, r *http.Request, name string) error {
	if !c.Has(name) {
		return answer.New(http.StatusNotFound, "There is no such file.").Coded("gone")
	}
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		return answer.New(http.StatusMethodNotAllowed, "The client can only be read.").Coded("malformed")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	a := c.files[name]
	if a == nil {
		h.Set("Cache-Control", "no-store")
		http.Redirect(w, r, cdn+"/"+c.version+"/"+name, http.StatusFound)
		return nil
	}
	// The official server's ETag is the version, the same for every encoding.
	tag := `"` + c.version + `"`
	h.Set("Cache-Control", "public, max-age=0")
	h.Set("ETag", tag)
	if match := r.Header.Get("If-None-Match"); match == tag || match == "W/"+tag {
		h.Add("Vary", "Accept-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	a.serveTagged(w, r)
	return nil
}
