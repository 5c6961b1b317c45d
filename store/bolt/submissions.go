package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	bolt "go.etcd.io/bbolt"
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
	// Files are the names of the picture's files in the folder of uploads.
	Files []string `json:"files,omitempty"`
	// CloudID is the picture's id in Cloudinary.
	CloudID string `json:"cloudId,omitempty"`
	// Announced: it was sent to everybody as a new one.
	Announced bool `json:"announced,omitempty"`
	// Awaits: its picture is to be sent to Cloudinary. Only Submit looks at it,
	// and notes it in Transfers.
	Awaits bool `json:"-"`

	sequence uint64 // its place in the order of arrival
}

// submissionRecord is a submission as it is stored.
type submissionRecord struct {
	Submission
	Sequence uint64 `json:"sequence"`
}

func encodeSubmission(sub *Submission) ([]byte, error) {
	data, err := json.Marshal(submissionRecord{*sub, sub.sequence})
	if err != nil {
		return nil, fmt.Errorf("encode submission: %w", err)
	}
	return append([]byte{1}, data...), nil
}

func decodeSubmission(data []byte) (Submission, error) {
	if len(data) < 2 || data[0] != 1 {
		return Submission{}, errRecord
	}
	var r submissionRecord
	if err := json.Unmarshal(data[1:], &r); err != nil {
		return Submission{}, fmt.Errorf("%w: %w", errRecord, err)
	}
	r.Submission.sequence = r.Sequence
	return r.Submission, nil
}

// readSubmission returns the submission of that id.
func readSubmission(tx *bolt.Tx, id string) (Submission, error) {
	data := tx.Bucket(bucketSubmissions).Get([]byte(id))
	if data == nil {
		return Submission{}, fmt.Errorf("submission: %w", ErrNotFound)
	}
	return decodeSubmission(data)
}

// orderKey is a submission's key in bucketOrder and bucketFeed.
func orderKey(category string, sequence uint64) []byte {
	key := make([]byte, 0, len(category)+9)
	key = append(key, category...)
	key = append(key, 0)
	return append(key, uint64Key(sequence)...)
}

// Submit stores a new submission, with its event where it is approved, and the
// answer to the request where once names a key. Where that key was used
// before with the same content, nothing is stored and the first answer comes
// back with replayed true; with other content the error is
// ErrIdempotencyMismatch. Errors besides: ErrUnknownCategory, ErrDuplicate.
func (s *Store) Submit(ctx context.Context, sub Submission, once Once, answer []byte) (first []byte, replayed bool, err error) {
	err = s.update(ctx, "store the submission", func(tx *writeTx) error {
		var err error
		if first, replayed, err = tx.answered(once); err != nil || replayed {
			return err
		}
		known, err := hasCategory(tx.Tx, sub.Category)
		if err != nil {
			return err
		}
		if !known {
			return fmt.Errorf("category %q: %w", sub.Category, ErrUnknownCategory)
		}
		if err := tx.insert(sub); err != nil {
			return err
		}
		first = answer
		return tx.keepAnswer(once, answer)
	})
	return first, replayed, err
}

// insert adds a submission and announces it where everybody may see it.
func (t *writeTx) insert(sub Submission) error {
	if sub.ID == "" || t.get(bucketSubmissions, []byte(sub.ID)) != nil {
		return fmt.Errorf("submission id %q: %w", sub.ID, ErrDuplicate)
	}
	sub.Announced = sub.Status == Approved
	if err := t.enter(&sub); err != nil {
		return err
	}
	if sub.Awaits {
		if err := t.put(bucketTransfers, []byte(sub.ID), []byte{}); err != nil {
			return err
		}
	}
	if sub.Status == Approved {
		if err := t.announce(EventNewSubmission, sub.public()); err != nil {
			return err
		}
	}
	return t.save(&sub)
}

// save writes the record of a submission.
func (t *writeTx) save(sub *Submission) error {
	data, err := encodeSubmission(sub)
	if err != nil {
		return err
	}
	return t.put(bucketSubmissions, []byte(sub.ID), data)
}

// count adds delta to the number of submissions of a category and status.
func (t *writeTx) count(category string, status Status, delta int) error {
	key := append(append([]byte(category), 0), status...)
	n, _ := readUint64(t.get(bucketCounts, key))
	return t.put(bucketCounts, key, uint64Key(uint64(int64(n)+int64(delta))))
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

// Counts returns how many submissions there are, without looking at them.
func (s *Store) Counts() (Counts, error) {
	counts := make(Counts)
	err := s.view(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketCounts).ForEach(func(key, value []byte) error {
			category, status, ok := bytes.Cut(key, []byte{0})
			n, isNumber := readUint64(value)
			if !ok || !isNumber {
				return errRecord
			}
			if counts[string(category)] == nil {
				counts[string(category)] = make(map[Status]int)
			}
			counts[string(category)][Status(status)] = int(n)
			return nil
		})
	})
	return counts, err
}

// Submission returns the submission of that id, or ErrNotFound.
func (s *Store) Submission(id string) (Submission, error) {
	var sub Submission
	err := s.view(func(tx *bolt.Tx) error {
		var err error
		sub, err = readSubmission(tx, id)
		return err
	})
	return sub, err
}

