package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"podium/contest"
	"podium/server/answer"
)

// evening is what the organiser says of the event, as it leaves.
func (c *API) evening() (contest.Evening, error) {
	e, _, err := c.Contest.Evening()
	return c.eveningOut(e), storeError(err)
}

func (c *API) eveningOut(e contest.Evening) contest.Evening {
	e.Name, e.Welcome, e.Terms = c.text.out(e.Name), c.text.out(e.Welcome), c.text.out(e.Terms)
	return e
}

// changeEvening makes what a request says part of the evening; fields that it
// does not name stay.
func (c *API) changeEvening(ctx context.Context, sent json.RawMessage) error {
	_, err := c.Contest.ChangeEvening(ctx, func(e *contest.Evening) error {
		changed := c.eveningOut(*e)
		decoder := json.NewDecoder(bytes.NewReader(sent))
		decoder.DisallowUnknownFields() // a misspelt one would be lost without a word
		if err := decoder.Decode(&changed); err != nil {
			return eveningError(err)
		}
		changed.Name, changed.Welcome, changed.Terms = c.text.in(changed.Name), c.text.in(changed.Welcome), c.text.in(changed.Terms)
		changed.Name, changed.Welcome, changed.Terms = strings.TrimSpace(changed.Name), strings.TrimSpace(changed.Welcome), strings.TrimSpace(changed.Terms)
		*e = changed
		return nil
	})
	return storeError(err)
}

// eveningError says what is wrong with the JSON of an evening.
func eveningError(err error) error {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) && kind.Field != "" {
		return answer.Because(err, http.StatusBadRequest, "The field \"event."+kind.Field+"\" has the wrong type.").Coded("malformed")
	}
	if _, field, ok := strings.Cut(err.Error(), "unknown field "); ok {
		return answer.Malformed("The event has no setting %s.", field)
	}
	return answer.Because(err, http.StatusBadRequest, "event must be an object.").Coded("malformed")
}

// admit reports why a submission is not taken at this event. Times are those of
// this server's clock when the photo has arrived.
func (c *API) admit(f *form) error {
	e, _, err := c.Contest.Evening()
	if err != nil {
		return storeError(err)
	}
	now := c.Now()
	switch {
	case e.Opens > 0 && now.Before(time.UnixMilli(e.Opens)):
		return answer.New(http.StatusForbidden, "Photos are not taken yet; please send it again when submissions have opened.").Coded("notYet")
	case e.Closes > 0 && !now.Before(time.UnixMilli(e.Closes)):
		return answer.New(http.StatusForbidden, "Submissions have closed; no more photos are taken.").Coded("closed")
	case e.NameRequired && strings.TrimSpace(f.fields["name"]) == "":
		return answer.New(http.StatusBadRequest, "Please say your name: the organiser asks everybody for it.").Coded("nameNeeded")
	case e.Terms != "" && f.fields["terms"] != "yes":
		return answer.New(http.StatusBadRequest, "Please accept the organiser's terms first.").Coded("termsNeeded")
	case e.PhotosPerGuest > 0 && f.fields["guest"] == "":
		return answer.New(http.StatusBadRequest, "This event counts each guest's photos, and this page does not say whose it is; please open it anew.").Coded("guestUnknown")
	}
	return guestSecret(f.fields["guest"])
}
