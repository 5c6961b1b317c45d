package engineio

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CORS says which pages of other origins may talk to the server, with the
// semantics of the official server's option of that name, but for two things that
// keep a list that came out empty from opening the server to everybody: where
// neither Origins, OriginPatterns nor AllowOrigin is set, no other origin is allowed
// (there, every one), and WebSockets and JSONP are refused to the origins that polls
// are.
type CORS struct {
	// Origins that are allowed, as "https://example.com". "*" allows every origin.
	Origins []string
	// OriginPatterns are allowed too.
	OriginPatterns []*regexp.Regexp
	// AllowOrigin, when set, decides alone.
	AllowOrigin func(origin string, r *http.Request) bool
	// Methods of preflight answers. Nil means GET,HEAD,PUT,PATCH,POST,DELETE.
	Methods []string
	// AllowedHeaders of preflight answers. Nil repeats what was asked for.
	AllowedHeaders []string
	// ExposedHeaders of every answer, preflight's included.
	ExposedHeaders []string
	// Credentials lets cookies be sent.
	Credentials bool
	// MaxAge is how long a preflight's answer may be kept. Zero leaves it out.
	MaxAge time.Duration
	// PreflightStatus is the status of preflight answers, for clients that choke on
	// the usual one. Zero means 204.
	PreflightStatus int
}

// corsPolicy is CORS as it is used. A nil one sets no header and lets every
// origin open a WebSocket, as the official server does without the option.
type corsPolicy struct{ CORS }

func newCORSPolicy(c *CORS) *corsPolicy {
	if c == nil {
		return nil
	}
	p := &corsPolicy{*c}
	if p.Methods == nil {
		p.Methods = []string{"GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"}
	}
	return p
}

// any reports whether every origin is allowed.
func (p *corsPolicy) any() bool {
	return p.AllowOrigin == nil && slices.Contains(p.Origins, "*")
}

func (p *corsPolicy) allows(origin string, r *http.Request) bool {
	if p.AllowOrigin != nil {
		return p.AllowOrigin(origin, r)
	}
	if p.any() || slices.Contains(p.Origins, origin) {
		return true
	}
	return slices.ContainsFunc(p.OriginPatterns, func(re *regexp.Regexp) bool { return re.MatchString(origin) })
}

// handle sets the headers of an answer and answers preflight requests; it
// reports whether it did the latter.
func (p *corsPolicy) handle(w http.ResponseWriter, r *http.Request) bool {
	if p == nil {
		return false
	}
	h := w.Header()
	origin := r.Header.Get("Origin")
	if p.any() {
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Add("Vary", "Origin")
		if origin != "" && p.allows(origin, r) {
			h.Set("Access-Control-Allow-Origin", origin)
		}
	}
	if p.Credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if len(p.ExposedHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(p.ExposedHeaders, ","))
	}
	if r.Method != http.MethodOptions {
		return false
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(p.Methods, ","))
	if allowed := strings.Join(p.AllowedHeaders, ","); allowed != "" {
		h.Set("Access-Control-Allow-Headers", allowed)
	} else {
		h.Add("Vary", "Access-Control-Request-Headers")
		if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
			h.Set("Access-Control-Allow-Headers", asked)
		}
	}
	if p.MaxAge > 0 {
		h.Set("Access-Control-Max-Age", strconv.Itoa(int(p.MaxAge/time.Second)))
	}
	h.Set("Content-Length", "0")
	w.WriteHeader(or(p.PreflightStatus, http.StatusNoContent))
	return true
}

// allowsWebSocket reports whether the request's origin may open a WebSocket:
// browsers do not apply CORS to them. No origin, and the server's own, always may.
func (p *corsPolicy) allowsWebSocket(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if p == nil || origin == "" {
		return true
	}
	return p.allowsOrigin(origin, r)
}

// allowsScript reports whether the page behind a request may read the answer as a
// script (JSONP), to which browsers do not apply CORS either. They name no Origin with
// it: what tells the page's is Sec-Fetch-Site or the Referer. Where the policy is not
// open to everybody, a request that tells nothing is refused, because a page can have
// its browser leave out the Referer.
func (p *corsPolicy) allowsScript(r *http.Request) bool {
	if p == nil || p.any() || r.Header.Get("Sec-Fetch-Site") == "same-origin" {
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		referer, err := url.Parse(r.Referer())
		if err != nil || referer.Host == "" {
			return false
		}
		origin = referer.Scheme + "://" + referer.Host
	}
	return p.allowsOrigin(origin, r)
}

// allowsOrigin reports whether origin is the server's own, or an allowed one.
func (p *corsPolicy) allowsOrigin(origin string, r *http.Request) bool {
	if u, err := url.Parse(origin); err == nil && u.Host == r.Host {
		return true
	}
	return p.allows(origin, r)
}
