package admin

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// Names of the cookies.
const (
	cookieSession = "podium_session"
	cookieDevice  = "podium_device"
)

// deviceAge is how long a browser is known to have signed in once.
const deviceAge = 365 * 24 * time.Hour

// Authenticate returns the session of a request: that of its cookie, or the
// token in "Authorization: Bearer …". Scripts may send a whole Set-Cookie
// header back as their Cookie; its attributes are cookies that nobody asks
// for.
func (a *Admin) Authenticate(r *http.Request) (Session, bool) {
	if token, ok := tokenOf(r); ok {
		return a.Session(token)
	}
	// A browser may send several cookies of one name, from different paths.
	for _, c := range r.CookiesNamed(cookieSession) {
		if s, ok := a.Session(c.Value); ok {
			return s, true
		}
	}
	return Session{}, false
}

// Undecided returns why it is not known whether a request has a session: it offers one
// that began at another machine, perhaps, and sessions could not be read. Nil: it is known.
func (a *Admin) Undecided(r *http.Request) error {
	if _, ok := tokenOf(r); !ok && len(r.CookiesNamed(cookieSession)) == 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.unread
}

// HasToken reports whether a request is let in by a token or not at all: its
// cookies do not count. A browser sends other kinds of Authorization by itself.
func HasToken(r *http.Request) bool {
	_, ok := tokenOf(r)
	return ok
}

// tokenOf returns what stands in "Authorization: Bearer …".
func tokenOf(r *http.Request) (token string, ok bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// DeviceOf returns the device cookie of a request, for From.
func DeviceOf(r *http.Request) string {
	if c, err := r.Cookie(cookieDevice); err == nil {
		return c.Value
	}
	return ""
}

// SetCookies writes the cookies of a fresh session; the session's comes first,
// because scripts read the first. secure says whether the request came over
// TLS.
func (a *Admin) SetCookies(w http.ResponseWriter, secret string, secure bool) {
	http.SetCookie(w, cookie(cookieSession, secret, "/", maxAge, secure))
	http.SetCookie(w, cookie(cookieDevice, a.NewDevice(), "/api", deviceAge, secure))
}

// ClearCookie tells the browser to forget its session.
func ClearCookie(w http.ResponseWriter, secure bool) {
	http.SetCookie(w, cookie(cookieSession, "", "/", -1, secure))
}

// cookie is a cookie that no script can read and no other site can send along
// with more than a link.
func cookie(name, value, path string, age time.Duration, secure bool) *http.Cookie {
	seconds := int(age / time.Second)
	if age < 0 {
		seconds = -1
	}
	return &http.Cookie{Name: name, Value: value, Path: path, MaxAge: seconds, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: secure}
}

type contextKey struct{}

// WithSession returns a context that carries s.
func WithSession(ctx context.Context, s Session) context.Context {
	return context.WithValue(ctx, contextKey{}, s)
}

// FromContext returns the session that a request was let in with.
func FromContext(ctx context.Context) (Session, bool) {
	s, ok := ctx.Value(contextKey{}).(Session)
	return s, ok
}

// DescribeAgent makes a User-Agent header into words such as "Chrome on
// Android", and nothing longer: they are kept.
func DescribeAgent(header string) string {
	browser := firstOf(header, "a program", []pair{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser", "Samsung Internet"}, {"Firefox", "Firefox"}, {"FxiOS", "Firefox"},
		{"CriOS", "Chrome"}, {"Chrome", "Chrome"}, {"Safari", "Safari"}, {"curl", "curl"}, {"node", "Node"},
	})
	system := firstOf(header, "", []pair{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "a Mac"}, {"Linux", "Linux"},
	})
	if system == "" {
		return browser
	}
	return browser + " on " + system
}

type pair struct{ mark, word string }

// firstOf returns the word of the first mark that text holds.
func firstOf(text, otherwise string, pairs []pair) string {
	for _, p := range pairs {
		if strings.Contains(text, p.mark) {
			return p.word
		}
	}
	return otherwise
}
