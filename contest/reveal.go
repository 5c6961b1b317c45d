package contest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
)

// EventRevealUpdated tells that a presentation was prepared, went on, went
// back or was ended: see Reveal.event.
const EventRevealUpdated = "revealUpdated"

// settingReveal is where the presentation is kept, as JSON.
const settingReveal = "contest.reveal"

// A RevealState says how far a presentation is.
type RevealState string

// The states of a presentation. Each leads to the next and back.
const (
	RevealPrepared   RevealState = "prepared"   // nothing was told
	RevealPresenting RevealState = "presenting" // a place has its turn
	RevealDone       RevealState = "done"       // every place was told
)

// A Reveal is a presentation: winners that are told to everybody place by
// place, each in its turn. Until a place's turn nobody but admins may learn of
// it, so the picks of a category become its winners in the moment in which its
// first place is told, and not before.
type Reveal struct {
	// ID names this presentation.
	ID string `json:"id"`
	// Order are the categories in the order in which they are presented.
	Order []string `json:"order"`
	// Picks are the winners of these categories, the first place first.
	Picks Picks `json:"picks"`
	// Before are the winners that these categories had.
	Before Picks `json:"before"`
	// Turn is how many places had their turn; one more than there are when the
	// presentation is done.
	Turn int `json:"turn"`
	// Names lets people be named who agreed to it when they sent their photo.
	Names bool `json:"names"`
}

// A Turn is one place of one category in a presentation.
type Turn struct {
	Category string `json:"category"`
	Place    int    `json:"place"` // 1 for the first
	ID       string `json:"id"`    // of the submission
}

// Turns are all places in the order of presentation: each category's last
// place first.
func (r *Reveal) Turns() []Turn {
	var turns []Turn
	for _, category := range r.Order {
		ids := r.Picks[category]
		for place := len(ids); place > 0; place-- {
			turns = append(turns, Turn{category, place, ids[place-1]})
		}
	}
	return turns
}

// Told are the places that had their turn.
func (r *Reveal) Told() []Turn {
	turns := r.Turns()
	return turns[:min(r.Turn, len(turns))]
}

// State returns how far the presentation is.
func (r *Reveal) State() RevealState {
	switch {
	case r.Turn == 0:
		return RevealPrepared
	case r.Turn > len(r.Turns()):
		return RevealDone
	}
	return RevealPresenting
}

// revealEvent is the payload of EventRevealUpdated: the state, and the place
// that has its turn, where one has.
type revealEvent struct {
	State RevealState `json:"state"` // "" where the presentation was ended
	Turn  int         `json:"turn"`
	Place *Turn       `json:"place,omitempty"`
}

func (r *Reveal) event() revealEvent {
	e := revealEvent{State: r.State(), Turn: r.Turn}
	if told := r.Told(); e.State == RevealPresenting {
		e.Place = &told[len(told)-1]
	}
	return e
}

// Reveal returns the presentation, or nil where there is none.
func (c *Contest) Reveal() (*Reveal, error) {
	data, err := c.Setting(settingReveal)
	if err != nil || data == nil {
		return nil, err
	}
	return readReveal(data)
}

func readReveal(data []byte) (*Reveal, error) {
	r := &Reveal{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("read the presentation: %w", err)
	}
	return r, nil
}

// PrepareReveal keeps picks to be presented later and tells nobody of them. Of
// each category at most limit ids are kept that name submissions of it that
// everybody sees; the others come back as ignored. order are the categories
// in their order on stage; those of picks that it does not name come behind in
// the contest's own. A presentation under way is not replaced: ErrConflict.
func (c *Contest) PrepareReveal(ctx context.Context, picks Picks, order []string, names bool, limit int) (ignored []string, err error) {
	err = c.Update(ctx, "prepare the presentation", func(tx Tx) error {
		before, err := revealIn(tx)
		if err != nil {
			return err
		}
		if before != nil && before.State() == RevealPresenting {
			return fmt.Errorf("a presentation is under way: %w", ErrConflict)
		}
		kept, passed, err := winnable(tx, picks, func(string) int { return limit })
		if err != nil {
			return err
		}
		ignored = passed
		published, err := tx.Picks()
		if err != nil {
			return err
		}
		r := &Reveal{ID: rand.Text(), Picks: Picks{}, Before: Picks{}, Names: names}
		if r.Order, err = presentable(tx, kept, order); err != nil {
			return err
		}
		for _, category := range r.Order {
			r.Picks[category], r.Before[category] = kept[category], published[category]
		}
		if len(r.Order) == 0 {
			return broken(RuleWinner, "there is no winner to present")
		}
		return saveReveal(tx, r)
	})
	return ignored, err
}

