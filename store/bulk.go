package store

import (
	"context"
	"encoding/json"
	"fmt"
)

// Bulk is contest data that comes from elsewhere.
type Bulk struct {
	// Categories replace those of the file; nil leaves them.
	Categories []Category
	// Submissions are added in this order, the oldest first. Those whose id is
	// there already are left as they are.
	Submissions []Submission
	// Picks replace the winners of the categories that they name, however many
	// they are.
	Picks Picks
}

// Added says what became of a Bulk.
type Added struct {
	Submissions int // new ones
	Present     int // that were there already
	Ignored     []string
}

// Import adds data from elsewhere in one transaction, and announces nothing:
// it is for a file that nobody serves. Ids among the picks that name no
// submission of their category come back as ignored.
func (s *Store) Import(ctx context.Context, bulk Bulk) (added Added, err error) {
	for _, c := range bulk.Categories {
		if err := c.Validate(); err != nil {
			return added, err
		}
	}
	err = s.update(ctx, "import", func(tx *writeTx) error {
		added = Added{} // a transaction may be tried again
		if bulk.Categories != nil {
			data, err := json.Marshal(bulk.Categories)
			if err != nil {
				return fmt.Errorf("encode the categories: %w", err)
			}
			if err := tx.put(bucketMeta, metaCategories, data); err != nil {
				return err
			}
		}
		for i := range bulk.Submissions {
			sub := bulk.Submissions[i]
			if tx.get(bucketSubmissions, []byte(sub.ID)) != nil {
				added.Present++
				continue
			}
			if err := tx.adopt(sub); err != nil {
				return err
			}
			added.Submissions++
		}
		for _, category := range sortedKeys(bulk.Picks) {
			kept, ignored := tx.judge(category, bulk.Picks[category], len(bulk.Picks[category]))
			added.Ignored = append(added.Ignored, ignored...)
			if err := tx.savePicks(category, kept); err != nil {
				return err
			}
		}
		tx.touched = true
		return nil
	})
	return added, err
}

// adopt adds a submission without announcing it.
func (t *writeTx) adopt(sub Submission) error {
	if sub.ID == "" {
		return fmt.Errorf("a submission without id: %w", ErrInvalid)
	}
	sequence, err := t.Bucket(bucketOrder).NextSequence()
	if err != nil {
		return err
	}
	sub.sequence = sequence
	key := orderKey(sub.Category, sequence)
	if err := t.put(bucketOrder, key, []byte(sub.ID)); err != nil {
		return err
	}
	if err := t.count(sub.Category, sub.Status, 1); err != nil {
		return err
	}
	if sub.Status == Approved {
		sub.Announced = true
		if err := t.put(bucketFeed, key, []byte(sub.ID)); err != nil {
			return err
		}
	}
	return t.save(&sub)
}
