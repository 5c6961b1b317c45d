package engineio

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Request is what is kept of the request that opened a session: a few hundred
// bytes in one string, where an *http.Request holds thousands. It is immutable.
type Request struct {
	// URL is the request's path and query.
	URL string
	// Address is the peer's IP address and port, as net/http gives it.
	Address string
	// Time is when the session was opened.
	Time time.Time
	// Secure reports whether the request came over TLS.
	Secure bool

	// Context has the values of the request's context, and never ends. It holds on to
	// what net/http and middleware put there, half a kilobyte and more: see
	// Options.Keep.
	Context context.Context

	headers string // "Name\x00value\x00" for each field
}

func newRequest(r *http.Request) *Request {
	var b strings.Builder
	write := func(name, value string) {
		b.WriteString(name)
		b.WriteByte(0)
		b.WriteString(value)
		b.WriteByte(0)
	}
	write("Host", r.Host)
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range r.Header[name] {
			write(name, value)
		}
	}
	return &Request{
		URL:     strings.Clone(r.URL.RequestURI()),
		Address: strings.Clone(r.RemoteAddr),
		Time:    time.Now(),
		Secure:  r.TLS != nil,
		Context: lasting(r.Context()),
		headers: b.String(),
	}
}

// lasting returns a context that has the values of ctx and never ends.
func lasting(ctx context.Context) context.Context {
	if ctx == context.Background() {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// Header makes the request's header fields, Host among them.
func (r *Request) Header() http.Header {
	h := make(http.Header)
	parts := strings.Split(r.headers, "\x00")
	for i := 0; i+1 < len(parts); i += 2 {
		h[parts[i]] = append(h[parts[i]], parts[i+1])
	}
	return h
}
