package contest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// MaxStatuses is how many submissions one call of SetStatuses changes.
const MaxStatuses = 500

// SetStatuses changes who sees each of several submissions, as SetStatus does,
// all or none of them, and returns what those had been that it changed: given
// that, it undoes itself, places among the winners included. Ids that name none
// are passed over. More than MaxStatuses, or an unknown status: ErrInvalid.
func (c *Contest) SetStatuses(ctx context.Context, statuses map[string]Status, limit int) (before map[string]Status, err error) {
	if len(statuses) > MaxStatuses {
		return nil, fmt.Errorf("%w: at most %d submissions are changed at once", ErrInvalid, MaxStatuses)
	}
	ids := make([]string, 0, len(statuses))
	for id, status := range statuses {
		if status != Approved && status != Waiting && status != Hidden {
			return nil, fmt.Errorf("%w: a submission is approved, waiting or hidden", ErrInvalid)
		}
		ids = append(ids, id)
	}
	err = c.Update(ctx, "change the statuses of submissions", func(tx Tx) error {
		var err error
		before, err = setStatuses(tx, ids, statuses, limit)
		return err
	})
	return before, err
}

func setStatuses(tx Tx, ids []string, statuses map[string]Status, limit int) (before map[string]Status, err error) {
	found, err := tx.Submissions(ids...)
	if err != nil {
		return nil, err
	}
	picks, err := tx.Picks()
	if err != nil {
		return nil, err
	}
	type change struct {
		sub   Submission
		place int // as it is before all of them, or as it is to be after
	}
	var changes []change
	for id, sub := range found {
		place := sub.Place
		if sub.Status == Approved {
			place = slices.Index(picks[sub.Category], id) + 1
		}
		if sub.Status != statuses[id] {
			changes = append(changes, change{sub, place})
		}
	}
	// Winners come back in the order of their places, and what is new is announced in
	// the order of arrival.
	slices.SortFunc(changes, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.sub.Sequence, b.sub.Sequence))
	})
	before = make(map[string]Status, len(changes))
	for _, one := range changes {
		before[one.sub.ID] = one.sub.Status
		if err := setStatusAt(tx, &one.sub, statuses[one.sub.ID], one.place, limit); err != nil {
			return nil, err
		}
	}
	return before, nil
}

// Move puts a submission into another category, where it keeps its place in the
// order of arrival, and announces that as its removal from the one and an update
// with the other. It leaves the winners of the one; place is the place that it
// has among those of the other, where fewer than limit won, 0 for none. had is
// the place that it leaves, so that a move back can give it again. Errors:
// ErrNotFound, ErrUnknownCategory.
func (c *Contest) Move(ctx context.Context, id, category string, place, limit int) (sub Submission, had int, err error) {
	err = c.Update(ctx, "move the submission", func(tx Tx) error {
		var err error
		if sub, err = find(tx, id); err != nil {
			return err
		}
		had, err = move(tx, &sub, category, place, limit)
		return err
	})
	return sub, had, err
}

func move(tx Tx, sub *Submission, category string, place, limit int) (had int, err error) {
	categories, err := tx.Categories()
	if err != nil {
		return 0, err
	}
	if !hasCategory(categories, category) {
		return 0, fmt.Errorf("category %q: %w", category, ErrUnknownCategory)
	}
	if sub.Category == category {
		return 0, nil
	}
	before := *sub
	if sub.Category = category; sub.Status != Approved {
		had, sub.Place = sub.Place, max(place, 0) // for when it is approved
	}
	if err := tx.Count(before.Category, sub.Status, -1); err != nil {
		return 0, err
	}
	if err := tx.Count(category, sub.Status, 1); err != nil {
		return 0, err
	}
	if err := tx.Replace(sub, &before); err != nil || sub.Status != Approved {
		return had, err
	}
	return announceMove(tx, sub, &before, place, limit)
}

// announceMove tells of the move of a submission that everybody sees, and of what
// it changes among the winners.
func announceMove(tx Tx, sub, before *Submission, place, limit int) (had int, err error) {
	picks, err := tx.Picks()
	if err != nil {
		return 0, err
	}
	had = slices.Index(picks[before.Category], sub.ID) + 1
	if had > 0 {
		if _, err := unpick(tx, picks, before); err != nil {
			return 0, err
		}
		if err := announceWinners(tx, picks); err != nil {
			return 0, err
		}
	}
	if err := announceRemoved(tx, Removed{sub.ID, before.Category}); err != nil {
		return 0, err
	}
	if err := announce(tx, EventSubmissionUpdated, sub.ID, sub.Public()); err != nil {
		return 0, err
	}
	return had, repick(tx, sub, place, limit)
}
