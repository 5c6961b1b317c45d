package bolt

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"

	bolt "go.etcd.io/bbolt"
)

// Category is what submissions are sorted by.
type Category struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// maxCategoryName is the longest name of a category, in bytes.
const maxCategoryName = 200

var categoryID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Validate reports why the category cannot be stored, with ErrInvalid.
func (c Category) Validate() error {
	switch {
	case c.ID == "":
		return fmt.Errorf("%w: a category lacks an id", ErrInvalid)
	case !categoryID.MatchString(c.ID):
		return fmt.Errorf("%w: a category's id has 1 to 64 letters, digits, hyphens and underscores", ErrInvalid)
	case c.Name == "":
		return fmt.Errorf("%w: category %s lacks a name", ErrInvalid, c.ID)
	case len(c.Name) > maxCategoryName:
		return fmt.Errorf("%w: the name of category %s is longer than %d bytes", ErrInvalid, c.ID, maxCategoryName)
	}
	return nil
}

// Categories returns the categories in their order.
func (s *Store) Categories() ([]Category, error) {
	var list []Category
	err := s.view(func(tx *bolt.Tx) error {
		var err error
		list, err = readCategories(tx)
		return err
	})
	return list, err
}

func readCategories(tx *bolt.Tx) ([]Category, error) {
	list := []Category{}
	if err := json.Unmarshal(tx.Bucket(bucketMeta).Get(metaCategories), &list); err != nil {
		return nil, fmt.Errorf("read the categories: %w", err)
	}
	return list, nil
}

// hasCategory reports whether there is a category of that id.
func hasCategory(tx *bolt.Tx, id string) (bool, error) {
	list, err := readCategories(tx)
	if err != nil {
		return false, err
	}
	for _, c := range list {
		if c.ID == id {
			return true, nil
		}
	}
	return false, nil
}

// ReplaceCategories makes list the categories and announces them.
// Submissions and picks of a category that is not in it are kept, and come
// back with it.
func (s *Store) ReplaceCategories(ctx context.Context, list []Category) error {
	seen := make(map[string]bool, len(list))
	for _, c := range list {
		if err := c.Validate(); err != nil {
			return err
		}
		if seen[c.ID] {
			return fmt.Errorf("%w: category id %s occurs twice", ErrInvalid, c.ID)
		}
		seen[c.ID] = true
	}
	if list == nil {
		list = []Category{}
	}
	data, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("encode the categories: %w", err)
	}
	return s.update(ctx, "replace the categories", func(tx *writeTx) error {
		if err := tx.put(bucketMeta, metaCategories, data); err != nil {
			return err
		}
		return tx.announce(EventCategoriesUpdated, struct {
			Categories []Category `json:"categories"`
		}{list})
	})
}
