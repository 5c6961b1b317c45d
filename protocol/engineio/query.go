package engineio

import (
	"net/http"
	"net/url"
	"strings"
)

// query is what the engine reads of a request's query. Other parameters, such
// as "t" which keeps caches away, are ignored; of a repeated one the last counts.
// (Engine.IO protocol v4, "HTTP long-polling", "Query parameters")
type query struct {
	eio       string // protocol version
	transport string
	sid       string
	callback  string // number of the JSONP callback
	jsonp     bool
	base64    bool // the client takes no binary
}

// parseQuery reads the query without making a map of it: it is done for every
// poll and POST.
func parseQuery(raw string) query {
	var q query
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		name, value, _ := strings.Cut(pair, "=")
		name, value = unescape(name), unescape(value)
		switch name {
		case "EIO":
			q.eio = value
		case "transport":
			q.transport = value
		case "sid":
			q.sid = value
		case "j":
			q.callback, q.jsonp = value, true
		case "b64":
			q.base64 = value != ""
		}
	}
	return q
}

// SessionID is the id of the session that a request names, as the server reads it, or
// "" where it names none: then it asks for a new one. What stands in front of the
// server must not read the query another way.
func SessionID(r *http.Request) string { return parseQuery(r.URL.RawQuery).sid }

// unescape decodes s; what cannot be decoded stays as it is.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// protocol is the version that the query asks for: 3 unless it says 4.
func (q *query) protocol() int {
	if q.eio == "4" {
		return 4
	}
	return 3
}
