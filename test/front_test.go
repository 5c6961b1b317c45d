package test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
)

// heldAnswer keeps an answer until it is let go.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *heldAnswer) Header() http.Header         { return h.header }
func (h *heldAnswer) WriteHeader(status int)      { h.status = status }
func (h *heldAnswer) Write(b []byte) (int, error) { return h.body.Write(b) }

// inFrontOf starts a proxy before the program and returns its address. Each request is passed on by calling forward;
// the answer to /api/feed goes to the client when handle returns, every other one as it comes. A request that is not
// forwarded is refused, as a network does that lets something not through.
func inFrontOf(t *testing.T, p *program, handle func(r *http.Request, forward func())) string {
	t.Helper()
	target, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1, // event streams
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		forwarded := false
		if r.URL.Path != "/api/feed" {
			handle(r, func() { forwarded = true; proxy.ServeHTTP(w, r) })
		} else {
			held := &heldAnswer{header: w.Header(), status: http.StatusOK}
			handle(r, func() { forwarded = true; proxy.ServeHTTP(held, r) })
			if forwarded {
				w.WriteHeader(held.status)
				_, _ = w.Write(held.body.Bytes()) // the client may be gone
			}
		}
		if !forwarded {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	t.Cleanup(server.CloseClientConnections)
	return server.URL
}