// SetStatus changes who sees a submission, announces that, and returns the
// submission as it is now. One that everybody sees for the first time is
// announced as new. A hidden one loses its picks.
func (s *Store) SetStatus(ctx context.Context, id string, status Status) (Submission, error) {
	var sub Submission
	err := s.update(ctx, "change the submission's status", func(tx *writeTx) error {
		var err error
		sub, err = readSubmission(tx.Tx, id)
		if err != nil || sub.Status == status {
			return err
		}
		before := sub.Status
		if err := tx.count(sub.Category, before, -1); err != nil {
			return err
		}
		if err := tx.count(sub.Category, status, 1); err != nil {
			return err
		}
		sub.Status = status
		key := orderKey(sub.Category, sub.sequence)
		switch {
		case status == Approved:
			event := EventSubmissionUpdated
			if !sub.Announced {
				event, sub.Announced = EventNewSubmission, true
			}
			if err := tx.put(bucketFeed, key, []byte(id)); err != nil {
				return err
			}
			if err := tx.announce(event, sub.public()); err != nil {
				return err
			}
		case before == Approved:
			if err := tx.delete(bucketFeed, key); err != nil {
				return err
			}
			if err := tx.retract(&sub); err != nil {
				return err
			}
		}
		return tx.save(&sub)
	})
	return sub, err
}

// retract takes a submission off everybody's pages: its picks, and what the
// log says of it.
func (t *writeTx) retract(sub *Submission) error {
	if err := t.scrub(sub.ID); err != nil {
		return err
	}
	if err := t.unpick(sub.Category, sub.ID); err != nil {
		return err
	}
	return t.announce(EventSubmissionRemoved, struct {
		ID       string `json:"id"`
		Category string `json:"category"`
	}{sub.ID, sub.Category})
}

// SetPicture changes where a submission's picture is, ends its wait for
// Cloudinary, and announces it where everybody sees the submission.
func (s *Store) SetPicture(ctx context.Context, id string, change func(*Submission)) (Submission, error) {
	var sub Submission
	err := s.update(ctx, "change the submission's picture", func(tx *writeTx) error {
		var err error
		if sub, err = readSubmission(tx.Tx, id); err != nil {
			return err
		}
		change(&sub)
		if err := tx.delete(bucketTransfers, []byte(id)); err != nil {
			return err
		}
		if sub.Status == Approved {
			if err := tx.announce(EventSubmissionUpdated, sub.public()); err != nil {
				return err
			}
		}
		return tx.save(&sub)
	})
	return sub, err
}

// Delete removes submissions for good: records, picks, and what the log says
// of them. It returns those that were there; their pictures are the caller's
// to remove, and those at Cloudinary are in Removals until they are. Ids that name
// none are passed over.
func (s *Store) Delete(ctx context.Context, ids ...string) ([]Submission, error) {
	var gone []Submission
	err := s.update(ctx, "delete submissions", func(tx *writeTx) error {
		gone = gone[:0]
		for _, id := range ids {
			data := tx.get(bucketSubmissions, []byte(id))
			if data == nil {
				continue
			}
			sub, err := decodeSubmission(data)
			if err != nil {
				return err
			}
			if err := tx.remove(&sub); err != nil {
				return err
			}
			gone = append(gone, sub)
		}
		return nil
	})
	return gone, err
}

// remove deletes one submission.
func (t *writeTx) remove(sub *Submission) error {
	key := orderKey(sub.Category, sub.sequence)
	for _, entry := range []struct{ bucket, key []byte }{
		{bucketSubmissions, []byte(sub.ID)}, {bucketOrder, key}, {bucketFeed, key}, {bucketTransfers, []byte(sub.ID)},
	} {
		if err := t.delete(entry.bucket, entry.key); err != nil {
			return err
		}
	}
	if sub.CloudID != "" {
		if err := t.put(bucketSettings, []byte(settingRemoval+sub.CloudID), []byte{}); err != nil {
			return err
		}
	}
	if err := t.count(sub.Category, sub.Status, -1); err != nil {
		return err
	}
	if err := t.forgetAnswers(sub.ID); err != nil {
		return err
	}
	return t.retract(sub)
}

// ByPhone returns the ids of the submissions whose phone number has the same
// digits. It looks at every submission.
func (s *Store) ByPhone(phone string) ([]string, error) {
	want := digits(phone)
	if want == "" {
		return nil, fmt.Errorf("%w: the phone number has no digits", ErrInvalid)
	}
	var ids []string
	err := s.Each(func(sub Submission) bool {
		if digits(sub.Phone) == want {
			ids = append(ids, sub.ID)
		}
		return true
	})
	return ids, err
}

// Each calls f for every submission, in no particular order, until f returns
// false. All are of one moment.
func (s *Store) Each(f func(Submission) bool) error {
	return s.view(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketSubmissions).Cursor()
		for id, data := c.First(); id != nil; id, data = c.Next() {
			sub, err := decodeSubmission(data)
			if err != nil {
				return fmt.Errorf("submission %q: %w", id, err)
			}
			if !f(sub) {
				return nil
			}
		}
		return nil
	})
}

// digits are the digits of a phone number.
func digits(phone string) string {
	kept := make([]byte, 0, len(phone))
	for i := range len(phone) {
		if phone[i] >= '0' && phone[i] <= '9' {
			kept = append(kept, phone[i])
		}
	}
	return string(kept)
}

// Transfers returns the ids of at most limit submissions whose pictures are to
// be sent to Cloudinary, and how many there are in all.
func (s *Store) Transfers(limit int) (ids []string, all int, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketTransfers)
		all = b.Stats().KeyN
		c := b.Cursor()
		for id, _ := c.First(); id != nil && len(ids) < limit; id, _ = c.Next() {
			ids = append(ids, string(id))
		}
		return nil
	})
	return ids, all, err
}
