package bolt

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// Picks are the ids of the winners by category, in the order picked.
type Picks map[string][]string

// Winners returns the picks of all categories that there are, with an empty
// list where nothing was picked.
func (s *Store) Winners() (Picks, error) {
	var picks Picks
	err := s.view(func(tx *bolt.Tx) error {
		var err error
		picks, err = readWinners(tx)
		return err
	})
	return picks, err
}

// AllWinners returns the winners of every category that has some, those of
// removed ones too, and an empty list for every category that has none.
func (s *Store) AllWinners() (Picks, error) {
	var picks Picks
	err := s.view(func(tx *bolt.Tx) error {
		var err error
		if picks, err = readWinners(tx); err != nil {
			return err
		}
		return tx.Bucket(bucketWinners).ForEach(func(category, _ []byte) error {
			picks[string(category)], err = readPicks(tx, string(category))
			return err
		})
	})
	return picks, err
}

func readWinners(tx *bolt.Tx) (Picks, error) {
	categories, err := readCategories(tx)
	if err != nil {
		return nil, err
	}
	picks := make(Picks, len(categories))
	for _, c := range categories {
		if picks[c.ID], err = readPicks(tx, c.ID); err != nil {
			return nil, err
		}
	}
	return picks, nil
}

func readPicks(tx *bolt.Tx, category string) ([]string, error) {
	ids := []string{}
	data := tx.Bucket(bucketWinners).Get([]byte(category))
	if data == nil {
		return ids, nil
	}
	if err := json.Unmarshal(data, &ids); err != nil {
		return nil, fmt.Errorf("winners of %s: %w", category, errRecord)
	}
	return ids, nil
}

// SaveWinners replaces the picks of the categories that picks names and leaves
// the others. Of each it keeps the first limit ids that name a submission of
// that category that everybody sees; the ids that do not come back as ignored.
// All picks are announced. Once and answer are as with Submit; answer is
// called with what was ignored.
func (s *Store) SaveWinners(ctx context.Context, picks Picks, limit int, once Once, answer func(ignored []string) ([]byte, error)) (first []byte, replayed bool, err error) {
	err = s.update(ctx, "store the winners", func(tx *writeTx) error {
		var err error
		if first, replayed, err = tx.answered(once); err != nil || replayed {
			return err
		}
		ignored := []string{}
		for _, category := range sortedKeys(picks) {
			kept, passed := tx.judge(category, picks[category], limit)
			ignored = append(ignored, passed...)
			if err := tx.savePicks(category, kept); err != nil {
				return err
			}
		}
		if err := tx.announceWinners(); err != nil {
			return err
		}
		if first, err = answer(ignored); err != nil {
			return err
		}
		return tx.keepAnswer(once, first)
	})
	return first, replayed, err
}

// judge sorts ids into those that can win the category and those that cannot.
func (t *writeTx) judge(category string, ids []string, limit int) (kept, ignored []string) {
	for _, id := range ids {
		sub, err := readSubmission(t.Tx, id)
		switch {
		case err != nil || sub.Category != category || sub.Status != Approved:
			ignored = append(ignored, id)
		case len(kept) < limit && !slices.Contains(kept, id):
			kept = append(kept, id)
		}
	}
	return kept, ignored
}

func (t *writeTx) savePicks(category string, ids []string) error {
	if len(ids) == 0 {
		return t.delete(bucketWinners, []byte(category))
	}
	data, err := json.Marshal(ids)
	if err != nil {
		return fmt.Errorf("encode winners: %w", err)
	}
	return t.put(bucketWinners, []byte(category), data)
}

// unpick takes a submission out of its category's winners and announces that
// where it was one.
func (t *writeTx) unpick(category, id string) error {
	ids, err := readPicks(t.Tx, category)
	if err != nil || !slices.Contains(ids, id) {
		return err
	}
	ids = slices.DeleteFunc(ids, func(other string) bool { return other == id })
	if err := t.savePicks(category, ids); err != nil {
		return err
	}
	return t.announceWinners()
}

// announceWinners puts the event with all picks into the log.
func (t *writeTx) announceWinners() error {
	all, err := readWinners(t.Tx)
	if err != nil {
		return err
	}
	return t.announce(EventWinnersUpdated, struct {
		Winners Picks `json:"winners"`
	}{all})
}

func sortedKeys(picks Picks) []string {
	keys := make([]string, 0, len(picks))
	for k := range picks {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
