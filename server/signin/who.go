package signin

import (
	"net/http"

	"podium/server/admin"
	"podium/server/answer"
	"podium/server/api"
)

// Let puts a handler behind the door of those who may use it.
func (s *SignIn) Let(who api.Who, h api.Handler) api.Handler {
	switch who {
	case api.Admins:
		return s.onlyAdmins(h)
	case api.Presenters:
		return s.alsoThose(s.options.Admin.Presents, h)
	case api.Founders:
		return s.alsoThose(s.founds, h)
	}
	return h
}

// onlyAdmins lets requests with a session or a token in. A request that changes
// something and carries a cookie must come from this site's own pages.
func (s *SignIn) onlyAdmins(next api.Handler) api.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Cache-Control", "no-store")
		session, ok := s.options.Admin.Authenticate(r)
		if !ok {
			if err := s.options.Admin.Undecided(r); err != nil {
				return answer.Because(err, http.StatusServiceUnavailable, "The server cannot reach its database at the moment; please try again. Nothing was changed.").Coded("away")
			}
			return answer.ErrUnauthorized
		}
		if err := fromThisSite(r); err != nil {
			return err
		}
		return next(w, r.WithContext(admin.WithSession(r.Context(), session)))
	}
}

// alsoThose lets in those that may reports, and admins.
func (s *SignIn) alsoThose(may func(*http.Request) bool, next api.Handler) api.Handler {
	admins := s.onlyAdmins(next)
	return func(w http.ResponseWriter, r *http.Request) error {
		if !may(r) {
			return admins(w, r)
		}
		w.Header().Set("Cache-Control", "no-store")
		return next(w, r)
	}
}

// fromThisSite refuses requests that another site's page made a browser send.
// Scripts send no Origin and no Sec-Fetch-Site, and pass.
func fromThisSite(r *http.Request) error {
	if admin.HasToken(r) {
		return nil // no page of another site can make a browser send that
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		return answer.Because(err, http.StatusForbidden, "This request came from another site.").Coded("otherSite")
	}
	return nil
}
