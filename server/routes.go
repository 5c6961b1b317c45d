package server

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"podium/server/answer"
	"podium/server/api"
)

// socketPath is where Socket.IO is mounted.
const socketPath = "/socket.io/"

// streamPath is the event stream's: its requests last as long as their clients.
const streamPath = "/api/events"

// routes mounts everything. Socket.IO's requests do not pass through Echo: they
// are many, and need nothing of it.
func (s *Server) routes() http.Handler {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = s.writeError
	add := func(method, path string, h api.Handler) {
		e.Add(method, path, s.adapt(h))
		if method == http.MethodGet {
			e.Add(http.MethodHead, path, s.adapt(h))
		}
	}
	for _, r := range append(s.api.Routes(), s.signIn.Routes()...) {
		add(r.Method, r.Path, s.signIn.Let(r.Who, r.Handler))
	}
	get := func(path string, h api.Handler) { add(http.MethodGet, path, h) }
	admins := func(path string, h api.Handler) { get(path, s.signIn.Let(api.Admins, h)) }
	get("/api/realtime-health", s.realtime.Health)
	get("/api/realtime-metrics", s.realtime.Metrics)
	get("/api/realtime-fallback", s.realtime.Fallback)
	get(streamPath, s.realtime.Stream)
	get("/api/join", s.joining.Where)
	get("/api/join.svg", s.joining.Code)
	add(http.MethodPost, "/api/join", s.signIn.Let(api.Admins, s.joining.Hand))
	get("/health", s.observe.Health)
	get("/ready", s.observe.Readiness)
	admins("/api/metrics", s.observe.Metrics)
	admins("/api/dashboard", s.observe.Dashboard)
	admins("/metrics", plain(s.observe.Prometheus()))
	admins("/api/log-level", s.observe.LogLevel)
	add(http.MethodPost, "/api/log-level", s.signIn.Let(api.Admins, s.observe.SetLogLevel))
	profileRoutes(admins)
	get("/uploads/:name", func(w http.ResponseWriter, r *http.Request) error {
		return s.pictures.ServeFile(w, r, r.PathValue("name"))
	})
	e.RouteNotFound("/api/*", s.noSuchRoute(e))
	get("/*", s.pages.Serve)
	return s.around(e)
}

// noSuchRoute answers what matches no row of the API: 405 where the path has
// rows with other methods, which Echo's own fallback for a prefix does not
// tell apart, and 404 otherwise.
func (s *Server) noSuchRoute(e *echo.Echo) echo.HandlerFunc {
	return func(c echo.Context) error {
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
			probe := e.NewContext(nil, nil)
			e.Router().Find(method, c.Request().URL.EscapedPath(), probe)
			if path := probe.Path(); strings.HasPrefix(path, "/api/") && !strings.HasSuffix(path, "*") {
				allowed = append(allowed, method)
			}
		}
		if len(allowed) == 0 {
			return answer.ErrNoRoute
		}
		c.Response().Header().Set("Allow", strings.Join(allowed, ", "))
		return answer.New(http.StatusMethodNotAllowed, "This route does not take %s.", c.Request().Method).Coded("malformed")
	}
}

// profileRoutes mounts Go's profiles.
func profileRoutes(admins func(string, api.Handler)) {
	admins("/debug/pprof/", plain(http.HandlerFunc(pprof.Index)))
	admins("/debug/pprof/profile", plain(http.HandlerFunc(pprof.Profile)))
	admins("/debug/pprof/trace", plain(http.HandlerFunc(pprof.Trace)))
	admins("/debug/pprof/:name", func(w http.ResponseWriter, r *http.Request) error {
		pprof.Handler(r.PathValue("name")).ServeHTTP(w, r)
		return nil
	})
}

// plain makes a handler of one that writes its errors itself.
func plain(h http.Handler) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		h.ServeHTTP(w, r)
		return nil
	}
}

// adapt makes an Echo handler of a room's handler.
func (s *Server) adapt(h api.Handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		for _, name := range c.ParamNames() {
			r.SetPathValue(name, c.Param(name))
		}
		return h(c.Response(), r)
	}
}

// around is what every request passes through.
func (s *Server) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if strings.HasPrefix(path, socketPath) {
			w.Header()["X-Content-Type-Options"] = nosniff
			name := path[len(socketPath):]
			if name == "" {
				s.realtime.ServeHTTP(w, r)
				return
			}
			s.limitTime(w, r)
			if err := s.client.Serve(w, r, name); err != nil {
				s.fail(w, r, err)
			}
			return
		}
		s.secure(w, r)
		s.limitTime(w, r)
		limitRanges(r)
		if path != streamPath {
			defer s.requests.enter()()
		}
		if strings.HasPrefix(path, "/api/") {
			if wait := s.limits.requests.Allow(s.addresses.Of(r), time.Now()); wait > 0 {
				answer.Later(wait, "Too many requests; please wait a moment.").Coded("tooFast").Write(w)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

var nosniff = []string{"nosniff"}

// secure sets the headers that hold for every answer. Pages and pictures bring
// their own Content-Security-Policy.
func (s *Server) secure(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["X-Content-Type-Options"] = nosniff
	h.Set("X-Request-Id", rand.Text()[:16])
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(self), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	if s.addresses.Secure(r) {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// writeError is Echo's error handler.
func (s *Server) writeError(err error, c echo.Context) {
	if c.Response().Committed {
		s.log.Debug("an answer broke off", "path", c.Path(), "error", err)
		return
	}
	var framework *echo.HTTPError
	if errors.As(err, &framework) {
		switch framework.Code {
		case http.StatusNotFound:
			err = answer.ErrNoRoute
		case http.StatusMethodNotAllowed:
			err = answer.New(http.StatusMethodNotAllowed, "This route does not take %s.", c.Request().Method).Coded("malformed")
		default:
			err = answer.Because(framework, framework.Code, http.StatusText(framework.Code)+".").Coded("malformed")
		}
	}
	s.fail(c.Response(), c.Request(), err)
}

// fail answers with an error, and logs it where an operator should know.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var known *answer.Error
	if !errors.As(err, &known) {
		known = answer.Because(err, http.StatusInternalServerError, "Something went wrong on this server.").Coded("broken")
	}
	s.observe.Failed(known.Status)
	if known.Status >= 500 && r.Context().Err() == nil {
		s.log.Error("a request failed", "method", r.Method, "route", routeOf(r.URL.Path), "status", known.Status,
			"request", w.Header().Get("X-Request-Id"), "error", err)
	}
	if known.Status == http.StatusNotFound && !strings.HasPrefix(r.URL.Path, "/api/") && s.pages.ServeMissing(w, r) {
		return
	}
	known.Write(w)
}

// routeOf is a path without what people put into it.
func routeOf(path string) string {
	parts := strings.SplitN(path, "/", 4)
	if len(parts) > 3 {
		return strings.Join(parts[:3], "/") + "/…"
	}
	return path
}
