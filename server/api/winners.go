package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"podium/contest"
	"podium/server/answer"
)

// winners answers GET /api/winners.
func (c *API) winners(w http.ResponseWriter, _ *http.Request) error {
	picks, err := c.Contest.Winners()
	if err != nil {
		return storeError(err)
	}
	out := make(map[string][]winner, len(picks))
	for category, ids := range picks {
		out[category] = []winner{}
		for _, id := range ids {
			sub, err := c.Contest.Submission(id)
			if err != nil {
				continue // deleted since the picks were read
			}
			out[category] = append(out[category], c.winner(&sub))
		}
	}
	w.Header().Set("Cache-Control", "no-cache")
	answer.JSON(w, http.StatusOK, map[string]any{"winners": out})
	return nil
}

// savedWinners is the answer of POST /api/save-winners.
type savedWinners struct {
	Success       bool     `json:"success"`
	TransactionID string   `json:"transactionId"`
	Ignored       []string `json:"ignored"`
}

// saveWinners answers POST /api/save-winners.
func (c *API) saveWinners(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Winners json.RawMessage `json:"winners"`
		Before  json.RawMessage `json:"before"`
	}
	if err := answer.Read(w, r, maxJSON, &body); err != nil {
		return err
	}
	picks, err := readPicks(body.Winners)
	if err != nil {
		return err
	}
	var before contest.Picks
	if body.Before != nil {
		if before, err = readPicks(body.Before); err != nil {
			return err
		}
	}
	key, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	var once contest.Once
	if key != "" {
		leave, err := c.once.enter(r.Context(), "winners "+key)
		if err != nil {
			return err
		}
		defer leave()
		sum := sha256.Sum256(body.Winners)
		once = contest.Once{Key: "winners " + key, Content: sum[:]}
	}
	first, replayed, err := c.Contest.SaveWinners(r.Context(), picks, before, c.WinnersLimit, once, func(ignored []string) ([]byte, error) {
		return json.Marshal(savedWinners{true, "txn-" + newID(c.Now().UnixMilli()), ignored})
	})
	if errors.Is(err, contest.ErrConflict) {
		return answer.Because(err, http.StatusConflict, "Somebody else has published other winners meanwhile.").Coded("othersPublished")
	}
	if err != nil {
		return storeError(err)
	}
	if replayed {
		return c.replay(w, first)
	}
	c.Published()
	answer.Bytes(w, http.StatusOK, first)
	return nil
}

// readPicks reads an object of arrays of ids. A null is none of these, though
// encoding/json would take it for an empty value of any type.
func readPicks(raw json.RawMessage) (contest.Picks, error) {
	var lists map[string][]*string
	if !bytes.HasPrefix(raw, []byte("{")) || json.Unmarshal(raw, &lists) != nil {
		return nil, answer.Malformed("winners must be an object of arrays of ids.")
	}
	picks := make(contest.Picks, len(lists))
	for category, list := range lists {
		if list == nil || slices.Contains(list, nil) {
			return nil, answer.Malformed("The winners of each category must be an array of ids.")
		}
		ids := make([]string, len(list))
		for i, id := range list {
			ids[i] = *id
		}
		picks[category] = ids
	}
	return picks, nil
}
