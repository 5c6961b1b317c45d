package api

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"

	"podium/contest"
	"podium/server/answer"
)

// category is a category with its name as it leaves or comes back.
type category struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// listed are the categories as they leave.
func (c *API) listed() ([]category, error) {
	list, err := c.Contest.Categories()
	if err != nil {
		return nil, storeError(err)
	}
	out := make([]category, 0, len(list))
	for _, one := range list {
		out = append(out, category{one.ID, c.text.out(one.Name)})
	}
	return out, nil
}

// categories answers GET /categories.json.
func (c *API) categories(w http.ResponseWriter, _ *http.Request) error {
	list, err := c.listed()
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-cache")
	answer.JSON(w, http.StatusOK, list)
	return nil
}

// saveCategories answers POST /api/categories.
func (c *API) saveCategories(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Categories json.RawMessage `json:"categories"`
	}
	if err := answer.Read(w, r, maxJSON, &body); err != nil {
		return err
	}
	if err := c.replaceCategories(r.Context(), body.Categories); err != nil {
		return err
	}
	c.Published()
	answer.JSON(w, http.StatusOK, answer.OK)
	return nil
}

// replaceCategories makes the list that was sent the categories.
func (c *API) replaceCategories(ctx context.Context, list json.RawMessage) error {
	var sent []category
	if !bytes.HasPrefix(list, []byte("[")) || json.Unmarshal(list, &sent) != nil {
		return answer.Malformed("categories must be an array of objects with an id and a name.")
	}
	categories := make([]contest.Category, 0, len(sent))
	for _, one := range sent {
		categories = append(categories, contest.Category{ID: one.ID, Name: c.text.in(one.Name)})
	}
	return storeError(c.Contest.ReplaceCategories(ctx, categories))
}

// removedCategories answers GET /api/categories/removed.
func (c *API) removedCategories(w http.ResponseWriter, _ *http.Request) error {
	list, err := c.Contest.RemovedCategories()
	if err != nil {
		return storeError(err)
	}
	type removed struct {
		category
		Submissions int `json:"submissions"`
		Winners     int `json:"winners"`
	}
	out := make([]removed, 0, len(list))
	for _, one := range list {
		out = append(out, removed{category{one.ID, c.text.out(one.Name)}, one.Submissions, one.Winners})
	}
	answer.JSON(w, http.StatusOK, map[string]any{"categories": out})
	return nil
}

// about answers GET /api/contest.
func (c *API) about(w http.ResponseWriter, _ *http.Request) error {
	list, err := c.listed()
	if err != nil {
		return err
	}
	waits, err := c.moderated()
	if err != nil {
		return err
	}
	evening, err := c.evening()
	if err != nil {
		return err
	}
	facts := map[string]any{
		"categories": list, "event": evening, "moderation": waits, "winnersLimit": c.WinnersLimit,
		"limits": map[string]int64{"photoBytes": c.MaxPhoto, "caption": MaxCaption, "name": MaxName, "phone": MaxPhone},
	}
	maps.Copy(facts, c.Facts)
	answer.JSON(w, http.StatusOK, facts)
	return nil
}