// presentable are the categories of picks that have winners, in that order, the
// contest's own for those that it does not name.
func presentable(tx Tx, picks Picks, order []string) ([]string, error) {
	categories, err := tx.Categories()
	if err != nil {
		return nil, err
	}
	var own []string
	for _, c := range categories {
		own = append(own, c.ID)
	}
	var list []string
	for _, id := range slices.Concat(order, own) {
		if len(picks[id]) > 0 && slices.Contains(own, id) && !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	return list, nil
}

// MoveReveal tells the next place, or takes the last one back, where the
// presentation still is at the turn from: of two who press at the same time
// one gets ErrConflict and nothing is told twice. Places whose submission
// nobody may see any more are passed over. There is no presentation:
// ErrNotFound. It is at its end, or at its beginning: it stays.
func (c *Contest) MoveReveal(ctx context.Context, from int, back bool) (*Reveal, error) {
	var r *Reveal
	err := c.Update(ctx, "go on with the presentation", func(tx Tx) error {
		var err error
		if r, err = revealIn(tx); err != nil {
			return err
		}
		if r == nil {
			return fmt.Errorf("presentation: %w", ErrNotFound)
		}
		if r.Turn != from {
			return fmt.Errorf("the presentation is at turn %d, not at %d: %w", r.Turn, from, ErrConflict)
		}
		moved, err := r.move(tx, back)
		if err != nil || !moved {
			return err
		}
		return saveReveal(tx, r)
	})
	return r, err
}

// move goes to the next turn that can be shown, or to the one before, and
// publishes the categories that it completes, or takes them back. It reports
// whether there was one.
func (r *Reveal) move(tx Tx, back bool) (bool, error) {
	turns := r.Turns()
	visible, err := visible(tx, turns)
	if err != nil {
		return false, err
	}
	before := r.Turn
	for {
		if back && r.Turn == 0 || !back && r.Turn > len(turns) {
			return r.Turn != before, nil
		}
		if back {
			r.Turn--
			if err := r.cross(tx, turns, r.Turn, true); err != nil {
				return false, err
			}
		} else {
			if err := r.cross(tx, turns, r.Turn, false); err != nil {
				return false, err
			}
			r.Turn++
		}
		if r.Turn == 0 || r.Turn > len(turns) || visible[turns[r.Turn-1].ID] {
			return true, nil
		}
	}
}

// cross publishes the winners of the category whose first place is turns[at],
// or takes them back.
func (r *Reveal) cross(tx Tx, turns []Turn, at int, back bool) error {
	if at >= len(turns) || turns[at].Place != 1 {
		return nil
	}
	category := turns[at].Category
	picks := r.Picks[category]
	if back {
		picks = r.Before[category]
	}
	if _, err := setPicks(tx, Picks{category: picks}, func(string) int { return len(picks) }); err != nil {
		return err
	}
	all, err := tx.Picks()
	if err != nil {
		return err
	}
	return announceWinners(tx, all)
}

// visible tells which of the submissions everybody may see, in the category that
// they were picked in.
func visible(tx Tx, turns []Turn) (map[string]bool, error) {
	var ids []string
	for _, t := range turns {
		ids = append(ids, t.ID)
	}
	found, err := tx.Submissions(ids...)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(found))
	for _, t := range turns {
		sub := found[t.ID] // of no status where it was deleted
		seen[t.ID] = sub.Status == Approved && sub.Category == t.Category
	}
	return seen, nil
}

// EndReveal forgets the presentation. What it has told stays told.
func (c *Contest) EndReveal(ctx context.Context) error {
	return c.Update(ctx, "end the presentation", func(tx Tx) error {
		r, err := revealIn(tx)
		if err != nil || r == nil {
			return err
		}
		if err := tx.SetSetting(settingReveal, nil); err != nil {
			return err
		}
		return announce(tx, EventRevealUpdated, "", revealEvent{})
	})
}

func revealIn(tx Tx) (*Reveal, error) {
	data, err := tx.Setting(settingReveal)
	if err != nil || data == nil {
		return nil, err
	}
	return readReveal(data)
}

func saveReveal(tx Tx, r *Reveal) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the presentation: %w", err)
	}
	if err := tx.SetSetting(settingReveal, data); err != nil {
		return err
	}
	return announce(tx, EventRevealUpdated, "", r.event())
}
