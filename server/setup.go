package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/labstack/echo/v4"

	"podium/contest"
	"podium/server/admin"
	"podium/server/answer"
	"podium/server/api"
)

// setupHeader carries the code of the first-run page. No page of another site can
// make a browser send it.
const setupHeader = "Podium-Setup"

// maxSetup bounds what the first-run page sends, in bytes.
const maxSetup = 64 << 10

// beginSetup makes the code of the first-run page, where nobody has set anything
// up yet. Pages of one's own have no such page.
func (s *Server) beginSetup() error {
	if s.settings.Static != "" {
		return nil
	}
	fresh, err := s.fresh()
	if err != nil {
		return err
	}
	if !fresh {
		return s.admin.EndSetup()
	}
	s.setup, err = s.admin.MakeSetup()
	return err
}

// fresh reports whether the contest is as a new one.
func (s *Server) fresh() (bool, error) {
	evening, _, err := s.contest.Evening()
	if err != nil {
		return false, err
	}
	evening.Logo = "" // the first thing that the page sends
	counts, err := s.contest.Counts()
	if err != nil {
		return false, err
	}
	categories, err := s.contest.Categories()
	return evening == contest.Evening{} && counts.Total() == 0 && slices.Equal(categories, contest.DefaultCategories()), err
}

// SetupPath is the path of the first-run page with its code, "" where the event
// is set up.
func (s *Server) SetupPath() string {
	if s.setup == "" {
		return ""
	}
	return "/setup?" + url.Values{"code": {s.setup}}.Encode()
}

// setupRoutes mounts the first-run page. Who comes without the code is answered as
// if there were none.
func (s *Server) setupRoutes(add func(method, path string, h api.Handler, m ...echo.MiddlewareFunc)) {
	if s.settings.Static != "" {
		return
	}
	for _, path := range []string{"/setup", "/setup.html"} {
		add(http.MethodGet, path, func(w http.ResponseWriter, r *http.Request) error {
			if !s.admin.SetsUp(r.URL.Query().Get("code")) {
				return errNoPage
			}
			w.Header().Set("Referrer-Policy", "no-referrer") // the address holds the code
			return s.pages.Serve(w, r)
		})
	}
	founding := func(h api.Handler) api.Handler {
		return func(w http.ResponseWriter, r *http.Request) error {
			if !s.founds(r) {
				return errNoRoute
			}
			return h(w, r)
		}
	}
	add(http.MethodGet, "/api/setup", founding(s.setupAsks))
	add(http.MethodPost, "/api/setup", founding(s.setUp))
}

// founds reports whether a request comes from the first-run page.
func (s *Server) founds(r *http.Request) bool { return s.admin.SetsUp(r.Header.Get(setupHeader)) }

// onlyFounders lets in the first-run page, and admins.
func (s *Server) onlyFounders(next echo.HandlerFunc) echo.HandlerFunc {
	admins := s.onlyAdmins(next)
	return func(c echo.Context) error {
		if !s.founds(c.Request()) {
			return admins(c)
		}
		c.Response().Header().Set("Cache-Control", "no-store")
		return next(c)
	}
}

// setupAsks answers GET /api/setup: what the page has to know.
func (s *Server) setupAsks(w http.ResponseWriter, _ *http.Request) error {
	answer.JSON(w, http.StatusOK, map[string]any{"passwordFixed": s.admin.PasswordFixed()})
	return nil
}

// setUp answers POST /api/setup. What is refused leaves the page open; the last
// thing that is stored ends it.
func (s *Server) setUp(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Event      json.RawMessage `json:"event"`
		Categories json.RawMessage `json:"categories"`
		Password   string          `json:"password"`
	}
	if err := answer.Read(w, r, maxSetup, &body); err != nil {
		return err
	}
	if body.Password != "" {
		if err := passwordError(s.admin.PasswordFits(body.Password)); err != nil {
			return err
		}
	}
	if err := s.api.SetUp(r.Context(), body.Event, body.Categories); err != nil {
		return err
	}
	if body.Password != "" {
		if err := s.admin.ChoosePassword(body.Password); err != nil {
			return err
		}
	}
	if err := s.admin.EndSetup(); err != nil {
		return err
	}
	s.log.Info("the event was set up in the browser")
	if body.Password != "" {
		secret, _, err := s.admin.SignIn(r.Context(), body.Password, s.from(r))
		if err != nil {
			return signInError(err, http.StatusUnauthorized, "Invalid password")
		}
		s.admin.SetCookies(w, secret, s.secureCookies(r))
	}
	answer.JSON(w, http.StatusOK, map[string]any{"success": true, "signedIn": body.Password != ""})
	return nil
}

// passwordError makes the refusal of a new password an answer.
func passwordError(err error) error {
	switch {
	case errors.Is(err, admin.ErrFixed):
		return answer.New(http.StatusBadRequest, "The password is set by ADMIN_PASSWORD; change it there.")
	case errors.Is(err, admin.ErrLength):
		return answer.New(http.StatusBadRequest, "That password is too short or too long.")
	}
	return err
}
