package bolt

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
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
// it is for a file that nobody serves. Ids among the picks that name no
// submission of their category come back as ignored.
func (s *Store) Import(ctx context.Context, bulk Bulk) (added Added, err error) {
	for _, c := range bulk.Categories {
		if err := c.Validate(); err != nil {
			return added, err
		}
	}
	err = s.update(ctx, "import", func(tx *writeTx) error {
		var err error
		added, err = tx.take(bulk) // a transaction may be tried again
		return err
	})
	return added, err
}

// settingImports begins the name of the setting that stands for an imported
// source.
const settingImports = "imported."

// take is one import's part of a transaction.
func (t *writeTx) take(bulk Bulk) (added Added, err error) {
	source := []byte(settingImports + bulk.Source)
	added.Known = bulk.Source != "" && t.get(bucketSettings, source) != nil
	var fresh []Submission
	for i := range bulk.Submissions {
		sub := &bulk.Submissions[i]
		if t.get(bucketSubmissions, []byte(sub.ID)) != nil {
			added.Present++
			continue
		}
		if added.Known {
			continue // deleted since
		}
		fresh = append(fresh, *sub)
	}
	if err := t.adopt(fresh); err != nil {
		return added, err
	}
	added.Submissions = len(fresh)
	if added.Known {
		return added, nil
	}
	if bulk.Categories != nil {
		data, err := json.Marshal(bulk.Categories)
		if err != nil {
			return added, fmt.Errorf("encode the categories: %w", err)
		}
		if err := t.put(bucketMeta, metaCategories, data); err != nil {
			return added, err
		}
	}
	for _, category := range sortedKeys(bulk.Picks) {
		kept, ignored := t.judge(category, bulk.Picks[category], len(bulk.Picks[category]))
		added.Ignored = append(added.Ignored, ignored...)
		if err := t.savePicks(category, kept); err != nil {
			return added, err
		}
	}
	if bulk.Source != "" {
		if err := t.put(bucketSettings, source, uint64Key(uint64(t.now.UnixMilli()))); err != nil {
			return added, err
		}
	}
	// Browsers hold answers from before the import by the version.
	version, _ := readUint64(t.get(bucketMeta, metaVersion))
	return added, t.put(bucketMeta, metaVersion, uint64Key(version+1))
}

// adopt adds submissions in this order without announcing them.
func (t *writeTx) adopt(list []Submission) error {
	ids := make(map[string]bool, len(list))
	for i := range list {
		sub := &list[i]
		if sub.ID == "" || ids[sub.ID] {
			return fmt.Errorf("the submission id %q is empty or used twice: %w", sub.ID, ErrInvalid)
		}
		ids[sub.ID] = true
		sub.Announced = sub.Status == Approved
		if err := t.enter(sub); err != nil {
			return err
		}
	}
	// A transaction keeps the keys of a page that it changes in one sorted
	// list, however long: in their order they go to its end.
	slices.SortFunc(list, func(a, b Submission) int { return strings.Compare(a.ID, b.ID) })
	for i := range list {
		if err := t.save(&list[i]); err != nil {
			return err
		}
	}
	return nil
}

// enter gives a submission its place in the indexes and the counts.
func (t *writeTx) enter(sub *Submission) error {
	t.touched = true
	sequence, err := t.Bucket(bucketOrder).NextSequence()
	if err != nil {
		return err
	}
	sub.sequence = sequence
	key := orderKey(sub.Category, sequence)
	if err := t.put(bucketOrder, key, []byte(sub.ID)); err != nil {
		return err
	}
	if sub.Status == Approved {
		if err := t.put(bucketFeed, key, []byte(sub.ID)); err != nil {
			return err
		}
	}
	return t.count(sub.Category, sub.Status, 1)
}
