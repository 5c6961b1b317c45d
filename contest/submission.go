package contest

import (
	"context"
	"fmt"
	"slices"
)

// Status says who sees a submission.
type Status string

// The statuses.
const (
	Approved Status = "approved" // everybody
	Waiting  Status = "waiting"  // admins, until one approves it
	Hidden   Status = "hidden"   // admins
)

// Image is one size of a submission's picture.
type Image struct {
	URL    string `json:"url"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// Submission is an entry of the contest. Its text is plain: nothing in it is
// escaped for any use.
type Submission struct {
	ID            string  `json:"id"`
	SubmissionID  string  `json:"submissionId"`
	Category      string  `json:"category"`
	Caption       string  `json:"caption"`
	Name          string  `json:"name"`
	Phone         string  `json:"phone"`
	ImageURL      *string `json:"imageUrl"` // nil for none
	StorageMethod string  `json:"storageMethod"`
	CreatedAt     int64   `json:"createdAt"` // milliseconds since the Unix epoch
	Status        Status  `json:"status"`
	Images        []Image `json:"images,omitempty"` // the picture's sizes, smallest first
	// Place is the place that it had among the winners when it was hidden, 1 for
	// the first: it has it again when it is approved.
	Place int `json:"place,omitempty"`
	// Credit: its sender agreed to be named if it wins.
	Credit bool `json:"credit,omitempty"`
	// Guest tells who sent it from others, as long as their phone keeps its secret:
	// a hash of that. "" where it sent none.
	Guest string `json:"guest,omitempty"`
	// Files are the names of the picture's files in the folder of uploads.
	Files []string `json:"files,omitempty"`
	// CloudID is the picture's id where it is kept elsewhere than on a machine: in
	// Cloudinary, or in a bucket (see BucketID).
	CloudID string `json:"cloudId,omitempty"`
	// Announced: it was sent to everybody as a new one.
	Announced bool `json:"announced,omitempty"`
	// Awaits: its picture is to be sent to Cloudinary. Only Submit looks at it,
	// and notes it in Transfers.
	Awaits bool `json:"-"`
	// Sequence is its place in the order of arrival. The store gives it.
	Sequence uint64 `json:"-"`
}

// Public is what everybody may know of a submission.
type Public struct {
	ID        string  `json:"id"`
	Category  string  `json:"category"`
	Caption   string  `json:"caption"`
	ImageURL  *string `json:"imageUrl"`
	CreatedAt int64   `json:"createdAt"`
	Artist    string  `json:"artist"`
	Images    []Image `json:"images,omitempty"`
}

// Artist is what everybody who submitted something is called in public.
const Artist = "Anonymous Artist"

// Public is the part of the submission for everybody.
func (sub *Submission) Public() Public {
	return Public{
		ID: sub.ID, Category: sub.Category, Caption: sub.Caption, ImageURL: sub.ImageURL,
		CreatedAt: sub.CreatedAt, Artist: Artist, Images: sub.Images,
	}
}

// Counts are numbers of submissions by category and status.
type Counts map[string]map[Status]int

// Total is the number of all submissions.
func (c Counts) Total() int {
	n := 0
	for category := range c {
		for _, k := range c[category] {
			n += k
		}
	}
	return n
}

// Submit stores a new submission, with its event where it is approved, and the
// answer to the request where once names a key. Where that key was used
// before with the same content, nothing is stored and the first answer comes
// back with replayed true; with other content the error is
// ErrIdempotencyMismatch. Errors besides: ErrUnknownCategory, ErrDuplicate, ErrTooMany.
func (c *Contest) Submit(ctx context.Context, sub Submission, once Once, answer []byte) (first []byte, replayed bool, err error) {
	err = c.Update(ctx, "store the submission", func(tx Tx) error {
		var err error
		if first, replayed, err = answered(tx, once); err != nil || replayed {
			return err
		}
		if err := admissible(tx, &sub); err != nil {
			return err
		}
		if sub.Guest != "" {
			if err := addGuestSubmission(tx, sub.Guest, sub.ID); err != nil {
				return err
			}
		}
		if err := insert(tx, sub); err != nil {
			return err
		}
		first = answer
		return keepAnswer(tx, once, sub.ID, answer)
	})
	return first, replayed, err
}

// admissible reports why a submission cannot be stored.
func admissible(tx Tx, sub *Submission) error {
	categories, err := tx.Categories()
	if err != nil {
		return err
	}
	if !hasCategory(categories, sub.Category) {
		return fmt.Errorf("category %q: %w", sub.Category, ErrUnknownCategory)
	}
	taken, err := tx.Taken(sub.ID)
	if err == nil && (sub.ID == "" || taken[sub.ID]) {
		err = fmt.Errorf("submission id %q: %w", sub.ID, ErrDuplicate)
	}
	return err
}

// insert adds a submission and announces it where everybody may see it.
func insert(tx Tx, sub Submission) error {
	sub.Announced = sub.Status == Approved
	if err := tx.Insert(&sub); err != nil {
		return err
	}
	if err := tx.Count(sub.Category, sub.Status, 1); err != nil {
		return err
	}
	if sub.Awaits {
		if err := tx.AddTransfer(sub.ID); err != nil {
			return err
		}
	}
	if sub.Status != Approved {
		return nil
	}
	return announce(tx, EventNewSubmission, sub.ID, sub.Public())
}

// find returns one submission, or ErrNotFound.
func find(tx Tx, id string) (Submission, error) {
	found, err := tx.Submissions(id)
	if err != nil {
		return Submission{}, err
	}
	sub, ok := found[id]
	if !ok {
		return Submission{}, fmt.Errorf("submission: %w", ErrNotFound)
	}
	return sub, nil
}

// SetStatus changes who sees a submission, announces that, and returns the
// submission as it is now. One that everybody sees for the first time is
// announced as new. A hidden one is no winner, and has its place again when it
// is approved, where fewer than limit others of its category won meanwhile.
func (c *Contest) SetStatus(ctx context.Context, id string, status Status, limit int) (Submission, error) {
	var sub Submission
	err := c.Update(ctx, "change the submission's status", func(tx Tx) error {
		var err error
		sub, err = find(tx, id)
		if err != nil || sub.Status == status {
			return err
		}
		return setStatus(tx, &sub, status, limit)
	})
	return sub, err
}

func setStatus(tx Tx, sub *Submission, status Status, limit int) error {
	picks, err := tx.Picks()
	if err != nil {
		return err
	}
	place := 0 // that it has now, or is to have again
	if sub.Status == Approved {
		place = slices.Index(picks[sub.Category], sub.ID) + 1
	} else if status == Approved {
		place = sub.Place
	}
	return setStatusAt(tx, sub, status, place, limit)
}

// setStatusAt is setStatus of a submission whose place among the winners, which it
// leaves or has again, is known; 0 is none.
func setStatusAt(tx Tx, sub *Submission, status Status, place, limit int) error {
	before := *sub
	switch {
	case status == Approved:
		sub.Place = 0
	case before.Status == Approved:
		sub.Place = place
	}
	if err := tx.Count(sub.Category, before.Status, -1); err != nil {
		return err
	}
	if err := tx.Count(sub.Category, status, 1); err != nil {
		return err
	}
	sub.Status = status
	event := EventSubmissionUpdated
	if status == Approved && !sub.Announced {
		event, sub.Announced = EventNewSubmission, true
	}
	if err := tx.Replace(sub, &before); err != nil {
		return err
	}
	switch {
	case status == Approved:
		if err := announce(tx, event, sub.ID, sub.Public()); err != nil {
			return err
		}
		return repick(tx, sub, place, limit)
	case before.Status == Approved:
		return retract(tx, sub)
	}
	return nil
}

// retract takes a submission off everybody's pages: its picks, and what the log
// says of it.
func retract(tx Tx, sub *Submission) error {
	if err := hush(tx, []*Submission{sub}); err != nil {
		return err
	}
	return announceRemoved(tx, Removed{sub.ID, sub.Category})
}

// SetPicture changes where a submission's picture is, ends its wait for
// Cloudinary, and announces it where everybody sees the submission.
func (c *Contest) SetPicture(ctx context.Context, id string, change func(*Submission)) (Submission, error) {
	var sub Submission
	err := c.Update(ctx, "change the submission's picture", func(tx Tx) error {
		var err error
		if sub, err = find(tx, id); err != nil {
			return err
		}
		before := sub
		change(&sub)
		if err := tx.EndTransfer(id); err != nil {
			return err
		}
		if err := tx.Replace(&sub, &before); err != nil {
			return err
		}
		if sub.Status != Approved {
			return nil
		}
		return announce(tx, EventSubmissionUpdated, id, sub.Public())
	})
	return sub, err
}

// page is how many submissions Each reads at a time.
const page = 256

// Each calls f for every submission, in the order of their ids, until f returns
// false. It reads page by page, holds nothing meanwhile and f may take its
// time: one that is there from beginning to end is seen once, and what is
// added or deleted meanwhile may be seen or not.
func (c *Contest) Each(f func(Submission) bool) error { return Each(c.Store, f) }

// Each is [Contest.Each] for a store.
func Each(s Store, f func(Submission) bool) error {
	for after := ""; ; {
		list, err := s.Page(after, page)
		if err != nil {
			return err
		}
		for i := range list {
			if !f(list[i]) {
				return nil
			}
		}
		if len(list) < page {
			return nil
		}
		after = list[len(list)-1].ID
	}
}
