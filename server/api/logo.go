package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"podium/contest"
	"podium/server/answer"
	"podium/server/turns"
)

// maxLogo bounds the file that a logo is made of, in bytes.
const maxLogo = 4 << 20

// saveLogo answers POST /api/logo, whose body is the picture.
func (c *API) saveLogo(w http.ResponseWriter, r *http.Request) error {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxLogo))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return answer.New(http.StatusRequestEntityTooLarge, "A logo has at most %d MiB.", maxLogo>>20).Coded("logoTooLarge")
		}
		return answer.ReadError(err)
	}
	if len(data) == 0 {
		return answer.Malformed("The request has no body; a picture belongs there.")
	}
	ctx := turns.WithAddress(context.WithoutCancel(r.Context()), c.AddressOf(r))
	logo, err := c.Pictures.Logo(ctx, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	return c.setLogo(w, r, &logo)
}

// removeLogo answers DELETE /api/logo.
func (c *API) removeLogo(w http.ResponseWriter, r *http.Request) error { return c.setLogo(w, r, nil) }

func (c *API) setLogo(w http.ResponseWriter, r *http.Request, logo *contest.Logo) error {
	evening, err := c.Contest.SetLogo(r.Context(), logo)
	if err != nil {
		return storeError(err)
	}
	c.Published()
	answer.JSON(w, http.StatusOK, map[string]any{"success": true, "event": c.eveningOut(evening)})
	return nil
}

// logo answers GET /api/logo.
func (c *API) logo(w http.ResponseWriter, r *http.Request) error {
	return c.serveLogo(w, r, func(l *contest.Logo) contest.Picture { return l.Picture })
}

// logoIcon answers GET /api/logo/icon.
func (c *API) logoIcon(w http.ResponseWriter, r *http.Request) error {
	return c.serveLogo(w, r, func(l *contest.Logo) contest.Picture { return l.Icon })
}

// serveLogo answers with a picture of the logo. Under an address that names this
// very one, browsers may keep it.
func (c *API) serveLogo(w http.ResponseWriter, r *http.Request, of func(*contest.Logo) contest.Picture) error {
	evening, _, err := c.Contest.Evening()
	if err != nil {
		return storeError(err)
	}
	if evening.Logo == "" {
		return answer.New(http.StatusNotFound, "This event has no logo.").Coded("gone")
	}
	h := w.Header()
	tag := strconv.Quote(evening.Logo)
	h.Set("ETag", tag)
	h.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == evening.Logo {
		h.Set("Cache-Control", "public, max-age=604800, immutable")
	}
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	logo, err := c.Contest.Logo()
	if err != nil {
		return storeError(err)
	}
	if logo == nil {
		return answer.New(http.StatusNotFound, "This event has no logo.").Coded("gone")
	}
	picture := of(logo)
	h.Set("Content-Type", picture.Kind)
	h.Set("Content-Length", strconv.Itoa(len(picture.Data)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(picture.Data) // the client may be gone
	}
	return nil
}
