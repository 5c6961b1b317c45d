package contest

import (
	"context"
	"fmt"
	"regexp"
)

// Category is what submissions are sorted by.
type Category struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// DefaultCategories are those of a new contest.
func DefaultCategories() []Category {
	return []Category{{"worst", "Worst Tattoo"}, {"best", "Best Tattoo"}}
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

// ReplaceCategories makes list the categories and announces them.
// Submissions and picks of a category that is not in it are kept, and come
// back with it.
func (c *Contest) ReplaceCategories(ctx context.Context, list []Category) error {
	seen := make(map[string]bool, len(list))
	for _, one := range list {
		if err := one.Validate(); err != nil {
			return err
		}
		if seen[one.ID] {
			return fmt.Errorf("%w: category id %s occurs twice", ErrInvalid, one.ID)
		}
		seen[one.ID] = true
	}
	if list == nil {
		list = []Category{}
	}
	return c.Update(ctx, "replace the categories", func(tx Tx) error {
		if err := tx.SetCategories(list); err != nil {
			return err
		}
		return announce(tx, EventCategoriesUpdated, "", struct {
			Categories []Category `json:"categories"`
		}{list})
	})
}
