package contest

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// Picks are the ids of the winners by category, in the order picked.
type Picks map[string][]string

// Winners returns the picks of all categories that there are, with an empty
// list where nothing was picked.
func (c *Contest) Winners() (Picks, error) {
	picks, categories, err := c.Picks()
	if err != nil {
		return nil, err
	}
	return picks.of(categories), nil
}

// AllWinners returns the winners of every category that has some, those of
// removed ones too, and an empty list for every category that has none.
func (c *Contest) AllWinners() (Picks, error) {
	picks, categories, err := c.Picks()
	if err != nil {
		return nil, err
	}
	all := picks.of(categories)
	maps.Copy(all, picks)
	return all, nil
}

// of are the picks of these categories.
func (p Picks) of(categories []Category) Picks {
	listed := make(Picks, len(categories))
	for _, c := range categories {
		listed[c.ID] = p[c.ID]
		if listed[c.ID] == nil {
			listed[c.ID] = []string{}
		}
	}
	return listed
}

// SaveWinners replaces the picks of the categories that picks names and leaves
// the others. Of each it keeps the first limit ids that name a submission of
// that category that everybody sees; the ids that do not come back as ignored.
// All picks are announced. Where before is not nil it says what the winners of
// these categories are taken to be: if they are others by now, nothing is stored
// and the error is ErrConflict. Once and answer are as with Submit; answer is
// called with what was ignored.
func (c *Contest) SaveWinners(ctx context.Context, picks, before Picks, limit int, once Once, answer func(ignored []string) ([]byte, error)) (first []byte, replayed bool, err error) {
	err = c.Update(ctx, "store the winners", func(tx Tx) error {
		var err error
		if first, replayed, err = answered(tx, once); err != nil || replayed {
			return err
		}
		if err := unchanged(tx, before); err != nil {
			return err
		}
		ignored, err := setPicks(tx, picks, func(string) int { return limit })
		if err != nil {
			return err
		}
		all, err := tx.Picks()
		if err != nil {
			return err
		}
		if err := announceWinners(tx, all); err != nil {
			return err
		}
		if first, err = answer(ignored); err != nil {
			return err
		}
		return keepAnswer(tx, once, "", first)
	})
	return first, replayed, err
}

// unchanged reports ErrConflict where a category has other winners than before says.
func unchanged(tx Tx, before Picks) error {
	if len(before) == 0 {
		return nil
	}
	now, err := tx.Picks()
	if err != nil {
		return err
	}
	for category, ids := range before {
		if !slices.Equal(ids, now[category]) {
			return fmt.Errorf("the winners of %s: %w", category, ErrConflict)
		}
	}
	return nil
}

// setPicks stores picks as far as they can win, and returns the ids that cannot.
func setPicks(tx Tx, picks Picks, limit func(category string) int) (ignored []string, err error) {
	kept, ignored, err := winnable(tx, picks, limit)
	if err != nil {
		return nil, err
	}
	for _, category := range slices.Sorted(maps.Keys(kept)) {
		if err := tx.SetPicks(category, kept[category]); err != nil {
			return nil, err
		}
	}
	return ignored, nil
}

// winnable are picks as far as they can win: submissions of their category that
// everybody sees, each once. The ids that cannot are ignored.
func winnable(tx Tx, picks Picks, limit func(category string) int) (able Picks, ignored []string, err error) {
	var named []string
	for _, ids := range picks {
		named = append(named, ids...)
	}
	submissions, err := tx.Submissions(named...)
	if err != nil {
		return nil, nil, err
	}
	able, ignored = make(Picks, len(picks)), []string{}
	for _, category := range slices.Sorted(maps.Keys(picks)) {
		kept := []string{}
		for _, id := range picks[category] {
			sub, ok := submissions[id]
			switch {
			case !ok || sub.Category != category || sub.Status != Approved:
				ignored = append(ignored, id)
			case len(kept) < limit(category) && !slices.Contains(kept, id):
				kept = append(kept, id)
			}
		}
		able[category] = kept
	}
	return able, ignored, nil
}

// unpick takes a submission out of its category's winners, in the store and in
// picks, and reports whether it was one.
func unpick(tx Tx, picks Picks, sub *Submission) (bool, error) {
	ids := picks[sub.Category]
	if !slices.Contains(ids, sub.ID) {
		return false, nil
	}
	ids = slices.DeleteFunc(ids, func(other string) bool { return other == sub.ID })
	picks[sub.Category] = ids
	return true, tx.SetPicks(sub.Category, ids)
}

// repick gives a submission the place among the winners of its category that it
// had before, and announces that; 0 is none.
func repick(tx Tx, sub *Submission, place, limit int) error {
	if place <= 0 {
		return nil
	}
	picks, err := tx.Picks()
	if err != nil {
		return err
	}
	ids := picks[sub.Category]
	if len(ids) >= limit || slices.Contains(ids, sub.ID) {
		return nil
	}
	picks[sub.Category] = slices.Insert(slices.Clone(ids), min(place-1, len(ids)), sub.ID)
	if err := tx.SetPicks(sub.Category, picks[sub.Category]); err != nil {
		return err
	}
	return announceWinners(tx, picks)
}

// announceWinners puts the event with all picks into the log.
func announceWinners(tx Tx, picks Picks) error {
	categories, err := tx.Categories()
	if err != nil {
		return err
	}
	return announce(tx, EventWinnersUpdated, "", struct {
		Winners Picks `json:"winners"`
	}{picks.of(categories)})
}
