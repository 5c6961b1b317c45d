package signin

import (
	"encoding/json"
	"errors"
	"net/http"

	"podium/server/admin"
	"podium/server/answer"
	"podium/server/api"
)

// setupHeader carries the code of the first-run page. No page of another site can
// make a browser send it.
const setupHeader = "Podium-Setup"

// maxSetup bounds what the first-run page sends, in bytes.
const maxSetup = 64 << 10

// setupRoutes are those of the first-run page. Who comes without the code is answered
// as if there were none.
func (s *SignIn) setupRoutes() []api.Route {
	if s.options.SetupPage == nil {
		return nil
	}
	page := func(w http.ResponseWriter, r *http.Request) error {
		if !s.options.Admin.SetsUp(r.URL.Query().Get("code")) {
			return answer.ErrNoPage
		}
		w.Header().Set("Referrer-Policy", "no-referrer") // the address holds the code
		return s.options.SetupPage(w, r)
	}
	founding := func(h api.Handler) api.Handler {
		return func(w http.ResponseWriter, r *http.Request) error {
			if !s.founds(r) {
				return answer.ErrNoRoute
			}
			return h(w, r)
		}
	}
	return []api.Route{
		{Method: http.MethodGet, Path: "/setup", Handler: page},
		{Method: http.MethodGet, Path: "/setup.html", Handler: page},
		{Method: http.MethodGet, Path: "/api/setup", Handler: founding(s.setupAsks)},
		{Method: http.MethodPost, Path: "/api/setup", Handler: founding(s.setUp)},
	}
}

// founds reports whether a request comes from the first-run page.
func (s *SignIn) founds(r *http.Request) bool {
	return s.options.Admin.SetsUp(r.Header.Get(setupHeader))
}

// setupAsks answers GET /api/setup: what the page has to know.
func (s *SignIn) setupAsks(w http.ResponseWriter, _ *http.Request) error {
	answer.JSON(w, http.StatusOK, map[string]any{"passwordFixed": s.options.Admin.PasswordFixed()})
	return nil
}

// setUp answers POST /api/setup. What is refused leaves the page open; the last
// thing that is stored ends it.
func (s *SignIn) setUp(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Event      json.RawMessage `json:"event"`
		Categories json.RawMessage `json:"categories"`
		Password   string          `json:"password"`
	}
	if err := answer.Read(w, r, maxSetup, &body); err != nil {
		return err
	}
	if body.Password != "" {
		if err := passwordError(s.options.Admin.PasswordFits(body.Password)); err != nil {
			return err
		}
	}
	if err := s.options.SetUp(r.Context(), body.Event, body.Categories); err != nil {
		return err
	}
	if body.Password != "" {
		if err := s.options.Admin.ChoosePassword(body.Password); err != nil {
			return err
		}
	}
	if err := s.options.Admin.EndSetup(); err != nil {
		return err
	}
	s.options.Logger.Info("the event was set up in the browser")
	if body.Password != "" {
		secret, _, err := s.options.Admin.SignIn(r.Context(), body.Password, s.from(r))
		if err != nil {
			return signInError(err, http.StatusUnauthorized, "Invalid password")
		}
		s.options.Admin.SetCookies(w, secret, s.options.Secure(r))
	}
	answer.JSON(w, http.StatusOK, map[string]any{"success": true, "signedIn": body.Password != ""})
	return nil
}

// passwordError makes the refusal of a new password an answer.
func passwordError(err error) error {
	switch {
	case errors.Is(err, admin.ErrFixed):
		return answer.New(http.StatusBadRequest, "The password is set by ADMIN_PASSWORD; change it there.").Coded("passwordFixed")
	case errors.Is(err, admin.ErrLength):
		return answer.New(http.StatusBadRequest, "That password is too short or too long.").Coded("passwordLength")
	}
	return err
}
