package contest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
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
		return broken(RuleLength, "the name of category %s is longer than %d bytes", c.ID, maxCategoryName)
	}
	return nil
}

// ReplaceCategories makes list the categories and announces them.
// Submissions and picks of a category that is not in it are kept, and come
// back with it: see RemovedCategories.
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
		if err := noteRemoved(tx, list); err != nil {
			return err
		}
		if err := tx.SetCategories(list); err != nil {
			return err
		}
		return announce(tx, EventCategoriesUpdated, "", struct {
			Categories []Category `json:"categories"`
		}{list})
	})
}

// settingRemoved is where the categories are kept that were removed, as JSON, so
// that they come back with their names.
const settingRemoved = "contest.removed"

// maxRemoved bounds them; the oldest are forgotten first.
const maxRemoved = 100

// noteRemoved keeps the categories that list lacks, and forgets those that it has.
func noteRemoved(tx Tx, list []Category) error {
	present, err := tx.Categories()
	if err != nil {
		return err
	}
	value, err := tx.Setting(settingRemoved)
	if err != nil {
		return err
	}
	removed, err := readRemoved(value)
	if err != nil {
		return err
	}
	removed = slices.DeleteFunc(append(removed, present...), func(one Category) bool { return hasCategory(list, one.ID) })
	if len(removed) == 0 {
		if value == nil {
			return nil
		}
		return tx.SetSetting(settingRemoved, nil)
	}
	value, err = json.Marshal(removed[max(0, len(removed)-maxRemoved):])
	if err != nil {
		return fmt.Errorf("encode the removed categories: %w", err)
	}
	return tx.SetSetting(settingRemoved, value)
}

func readRemoved(value []byte) (removed []Category, err error) {
	if value == nil {
		return nil, nil
	}
	if err := json.Unmarshal(value, &removed); err != nil {
		return nil, fmt.Errorf("read the removed categories: %w", err)
	}
	return removed, nil
}

func hasCategory(list []Category, id string) bool {
	return slices.ContainsFunc(list, func(one Category) bool { return one.ID == id })
}

// RemovedCategory is a category that was removed, with what comes back with it.
type RemovedCategory struct {
	Category
	Submissions, Winners int
}

// RemovedCategories returns the categories that are not there any more but have
// submissions, by id. One whose name is not known is called by its id.
func (c *Contest) RemovedCategories() ([]RemovedCategory, error) {
	counts, err := c.Counts()
	if err != nil {
		return nil, err
	}
	picks, present, err := c.Picks()
	if err != nil {
		return nil, err
	}
	value, err := c.Setting(settingRemoved)
	if err != nil {
		return nil, err
	}
	known, err := readRemoved(value)
	if err != nil {
		return nil, err
	}
	list := []RemovedCategory{}
	for _, id := range slices.Sorted(maps.Keys(counts)) {
		n := 0
		for _, of := range counts[id] {
			n += of
		}
		if n == 0 || hasCategory(present, id) {
			continue
		}
		one := RemovedCategory{Category{id, id}, n, len(picks[id])}
		if i := slices.IndexFunc(known, func(k Category) bool { return k.ID == id }); i >= 0 {
			one.Name = known[i].Name
		}
		list = append(list, one)
	}
	return list, nil
}
