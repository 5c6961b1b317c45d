// Package signin decides over HTTP who is let in: admins by a session or a token,
// presenters by their link, the first-run page by its code. It has the routes of
// signing in and out, and puts what others answer behind the right door.
//
// What a password, a session and a code are is package admin's to say.
package signin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"podium/server/admin"
	"podium/server/answer"
	"podium/server/api"
)

// maxSignIn bounds the body of a sign-in, in bytes.
const maxSignIn = 4 << 10

// Options are what signing in needs. All fields but SetupPage must be set.
type Options struct {
	Admin     *admin.Admin
	AddressOf func(*http.Request) netip.Addr
	// Secure reports whether cookies of a request may be sent over TLS only.
	Secure func(*http.Request) bool
	// SetupPage serves the first-run page; nil where there is none. SetUp stores what
	// it asked for.
	SetupPage api.Handler
	SetUp     func(ctx context.Context, event, categories json.RawMessage) error
	Logger    *slog.Logger
}

// SignIn answers the routes of signing in. It is safe for concurrent use.
type SignIn struct{ options Options }

// New returns the routes of signing in.
func New(o Options) *SignIn { return &SignIn{o} }

// Routes are the routes of signing in, and of the first-run page.
func (s *SignIn) Routes() []api.Route {
	return append([]api.Route{
		{Method: http.MethodPost, Path: "/api/login", Handler: s.login},
		{Method: http.MethodPost, Path: "/api/logout", Handler: s.logout},
		{Method: http.MethodGet, Path: "/api/session", Handler: s.session},
		{Method: http.MethodPost, Path: "/api/logout-everywhere", Who: api.Admins, Handler: s.logoutEverywhere},
		{Method: http.MethodGet, Path: "/api/sessions", Who: api.Admins, Handler: s.sessions},
		{Method: http.MethodDelete, Path: "/api/sessions/:id", Who: api.Admins, Handler: s.endSession},
		{Method: http.MethodPost, Path: "/api/presenter", Who: api.Admins, Handler: s.makePresenter},
		{Method: http.MethodDelete, Path: "/api/presenter", Who: api.Admins, Handler: s.endPresenter},
		{Method: http.MethodPost, Path: "/api/password", Who: api.Admins, Handler: s.changePassword},
	}, s.setupRoutes()...)
}

func (s *SignIn) from(r *http.Request) admin.From {
	return admin.From{Address: s.options.AddressOf(r), Device: admin.DeviceOf(r), Agent: r.UserAgent()}
}

// login answers POST /api/login.
func (s *SignIn) login(w http.ResponseWriter, r *http.Request) error {
	if err := fromThisSite(r); err != nil {
		return err
	}
	var body struct {
		Password string `json:"password"`
	}
	if err := answer.Read(w, r, maxSignIn, &body); err != nil {
		return err
	}
	secret, _, err := s.options.Admin.SignIn(r.Context(), body.Password, s.from(r))
	if err != nil {
		return signInError(err, http.StatusUnauthorized, "Invalid password")
	}
	s.options.Admin.SetCookies(w, secret, s.options.Secure(r))
	answer.JSON(w, http.StatusOK, answer.OK)
	return nil
}

// signInError makes the error of a try into an answer.
func signInError(err error, status int, wrong string) error {
	var wait *admin.WaitError
	switch {
	case errors.Is(err, admin.ErrPassword):
		return answer.New(status, "%s", wrong).Coded("wrongPassword")
	case errors.As(err, &wait):
		return answer.Later(wait.Wait, "Too many wrong passwords; please wait a moment.").Coded("tooManyWrong")
	case errors.Is(err, admin.ErrBusy):
		return answer.Later(time.Second, "Too many people sign in at once; please try again.").Coded("busy")
	}
	return err
}

// logout answers POST /api/logout.
func (s *SignIn) logout(w http.ResponseWriter, r *http.Request) error {
	if err := fromThisSite(r); err != nil {
		return err
	}
	if session, ok := s.options.Admin.Authenticate(r); ok {
		if err := s.options.Admin.End(session.ID); err != nil && !errors.Is(err, admin.ErrNoSession) {
			return err
		}
	}
	admin.ClearCookie(w, s.options.Secure(r))
	answer.JSON(w, http.StatusOK, answer.OK)
	return nil
}

// session answers GET /api/session.
func (s *SignIn) session(w http.ResponseWriter, r *http.Request) error {
	body := map[string]any{"signedIn": false, "expiresAt": nil}
	if session, ok := s.options.Admin.Authenticate(r); ok {
		body = map[string]any{"signedIn": true, "expiresAt": session.ExpiresAt}
	}
	answer.JSON(w, http.StatusOK, body)
	return nil
}

func (s *SignIn) logoutEverywhere(w http.ResponseWriter, r *http.Request) error {
	n, err := s.options.Admin.EndAll()
	if err != nil {
		return err
	}
	admin.ClearCookie(w, s.options.Secure(r))
	answer.JSON(w, http.StatusOK, map[string]any{"success": true, "ended": n})
	return nil
}

func (s *SignIn) sessions(w http.ResponseWriter, r *http.Request) error {
	type listed struct {
		admin.Session
		Current bool `json:"current"`
	}
	mine, _ := admin.FromContext(r.Context())
	list := []listed{}
	for _, one := range s.options.Admin.Sessions() {
		list = append(list, listed{one, one.ID == mine.ID})
	}
	answer.JSON(w, http.StatusOK, map[string]any{"sessions": list})
	return nil
}

func (s *SignIn) endSession(w http.ResponseWriter, r *http.Request) error {
	err := s.options.Admin.End(r.PathValue("id"))
	if errors.Is(err, admin.ErrNoSession) {
		return answer.New(http.StatusNotFound, "There is no such session.").Coded("gone")
	}
	if err != nil {
		return err
	}
	answer.JSON(w, http.StatusOK, answer.OK)
	return nil
}

func (s *SignIn) changePassword(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Current  string `json:"current"`
		Password string `json:"password"`
	}
	if err := answer.Read(w, r, maxSignIn, &body); err != nil {
		return err
	}
	mine, _ := admin.FromContext(r.Context())
	err := s.options.Admin.ChangePassword(r.Context(), body.Current, body.Password, mine.ID, s.from(r))
	if err := passwordError(err); err != nil {
		return signInError(err, http.StatusForbidden, "The current password is wrong.")
	}
	answer.JSON(w, http.StatusOK, answer.OK)
	return nil
}

// makePresenter answers POST /api/presenter with the path of a link that can go
// on with the presentation of the winners. The key stands behind a # so that
// it is in no request and no log. The link before it ends.
func (s *SignIn) makePresenter(w http.ResponseWriter, _ *http.Request) error {
	key, err := s.options.Admin.MakePresenter()
	if err != nil {
		return err
	}
	answer.JSON(w, http.StatusOK, map[string]any{"success": true, "path": "/present#" + key})
	return nil
}

// endPresenter answers DELETE /api/presenter.
func (s *SignIn) endPresenter(w http.ResponseWriter, _ *http.Request) error {
	if err := s.options.Admin.EndPresenter(); err != nil {
		return err
	}
	answer.JSON(w, http.StatusOK, answer.OK)
	return nil
}
