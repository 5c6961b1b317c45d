package contest

import (
	"context"
	"encoding/binary"
	"fmt"
)

// Bulk is contest data that comes from elsewhere.
type Bulk struct {
	// Categories replace those of the contest; nil leaves them.
	Categories []Category
	// Submissions are added in this order, the oldest first. Those whose id is
	// there already are left as they are.
	Submissions []Submission
	// Picks replace the winners of the categories that they name, however many
	// they are.
	Picks Picks
	// Source names what the data comes from. Data whose source was imported
	// before changes nothing. Empty means that it always counts.
	Source string
}

// Added says what became of a Bulk.
type Added struct {
	Submissions int // new ones
	Present     int // that were there already
	Ignored     []string
	Known       bool // the same source was imported before
}

// Import adds data from elsewhere in one transaction, and announces nothing:
// it is for a store that nobody serves. Ids among the picks that name no
// submission of their category come back as ignored.
func (c *Contest) Import(ctx context.Context, bulk Bulk) (added Added, err error) {
	for _, one := range bulk.Categories {
		if err := one.Validate(); err != nil {
			return added, err
		}
	}
	err = c.Update(ctx, "import", func(tx Tx) error {
		var err error
		added, err = take(tx, bulk)
		return err
	})
	return added, err
}

// settingImports begins the name of the setting that stands for an imported
// source.
const settingImports = "imported."

// take is one import's part of a transaction.
func take(tx Tx, bulk Bulk) (added Added, err error) {
	if bulk.Source != "" {
		mark, err := tx.Setting(settingImports + bulk.Source)
		if err != nil {
			return added, err
		}
		added.Known = mark != nil
	}
	fresh, err := missing(tx, bulk.Submissions)
	if err != nil {
		return added, err
	}
	added.Present = len(bulk.Submissions) - len(fresh)
	if added.Known {
		return added, nil // what is not there any more was deleted since
	}
	if err := adopt(tx, fresh); err != nil {
		return added, err
	}
	added.Submissions = len(fresh)
	if bulk.Categories != nil {
		if err := tx.SetCategories(bulk.Categories); err != nil {
			return added, err
		}
	}
	if len(bulk.Picks) > 0 {
		ignored, err := setPicks(tx, bulk.Picks, func(category string) int { return len(bulk.Picks[category]) })
		if err != nil {
			return added, err
		}
		added.Ignored = append(added.Ignored, ignored...)
	}
	if bulk.Source != "" {
		at := binary.BigEndian.AppendUint64(nil, uint64(tx.Now().UnixMilli()))
		if err := tx.SetSetting(settingImports+bulk.Source, at); err != nil {
			return added, err
		}
	}
	return added, tx.Touch() // browsers hold answers from before the import by the version
}

// missing are copies of those of a list that are not there.
func missing(tx Tx, list []Submission) ([]*Submission, error) {
	ids := make([]string, 0, len(list))
	for i := range list {
		ids = append(ids, list[i].ID)
	}
	taken, err := tx.Taken(ids...)
	if err != nil {
		return nil, err
	}
	var fresh []*Submission
	for _, sub := range list {
		if !taken[sub.ID] {
			fresh = append(fresh, &sub)
		}
	}
	return fresh, nil
}

// adopt adds submissions in this order without announcing them.
func adopt(tx Tx, list []*Submission) error {
	type group struct {
		category string
		status   Status
	}
	ids, counts := make(map[string]bool, len(list)), make(map[group]int)
	for _, sub := range list {
		if sub.ID == "" || ids[sub.ID] {
			return fmt.Errorf("%w: the submission id %q is empty or used twice", ErrInvalid, sub.ID)
		}
		ids[sub.ID] = true
		sub.Announced = sub.Status == Approved
		counts[group{sub.Category, sub.Status}]++
	}
	if err := tx.Insert(list...); err != nil {
		return err
	}
	for of, n := range counts {
		if err := tx.Count(of.category, of.status, n); err != nil {
			return err
		}
	}
	return nil
}
