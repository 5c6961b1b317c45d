package harness

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
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

// ClosedTo is a front that answers requests for path with 502, until open is called.
func ClosedTo(t *testing.T, p *Program, path string) (front string, open func()) {
	t.Helper()
	var opened atomic.Bool
	front = InFrontOf(t, p, func(r *http.Request, forward func()) {
		if r.URL.Path != path || opened.Load() {
			forward()
		}
	})
	return front, func() { opened.Store(true) }
}

// InFrontOf starts a proxy before the program and returns its address. Each request is passed on by calling forward;
// the answer to /api/feed goes to the client when handle returns, every other one as it comes. A request that is not
// forwarded is refused. Where lose is given, the answers that it picks never arrive.
func InFrontOf(t *testing.T, p *Program, handle func(r *http.Request, forward func()), lose ...func(*http.Request) bool) string {
	t.Helper()
	target, err := url.Parse(p.URL)
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
		held := &heldAnswer{header: w.Header(), status: http.StatusBadGateway}
		lost := len(lose) > 0 && lose[0](r)
		switch {
		case lost:
			handle(r, func() { proxy.ServeHTTP(held, r) })
			panic(http.ErrAbortHandler)
		case r.URL.Path == "/api/feed":
			handle(r, func() { held.status = http.StatusOK; proxy.ServeHTTP(held, r) })
			w.WriteHeader(held.status)
			_, _ = w.Write(held.body.Bytes()) // the client may be gone
		default:
			forwarded := false
			handle(r, func() { forwarded = true; proxy.ServeHTTP(w, r) })
			if !forwarded {
				w.WriteHeader(http.StatusBadGateway)
			}
		}
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Listener.Close()
	})
	return server.URL
}
