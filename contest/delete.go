package contest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Deleting many is done in portions, each a transaction of its own, so that
// others' changes come between. What is to be deleted is noted first, in the
// transaction of the first portion, and the note goes in that of the last, with
// the event that tells of all: a deletion that a crash broke off is finished by
// FinishDeletions.

const (
	// firstPortion and largestPortion are how many submissions a transaction deletes:
	// more where that is quick, and fewer where it takes longer than portionTime, for
	// which others' changes wait.
	firstPortion, largestPortion = 8, 64
	portionTime                  = 8 * time.Millisecond
	// answersEach is how many kept answers are looked at in the time of a submission.
	answersEach = 8
	// toldSingly is how many deleted submissions have an event each.
	toldSingly = 16
	// maxTold is how many ids one event of many holds.
	maxTold = 500
)

// settingDeletion begins the names of the notes.
const settingDeletion = "deletion."

// Removed is the payload of EventSubmissionRemoved.
type Removed struct {
	ID       string `json:"id"`
	Category string `json:"category"`
}

// RemovedMany is the payload of EventSubmissionsRemoved.
type RemovedMany struct {
	Count int      `json:"count"`
	IDs   []string `json:"ids,omitempty"` // left out where they are too many: the feed says what is left
}

// Delete removes submissions for good: records, picks, and what the log and the
// kept answers say of them. It returns those that were there; their pictures are
// the caller's to remove, and those at Cloudinary are in Removals until they are.
// Ids that name none are passed over. A few are told of one by one, many by one
// event. Once it has begun it goes on when ctx ends; where it fails, those that
// it returns are deleted, and FinishDeletions does the rest.
func (c *Contest) Delete(ctx context.Context, ids ...string) (gone []Submission, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d := &deletion{contest: c, portion: firstPortion, wanted: make(map[string]bool, len(ids))}
	for _, id := range ids {
		if !d.wanted[id] {
			d.wanted[id] = true
			d.ids = append(d.ids, id)
		}
	}
	return d.run(context.WithoutCancel(ctx))
}

// FinishDeletions finishes what a crash broke off, and returns the submissions
// that it deleted, as Delete does. It is called before the contest is served.
func (c *Contest) FinishDeletions(ctx context.Context) (gone []Submission, err error) {
	names, err := c.SettingNames(settingDeletion, maxTold)
	for _, name := range names {
		value, readErr := c.Setting(name)
		d := &deletion{contest: c, portion: largestPortion, name: name, broken: true, wanted: map[string]bool{}}
		if readErr == nil {
			readErr = json.Unmarshal(value, &d.ids)
		}
		if err = errors.Join(err, readErr); err != nil {
			return gone, fmt.Errorf("read what was being deleted: %w", err)
		}
		for _, id := range d.ids {
			d.wanted[id] = true
		}
		more, err := d.run(ctx)
		if gone = append(gone, more...); err != nil {
			return gone, err
		}
	}
	return gone, err
}

// deletion is one deletion, however many transactions it takes.
type deletion struct {
	contest *Contest
	ids     []string
	wanted  map[string]bool // the same
	name    string          // of the note; "" as long as there is none
	broken  bool            // a crash broke it off: what was deleted before is not known

	portion int    // how many are deleted at once
	next    int    // the first of ids that may still be there
	answers string // the key of the last answer that was looked at
	gone    []Submission
	removed []Submission // by the running transaction
}

func (d *deletion) run(ctx context.Context) ([]Submission, error) {
	for done := false; !done; {
		var step deletion
		began := time.Now()
		err := d.contest.Update(ctx, "delete submissions", func(tx Tx) (err error) {
			step = *d // a transaction may be run again
			step.removed = nil
			done, err = step.step(tx)
			return err
		})
		if err != nil {
			return d.gone, err
		}
		*d = step
		d.gone = append(d.gone, d.removed...)
		if !done && !d.broken { // else nobody is served yet
			d.rest(time.Since(began))
		}
	}
	return d.gone, nil
}

