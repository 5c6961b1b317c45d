package socketio

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// Handshake is how a socket came to be: the request that opened its
// connection, and what the client sent to join the namespace.
type Handshake struct {
	Header  http.Header // of the request
	URL     string      // path and query
	Query   url.Values
	Address string    // of the peer, host and port
	Issued  time.Time // when the connection was opened
	Secure  bool      // over TLS
	Auth    Value     // the auth payload; not Present where there was none

	ctx context.Context
}

// Context returns a context with the values that HTTP middleware, [Server.Use] or a
// router in front put into that of the request. It never ends: see [Socket.Context].
// Where Keep of Options.Engine is set, its values are those of what Keep returns.
func (h Handshake) Context() context.Context {
	if h.ctx == nil {
		return context.Background()
	}
	return h.ctx
}

// Handshake returns the socket's handshake. It is put together on each call.
func (s *Socket) Handshake() Handshake {
	info := s.client.conn.Request()
	h := Handshake{
		Header: info.Header, URL: info.URL, Address: info.Address,
		Issued: info.Time, Secure: info.Secure, ctx: s.client.conn.Context(),
	}
	if u, err := url.ParseRequestURI(info.URL); err == nil {
		h.Query = u.Query()
	}
	if m := s.more.Load(); m != nil {
		h.Auth = m.auth
	}
	return h
}

// CrossDomain reports whether the request came with an Origin header.
func (h Handshake) CrossDomain() bool { return h.Header.Get("Origin") != "" }

// jsTime is the form in which JavaScript prints a Date.
const jsTime = "Mon Jan 02 2006 15:04:05 GMT-0700 (Coordinated Universal Time)"

// MarshalJSON gives the handshake the fields that the official server gives
// it. (Socket.IO server API, "socket.handshake")
func (h Handshake) MarshalJSON() ([]byte, error) {
	headers := make(map[string]string, len(h.Header))
	for name, values := range h.Header {
		headers[strings.ToLower(name)] = headerText(strings.Join(values, ", "))
	}
	auth := json.RawMessage("{}")
	if h.Auth.Present() {
		raw, err := h.Auth.MarshalJSON()
		if err != nil {
			return nil, err
		}
		auth = raw
	}
	return json.Marshal(struct {
		Headers map[string]string `json:"headers"`
		Time    string            `json:"time"`
		Address string            `json:"address"`
		XDomain bool              `json:"xdomain"`
		Secure  bool              `json:"secure"`
		Issued  int64             `json:"issued"`
		URL     string            `json:"url"`
		Query   flatQuery         `json:"query"`
		Auth    json.RawMessage   `json:"auth"`
	}{
		headers, h.Issued.UTC().Format(jsTime), hostOf(h.Address), h.CrossDomain(), h.Secure,
		h.Issued.UnixMilli(), h.URL, flatQuery(h.Query), auth,
	})
}

// headerText is a header's value as text. Bytes that are no UTF-8 are Latin-1, the
// encoding that HTTP had for them (RFC 9110, section 5.5), as Node reads all of them.
func headerText(value string) string {
	if utf8.ValidString(value) {
		return value
	}
	text := make([]rune, len(value))
	for i := range len(value) {
		text[i] = rune(value[i])
	}
	return string(text)
}

// hostOf returns an address without its port, as Node has it.
func hostOf(address string) string {
	if i := strings.LastIndexByte(address, ':'); i >= 0 {
		return strings.Trim(address[:i], "[]")
	}
	return address
}

// flatQuery is a query as the official server has it: of a name that occurs more than
// once, the last value.
type flatQuery url.Values

// MarshalJSON implements [json.Marshaler].
func (q flatQuery) MarshalJSON() ([]byte, error) {
	out := make(map[string]string, len(q))
	for name, values := range q {
		out[name] = values[len(values)-1]
	}
	return json.Marshal(out)
}
