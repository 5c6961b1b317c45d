package engineio

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// benchEcho sends every message back.
type benchEcho struct{ s *Session }

func (e benchEcho) OnMessage(data []byte, _ bool) { _ = e.s.SendText(data) }
func (e benchEcho) OnClose(Reason, error)         {}

// quietWriter is a response of which only the body is kept.
type quietWriter struct {
	header http.Header
	body   []byte
}

func (w *quietWriter) Header() http.Header { return w.header }
func (w *quietWriter) WriteHeader(int)     {}
func (w *quietWriter) Flush()              {}
func (w *quietWriter) Write(b []byte) (int, error) {
	w.body = append(w.body[:0], b...)
	return len(b), nil
}

// benchServer is a server whose sessions echo, and a session's id on it.
func benchServer(b *testing.B) (srv *Server, sid string) {
	srv = NewServer(Options{}, func(s *Session) Receiver { return benchEcho{s} })
	b.Cleanup(func() { _ = srv.Shutdown(b.Context()) })
	w := &quietWriter{header: make(http.Header)}
	srv.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/?EIO=4&transport=polling", nil))
	_, after, _ := strings.Cut(string(w.body), `"sid":"`)
	sid, _, _ = strings.Cut(after, `"`)
	return srv, sid
}

func BenchmarkPollingRoundTrip(b *testing.B) {
	srv, sid := benchServer(b)
	body := strings.NewReader("")
	post := httptest.NewRequest(http.MethodPost, "/?EIO=4&transport=polling&sid="+sid, body)
	post.ContentLength = 10
	get := httptest.NewRequest(http.MethodGet, "/?EIO=4&transport=polling&sid="+sid, nil)
	w := &quietWriter{header: make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		body.Reset("4a message")
		post.Body = io.NopCloser(body)
		srv.ServeHTTP(w, post)
		srv.ServeHTTP(w, get)
		if string(w.body) != "4a message" {
			b.Fatalf("the poll brought %q", w.body)
		}
	}
}

func BenchmarkPollingHandshake(b *testing.B) {
	srv := NewServer(Options{}, func(s *Session) Receiver { return benchEcho{s} })
	b.Cleanup(func() { _ = srv.Shutdown(b.Context()) })
	open := httptest.NewRequest(http.MethodGet, "/?EIO=4&transport=polling", nil)
	w := &quietWriter{header: make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		srv.ServeHTTP(w, open)
	}
}
