package api

import (
	"context"
	"fmt"
	"net/http"
	"regexp"

	"podium/contest"
	"podium/server/answer"
)

// settingModeration is where an admin's choice is kept: "on" or "off".
const settingModeration = "contest.moderation"

// moderated reports whether submissions wait for approval.
func (c *API) moderated() (bool, error) {
	choice, err := c.Contest.Setting(settingModeration)
	if err != nil {
		return false, storeError(err)
	}
	if choice == nil {
		return c.Moderation, nil
	}
	return string(choice) == "on", nil
}

// submissions answers GET /api/submissions.
func (c *API) submissions(w http.ResponseWriter, r *http.Request) error {
	body, err := c.allSubmissions()
	if err != nil {
		return err
	}
	w, done, err := c.charged(w, r, len(body))
	if err != nil {
		return err
	}
	defer done()
	answer.Bytes(w, http.StatusOK, body)
	return nil
}

// allSubmissions is every submission with what only admins see, as JSON.
func (c *API) allSubmissions() ([]byte, error) {
	c.listing.Lock()
	defer c.listing.Unlock()
	feed, _, err := c.Contest.Feed(contest.Query{All: true})
	if err != nil {
		return nil, storeError(err)
	}
	out := make(map[string][]entry, len(feed))
	for _, one := range feed {
		list := make([]entry, 0, len(one.Submissions))
		for i := range one.Submissions {
			list = append(list, c.entry(&one.Submissions[i]))
		}
		out[one.Category.ID] = list
	}
	body, err := answer.Encode(map[string]any{"submissions": out})
	if err != nil {
		return nil, fmt.Errorf("encode the submissions: %w", err)
	}
	return body, nil
}

// entryID is the form of an entry's id, imported ones included.
var entryID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

func idOf(r *http.Request) (string, error) {
	id := r.PathValue("id")
	if !entryID.MatchString(id) {
		return "", answer.New(http.StatusBadRequest, "This is not the id of a submission.").Coded("malformed")
	}
	return id, nil
}

func (c *API) approve(w http.ResponseWriter, r *http.Request) error {
	return c.setStatus(w, r, contest.Approved)
}

func (c *API) hide(w http.ResponseWriter, r *http.Request) error {
	return c.setStatus(w, r, contest.Hidden)
}

// setStatus answers POST /api/submissions/ID/approve and …/hide.
func (c *API) setStatus(w http.ResponseWriter, r *http.Request, status contest.Status) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	sub, err := c.Contest.SetStatus(r.Context(), id, status, c.WinnersLimit)
	if err != nil {
		return storeError(err)
	}
	c.Published()
	answer.JSON(w, http.StatusOK, map[string]any{"success": true, "entry": c.entry(&sub)})
	return nil
}

// setStatuses answers POST /api/submissions/statuses.
func (c *API) setStatuses(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Statuses map[string]contest.Status `json:"statuses"`
	}
	if err := answer.Read(w, r, maxJSON, &body); err != nil {
		return err
	}
	if body.Statuses == nil {
		return answer.Malformed("statuses must be an object of statuses by id.")
	}
	before, err := c.Contest.SetStatuses(r.Context(), body.Statuses, c.WinnersLimit)
	if err != nil {
		return storeError(err)
	}
	c.Published()
	answer.JSON(w, http.StatusOK, map[string]any{"success": true, "before": before})
	return nil
}

// move answers POST /api/submissions/ID/move.
func (c *API) move(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	var body struct {
		Category string `json:"category"`
		Place    int    `json:"place"`
	}
	if err := answer.Read(w, r, maxJSON, &body); err != nil {
		return err
	}
	sub, had, err := c.Contest.Move(r.Context(), id, body.Category, body.Place, c.WinnersLimit)
	if err != nil {
		return storeError(err)
	}
	c.Published()
	answer.JSON(w, http.StatusOK, map[string]any{"success": true, "entry": c.entry(&sub), "place": had})
	return nil
}

// remove answers DELETE /api/submissions/ID.
func (c *API) remove(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	n, err := c.delete(r, id)
	if err != nil {
		return err
	}
	if n == 0 {
		return storeError(fmt.Errorf("delete: %w", contest.ErrNotFound))
	}
	answer.JSON(w, http.StatusOK, answer.OK)
	return nil
}

// deleteByPhone answers POST /api/submissions/delete-by-phone.
func (c *API) deleteByPhone(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Phone string `json:"phone"`
	}
	if err := answer.Read(w, r, maxJSON, &body); err != nil {
		return err
	}
	ids, err := c.Contest.ByPhone(body.Phone)
	if err != nil {
		return storeError(err)
	}
	n, err := c.delete(r, ids...)
	if err != nil {
		return err
	}
	answer.JSON(w, http.StatusOK, map[string]any{"success": true, "deleted": n})
	return nil
}

// delete removes submissions and their pictures, and returns how many. What has
// begun is done to the end, whether or not anybody waits for it.
func (c *API) delete(r *http.Request, ids ...string) (int, error) {
	gone, err := c.Contest.Delete(r.Context(), ids...)
	if len(gone) > 0 {
		c.Published()
		c.RemovePictures(context.WithoutCancel(r.Context()), gone)
	}
	return len(gone), storeError(err)
}

// RemovePictures removes the pictures of submissions that were deleted.
func (c *API) RemovePictures(ctx context.Context, gone []contest.Submission) {
	for _, sub := range gone {
		p := Picture{Method: sub.StorageMethod, Files: sub.Files, CloudID: sub.CloudID}
		if err := c.Pictures.Remove(ctx, p); err != nil {
			c.Logger.Error("a deleted submission's picture could not be removed", "submission", sub.ID, "error", err)
		}
	}
}