// rest gives others as much time as the last transaction took, and makes the next one
// as long as they can wait for.
func (d *deletion) rest(took time.Duration) {
	switch {
	case took > 2*portionTime:
		d.portion = max(1, d.portion/2)
	case took < portionTime:
		d.portion = min(largestPortion, 2*d.portion)
	}
	time.Sleep(min(took, 10*portionTime))
}

// step is one transaction: a portion of the submissions or, when none is left, of
// the kept answers.
func (d *deletion) step(tx Tx) (done bool, err error) {
	if d.next < len(d.ids) {
		end := min(d.next+d.portion, len(d.ids))
		if d.removed, err = remove(tx, d.ids[d.next:end]); err != nil {
			return false, err
		}
		if d.next = end; end == len(d.ids) {
			err = d.tell(tx)
		}
		if err != nil {
			return false, err
		}
	}
	if d.next == len(d.ids) {
		if d.answers, err = tx.ForgetAnswers(d.answers, answersEach*d.portion, d.wanted); err != nil {
			return false, err
		}
		done = d.answers == ""
	}
	return done, d.mark(tx, done)
}

// mark keeps the note as long as the deletion is not done.
func (d *deletion) mark(tx Tx, done bool) error {
	switch {
	case done && d.name != "":
		return tx.SetSetting(d.name, nil)
	case done || d.name != "" || len(d.gone)+len(d.removed) == 0:
		return nil
	}
	note, err := json.Marshal(d.ids)
	if err != nil {
		return fmt.Errorf("encode what is deleted: %w", err)
	}
	d.name = settingDeletion + rand.Text()
	return tx.SetSetting(d.name, note)
}

// tell announces what is gone.
func (d *deletion) tell(tx Tx) error {
	if d.broken {
		return announceMany(tx, d.ids)
	}
	all := slices.Concat(d.gone, d.removed)
	if len(all) <= toldSingly {
		for i := range all {
			if err := announceRemoved(tx, Removed{all[i].ID, all[i].Category}); err != nil {
				return err
			}
		}
		return nil
	}
	ids := make([]string, 0, len(all))
	for i := range all {
		ids = append(ids, all[i].ID)
	}
	return announceMany(tx, ids)
}

func announceRemoved(tx Tx, one Removed) error {
	return announce(tx, EventSubmissionRemoved, one.ID, one)
}

func announceMany(tx Tx, ids []string) error {
	many := RemovedMany{Count: len(ids), IDs: ids}
	if len(ids) > maxTold {
		many.IDs = nil
	}
	return announce(tx, EventSubmissionsRemoved, "", many)
}

// remove deletes a portion of submissions, and returns those that were there.
func remove(tx Tx, ids []string) ([]Submission, error) {
	found, err := tx.Submissions(ids...)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	gone := make([]Submission, 0, len(found))
	list := make([]*Submission, 0, len(found))
	for _, id := range ids {
		sub, ok := found[id]
		if !ok {
			continue
		}
		gone = append(gone, sub)
		list = append(list, &sub)
		if err := tx.Delete(&sub); err != nil {
			return nil, err
		}
		if err := tx.Count(sub.Category, sub.Status, -1); err != nil {
			return nil, err
		}
		if sub.Guest != "" {
			if err := forgetGuestSubmission(tx, sub.Guest, sub.ID); err != nil {
				return nil, err
			}
		}
		if sub.CloudID != "" {
			if err := tx.SetSetting(settingRemoval+sub.CloudID, []byte{}); err != nil {
				return nil, err
			}
		}
	}
	return gone, hush(tx, list)
}

// hush takes submissions off what everybody is told: their picks, and what the
// log says of them.
func hush(tx Tx, list []*Submission) error {
	ids := make([]string, 0, len(list))
	for _, sub := range list {
		ids = append(ids, sub.ID)
	}
	if err := tx.Scrub(ids...); err != nil {
		return err
	}
	picks, err := tx.Picks()
	if err != nil {
		return err
	}
	picked := false
	for _, sub := range list {
		one, err := unpick(tx, picks, sub)
		if err != nil {
			return err
		}
		picked = picked || one
	}
	if !picked {
		return nil
	}
	return announceWinners(tx, picks)
}
