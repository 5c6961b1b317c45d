package api

import (
	"context"
	"encoding/json"
	"net/http"

	"podium/server/answer"
)

// settings answers GET /api/settings.
func (c *API) settings(w http.ResponseWriter, _ *http.Request) error {
	return c.writeSettings(w, map[string]any{})
}

// writeSettings answers with the settings beside what body holds.
func (c *API) writeSettings(w http.ResponseWriter, body map[string]any) error {
	waits, err := c.moderated()
	if err != nil {
		return err
	}
	evening, err := c.evening()
	if err != nil {
		return err
	}
	body["settings"], body["event"] = map[string]bool{"moderation": waits}, evening
	answer.JSON(w, http.StatusOK, body)
	return nil
}

// saveSettings answers POST /api/settings: what the body names is changed.
func (c *API) saveSettings(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Moderation *bool           `json:"moderation"`
		Event      json.RawMessage `json:"event"`
	}
	if err := answer.Read(w, r, maxJSON, &body); err != nil {
		return err
	}
	if body.Moderation == nil && body.Event == nil {
		return answer.Malformed("moderation must be true or false.")
	}
	if body.Event != nil { // first: it can be refused
		if err := c.changeEvening(r.Context(), body.Event); err != nil {
			return err
		}
		c.Published()
		if err := c.Founded(); err != nil {
			return err
		}
	}
	if body.Moderation != nil {
		choice := "off"
		if *body.Moderation {
			choice = "on"
		}
		if err := c.Contest.SaveSetting(settingModeration, []byte(choice)); err != nil {
			return storeError(err)
		}
	}
	return c.writeSettings(w, map[string]any{"success": true})
}

// SetUp is what the first-run page says: the event's settings, and the categories
// where they are not to stay as they are. Both are JSON as of the routes for
// admins. An error is an *answer.Error where something was refused.
func (c *API) SetUp(ctx context.Context, event, categories json.RawMessage) error {
	if categories != nil {
		if err := c.replaceCategories(ctx, categories); err != nil {
			return err
		}
		c.Published()
	}
	if event == nil {
		event = json.RawMessage("{}")
	}
	if err := c.changeEvening(ctx, event); err != nil {
		return err
	}
	c.Published()
	return nil
}
