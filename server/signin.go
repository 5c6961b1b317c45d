package server

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"podium/server/admin"
	"podium/server/answer"
	"podium/server/api"
)

// maxSignIn bounds the body of a sign-in, in bytes.
const maxSignIn = 4 << 10

// adminRoutes mounts what admins do with their sign-in.
func (s *Server) adminRoutes(add func(method, path string, h api.Handler, m ...echo.MiddlewareFunc)) {
	add(http.MethodPost, "/api/login", s.login)
	add(http.MethodPost, "/api/logout", s.logout)
	add(http.MethodGet, "/api/session", s.session)
	add(http.MethodPost, "/api/logout-everywhere", s.logoutEverywhere, s.onlyAdmins)
	add(http.MethodGet, "/api/sessions", s.sessions, s.onlyAdmins)
	add(http.MethodDelete, "/api/sessions/:id", s.endSession, s.onlyAdmins)
	add(http.MethodPost, "/api/presenter", s.makePresenter, s.onlyAdmins)
	add(http.MethodDelete, "/api/presenter", s.endPresenter, s.onlyAdmins)
	add(http.MethodPost, "/api/password", s.changePassword, s.onlyAdmins)
	add(http.MethodGet, "/api/log-level", s.logLevel, s.onlyAdmins)
	add(http.MethodPost, "/api/log-level", s.setLogLevel, s.onlyAdmins)
}

func (s *Server) from(r *http.Request) admin.From {
	return admin.From{Address: s.addresses.Of(r), Device: admin.DeviceOf(r), Agent: r.UserAgent()}
}

func (s *Server) secureCookies(r *http.Request) bool {
	return s.settings.SecureCookies || s.addresses.Secure(r)
}

// login answers POST /api/login.
func (s *Server) login(w http.ResponseWriter, r *http.Request) error {
	if err := sameSite(r); err != nil {
		return err
	}
	var body struct {
		Password string `json:"password"`
	}
	if err := answer.Read(w, r, maxSignIn, &body); err != nil {
		return err
	}
	secret, _, err := s.admin.SignIn(r.Context(), body.Password, s.from(r))
	if err != nil {
		return signInError(err, http.StatusUnauthorized, "Invalid password")
	}
	s.admin.SetCookies(w, secret, s.secureCookies(r))
	answer.JSON(w, http.StatusOK, answer.OK)
	return nil
}

// signInError makes the error of a try into an answer.
func signInError(err error, status int, wrong string) error {
	var wait *admin.WaitError
	switch {
	case errors.Is(err, admin.ErrPassword):
		return answer.New(status, "%s", wrong)
	case errors.As(err, &wait):
		return answer.Later(wait.Wait, "Too many wrong passwords; please wait a moment.")
	case errors.Is(err, admin.ErrBusy):
		return answer.Later(time.Second, "Too many people sign in at once; please try again.")
	}
	return err
}

// logout answers POST /api/logout.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) error {
	if err := sameSite(r); err != nil {
		return err
	}
	if session, ok := s.admin.Authenticate(r); ok {
		if err := s.admin.End(session.ID); err != nil && !errors.Is(err, admin.ErrNoSession) {
			return err
		}
	}
	admin.ClearCookie(w, s.secureCookies(r))
	answer.JSON(w, http.StatusOK, answer.OK)
	return nil
}

// session answers GET /api/session.
func (s *Server) session(w http.ResponseWriter, r *http.Request) error {
	body := map[string]any{"signedIn": false, "expiresAt": nil}
	if session, ok := s.admin.Authenticate(r); ok {
		body = map[string]any{"signedIn": true, "expiresAt": session.ExpiresAt}
	}
	answer.JSON(w, http.StatusOK, body)
	return nil
}

func (s *Server) logoutEverywhere(w http.ResponseWriter, r *http.Request) error {
	n, err := s.admin.EndAll()
	if err != nil {
		return err
	}
	admin.ClearCookie(w, s.secureCookies(r))
	answer.JSON(w, http.StatusOK, map[string]any{"success": true, "ended": n})
	return nil
}

func (s *Server) sessions(w http.ResponseWriter, r *http.Request) error {
	type listed struct {
		admin.Session
		Current bool `json:"current"`
	}
	mine, _ := admin.FromContext(r.Context())
	list := []listed{}
	for _, one := range s.admin.Sessions() {
		list = append(list, listed{one, one.ID == mine.ID})
	}
	answer.JSON(w, http.StatusOK, map[string]any{"sessions": list})
	return nil
}

func (s *Server) endSession(w http.ResponseWriter, r *http.Request) error {
	err := s.admin.End(r.PathValue("id"))
	if errors.Is(err, admin.ErrNoSession) {
		return answer.New(http.StatusNotFound, "There is no such session.")
	}
	if err != nil {
		return err
	}
	answer.JSON(w, http.StatusOK, answer.OK)
	return nil
}

func (s *Server) changePassword(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Current  string `json:"current"`
		Password string `json:"password"`
	}
	if err := answer.Read(w, r, maxSignIn, &body); err != nil {
		return err
	}
	mine, _ := admin.FromContext(r.Context())
	err := s.admin.ChangePassword(r.Context(), body.Current, body.Password, mine.ID, s.from(r))
	if err := passwordError(err); err != nil {
		return signInError(err, http.StatusForbidden, "The current password is wrong.")
	}
	answer.JSON(w, http.StatusOK, answer.OK)
	return nil
}

func (s *Server) logLevel(w http.ResponseWriter, _ *http.Request) error {
	answer.JSON(w, http.StatusOK, map[string]slog.Level{"level": s.level.Level()})
	return nil
}

func (s *Server) setLogLevel(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Level string `json:"level"`
	}
	if err := answer.Read(w, r, maxSignIn, &body); err != nil {
		return err
	}
	if err := s.level.UnmarshalText([]byte(body.Level)); err != nil {
		return answer.Because(err, http.StatusBadRequest, "The level is debug, info, warn or error.")
	}
	return s.logLevel(w, r)
}

// makePresenter answers POST /api/presenter with the path of a link that can go
// on with the presentation of the winners. The key stands behind a # so that
// it is in no request and no log. The link before it ends.
func (s *Server) makePresenter(w http.ResponseWriter, _ *http.Request) error {
	key, err := s.admin.MakePresenter()
	if err != nil {
		return err
	}
	answer.JSON(w, http.StatusOK, map[string]any{"success": true, "path": "/present#" + key})
	return nil
}

// endPresenter answers DELETE /api/presenter.
func (s *Server) endPresenter(w http.ResponseWriter, _ *http.Request) error {
	if err := s.admin.EndPresenter(); err != nil {
		return err
	}
	answer.JSON(w, http.StatusOK, answer.OK)
	return nil
}
