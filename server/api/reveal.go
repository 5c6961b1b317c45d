package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"podium/contest"
	"podium/server/answer"
)

// presented is the presentation as everybody sees it: nothing of it tells of a
// place before its turn.
type presented struct {
	ID    string              `json:"id"`
	State contest.RevealState `json:"state"`
	Turn  int                 `json:"turn"`
	// Now is the place that has its turn.
	Now *presentedPlace `json:"now,omitempty"`
	// Told are the places that had their turn, by category, in the order of
	// presentation.
	Told []presentedCategory `json:"told"`
}

type presentedCategory struct {
	category
	Complete bool             `json:"complete"` // its first place was told
	Places   []presentedPlace `json:"places"`   // the first place first
}

type presentedPlace struct {
	winner
	Category string `json:"category"`
	Place    int    `json:"place"` // 1 for the first
	Name     string `json:"name,omitempty"`
}

// reveal answers GET /api/reveal: the presentation, or null.
func (c *API) reveal(w http.ResponseWriter, _ *http.Request) error {
	r, err := c.Contest.Reveal()
	if err != nil {
		return storeError(err)
	}
	w.Header().Set("Cache-Control", "no-cache")
	return c.writeReveal(w, r)
}

// writeReveal answers with a presentation as everybody sees it.
func (c *API) writeReveal(w http.ResponseWriter, r *contest.Reveal) error {
	if r == nil {
		answer.JSON(w, http.StatusOK, map[string]any{"reveal": nil})
		return nil
	}
	names, err := c.categoryNames()
	if err != nil {
		return err
	}
	out := presented{ID: r.ID, State: r.State(), Turn: r.Turn, Told: []presentedCategory{}}
	for _, t := range r.Told() {
		if len(out.Told) == 0 || out.Told[len(out.Told)-1].ID != t.Category {
			out.Told = append(out.Told, presentedCategory{category: category{t.Category, names[t.Category]}, Places: []presentedPlace{}})
		}
		one := &out.Told[len(out.Told)-1]
		one.Complete = t.Place == 1
		sub, err := c.Contest.Submission(t.ID)
		if err != nil || sub.Status != contest.Approved || sub.Category != t.Category {
			continue // taken off the wall since, or moved
		}
		place := presentedPlace{winner: c.winner(&sub), Category: t.Category, Place: t.Place}
		if r.Names && sub.Credit {
			place.Name = c.text.out(sub.Name)
		}
		one.Places = append([]presentedPlace{place}, one.Places...)
	}
	if n := len(out.Told); n > 0 && out.State == contest.RevealPresenting && len(out.Told[n-1].Places) > 0 {
		out.Now = &out.Told[n-1].Places[0]
	}
	answer.JSON(w, http.StatusOK, map[string]any{"reveal": out})
	return nil
}

func (c *API) categoryNames() (map[string]string, error) {
	list, err := c.listed()
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(list))
	for _, one := range list {
		names[one.ID] = one.Name
	}
	return names, nil
}

// prepareReveal answers POST /api/reveal.
func (c *API) prepareReveal(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Winners json.RawMessage `json:"winners"`
		Order   []string        `json:"order"`
		Names   bool            `json:"names"`
	}
	if err := answer.Read(w, r, maxJSON, &body); err != nil {
		return err
	}
	picks, err := readPicks(body.Winners)
	if err != nil {
		return err
	}
	ignored, err := c.Contest.PrepareReveal(r.Context(), picks, body.Order, body.Names, c.WinnersLimit)
	if err != nil {
		return revealError(err)
	}
	c.Published()
	answer.JSON(w, http.StatusOK, map[string]any{"success": true, "ignored": ignored})
	return nil
}

// preparedReveal answers GET /api/reveal/prepared: what admins know of the
// presentation, and null where there is none.
func (c *API) preparedReveal(w http.ResponseWriter, _ *http.Request) error {
	r, err := c.Contest.Reveal()
	if err != nil {
		return storeError(err)
	}
	if r == nil {
		answer.JSON(w, http.StatusOK, map[string]any{"reveal": nil})
		return nil
	}
	answer.JSON(w, http.StatusOK, map[string]any{"reveal": map[string]any{
		"id": r.ID, "state": r.State(), "turn": r.Turn, "turns": len(r.Turns()), "winners": r.Picks, "order": r.Order, "names": r.Names,
	}})
	return nil
}

// cueReveal answers GET /api/reveal/cue: what a presenter may know, which is
// which place comes next and not whose it is.
func (c *API) cueReveal(w http.ResponseWriter, _ *http.Request) error {
	r, err := c.Contest.Reveal()
	if err != nil {
		return storeError(err)
	}
	return c.writeCue(w, r)
}

// cue is a place without whose it is.
type cue struct {
	Category string `json:"category"` // its name
	Place    int    `json:"place"`
}

func (c *API) writeCue(w http.ResponseWriter, r *contest.Reveal) error {
	if r == nil {
		answer.JSON(w, http.StatusOK, map[string]any{"cue": nil})
		return nil
	}
	names, err := c.categoryNames()
	if err != nil {
		return err
	}
	turns := r.Turns()
	at := func(n int) *cue {
		if n < 0 || n >= len(turns) {
			return nil
		}
		return &cue{names[turns[n].Category], turns[n].Place}
	}
	answer.JSON(w, http.StatusOK, map[string]any{"cue": map[string]any{
		"id": r.ID, "state": r.State(), "turn": r.Turn, "turns": len(turns), "now": at(r.Turn - 1), "next": at(r.Turn),
	}})
	return nil
}

// nextReveal answers POST /api/reveal/next.
func (c *API) nextReveal(w http.ResponseWriter, r *http.Request) error {
	return c.moveReveal(w, r, false)
}

// backReveal answers POST /api/reveal/back.
func (c *API) backReveal(w http.ResponseWriter, r *http.Request) error {
	return c.moveReveal(w, r, true)
}

// moveReveal goes on or back from the turn that the body names, so that two
// people who press at once, or one whose request is sent again, move once.
func (c *API) moveReveal(w http.ResponseWriter, r *http.Request, back bool) error {
	var body struct {
		Turn *int `json:"turn"`
	}
	if err := answer.Read(w, r, maxJSON, &body); err != nil {
		return err
	}
	if body.Turn == nil {
		return answer.Malformed("turn must be the number of the turn to go on from.")
	}
	reveal, err := c.Contest.MoveReveal(r.Context(), *body.Turn, back)
	if err != nil {
		return revealError(err)
	}
	c.Published()
	return c.writeCue(w, reveal)
}

// endReveal answers DELETE /api/reveal.
func (c *API) endReveal(w http.ResponseWriter, r *http.Request) error {
	if err := c.Contest.EndReveal(r.Context()); err != nil {
		return storeError(err)
	}
	c.Published()
	answer.JSON(w, http.StatusOK, answer.OK)
	return nil
}

func revealError(err error) error {
	switch {
	case errors.Is(err, contest.ErrConflict):
		return answer.Because(err, http.StatusConflict, "The presentation has moved on meanwhile.").Coded("movedOn")
	case errors.Is(err, contest.ErrNotFound):
		return answer.Because(err, http.StatusNotFound, "There is no presentation.").Coded("noPresentation")
	}
	return storeError(err)
}
