package bolt

import (
	"encoding/json"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"podium/contest"
)

// Categories returns the categories in their order.
func (s *Store) Categories() ([]contest.Category, error) {
	var list []contest.Category
	err := s.view(func(tx *bolt.Tx) error {
		var err error
		list, err = readCategories(tx)
		return err
	})
	return list, err
}

func readCategories(tx *bolt.Tx) ([]contest.Category, error) {
	list := []contest.Category{}
	if err := json.Unmarshal(tx.Bucket(bucketMeta).Get(metaCategories), &list); err != nil {
		return nil, fmt.Errorf("read the categories: %w", err)
	}
	return list, nil
}

// Categories returns the categories in their order.
func (t *writeTx) Categories() ([]contest.Category, error) { return readCategories(t.Tx) }

// SetCategories replaces the categories.
func (t *writeTx) SetCategories(list []contest.Category) error {
	data, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("encode the categories: %w", err)
	}
	return t.put(bucketMeta, metaCategories, data)
}

// Picks returns the winners of every category that has some, and the
// categories.
func (s *Store) Picks() (picks contest.Picks, categories []contest.Category, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		if categories, err = readCategories(tx); err != nil {
			return err
		}
		picks, err = readAllPicks(tx)
		return err
	})
	return picks, categories, err
}

func readAllPicks(tx *bolt.Tx) (contest.Picks, error) {
	picks := make(contest.Picks)
	err := tx.Bucket(bucketWinners).ForEach(func(category, _ []byte) (err error) {
		picks[string(category)], err = readPicks(tx, string(category))
		return err
	})
	return picks, err
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

// Picks returns the winners of every category that has some.
func (t *writeTx) Picks() (contest.Picks, error) { return readAllPicks(t.Tx) }

// SetPicks replaces the winners of a category.
func (t *writeTx) SetPicks(category string, ids []string) error {
	if len(ids) == 0 {
		return t.delete(bucketWinners, []byte(category))
	}
	data, err := json.Marshal(ids)
	if err != nil {
		return fmt.Errorf("encode winners: %w", err)
	}
	return t.put(bucketWinners, []byte(category), data)
}
