package bolt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"podium/contest"
)

// submissionRecord is a submission as it is stored.
type submissionRecord struct {
	contest.Submission
	Sequence uint64 `json:"sequence"`
}

func encodeSubmission(sub *contest.Submission) ([]byte, error) {
	data, err := json.Marshal(submissionRecord{*sub, sub.Sequence})
	if err != nil {
		return nil, fmt.Errorf("encode submission: %w", err)
	}
	return append([]byte{1}, data...), nil
}

func decodeSubmission(data []byte) (contest.Submission, error) {
	if len(data) < 2 || data[0] != 1 {
		return contest.Submission{}, errRecord
	}
	var r submissionRecord
	if err := json.Unmarshal(data[1:], &r); err != nil {
		return contest.Submission{}, fmt.Errorf("%w: %w", errRecord, err)
	}
	r.Submission.Sequence = r.Sequence
	return r.Submission, nil
}

// readSubmission returns the submission of that id.
func readSubmission(tx *bolt.Tx, id string) (contest.Submission, error) {
	data := tx.Bucket(bucketSubmissions).Get([]byte(id))
	if data == nil {
		return contest.Submission{}, fmt.Errorf("submission: %w", contest.ErrNotFound)
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

// Taken returns those of the ids that name submissions.
func (t *writeTx) Taken(ids ...string) (map[string]bool, error) {
	taken := make(map[string]bool)
	for _, id := range ids {
		if id != "" && t.get(bucketSubmissions, []byte(id)) != nil {
			taken[id] = true
		}
	}
	return taken, nil
}

// Submissions returns the submissions of those ids that name one.
func (t *writeTx) Submissions(ids ...string) (map[string]contest.Submission, error) {
	found := make(map[string]contest.Submission, len(ids))
	for _, id := range ids {
		data := t.get(bucketSubmissions, []byte(id))
		if data == nil {
			continue
		}
		sub, err := decodeSubmission(data)
		if err != nil {
			return nil, fmt.Errorf("submission %q: %w", id, err)
		}
		found[id] = sub
	}
	return found, nil
}

// Insert adds submissions in this order.
func (t *writeTx) Insert(list ...*contest.Submission) error {
	for _, sub := range list {
		if err := t.enter(sub); err != nil {
			return err
		}
	}
	if len(list) == 1 {
		return t.save(list[0])
	}
	// A transaction keeps the keys of a page that it changes in one sorted
	// list, however long: in their order they go to its end.
	list = slices.SortedFunc(slices.Values(list), func(a, b *contest.Submission) int { return strings.Compare(a.ID, b.ID) })
	for _, sub := range list {
		if err := t.save(sub); err != nil {
			return err
		}
	}
	return nil
}

// enter gives a submission its place in the indexes.
func (t *writeTx) enter(sub *contest.Submission) error {
	t.touched = true
	sequence, err := t.Bucket(bucketOrder).NextSequence()
	if err != nil {
		return err
	}
	sub.Sequence = sequence
	return t.index(sub)
}

// index puts a submission into the indexes, by its place.
func (t *writeTx) index(sub *contest.Submission) error {
	key := orderKey(sub.Category, sub.Sequence)
	if err := t.put(bucketOrder, key, []byte(sub.ID)); err != nil {
		return err
	}
	if sub.Status != contest.Approved {
		return nil
	}
	return t.put(bucketFeed, key, []byte(sub.ID))
}

// save writes the record of a submission.
func (t *writeTx) save(sub *contest.Submission) error {
	data, err := encodeSubmission(sub)
	if err != nil {
		return err
	}
	return t.put(bucketSubmissions, []byte(sub.ID), data)
}

// Replace stores a submission anew, and moves it into the feed or out of it, or
// from one category to another.
func (t *writeTx) Replace(sub, before *contest.Submission) error {
	moved := sub.Category != before.Category
	was, is := before.Status == contest.Approved, sub.Status == contest.Approved
	key := orderKey(before.Category, sub.Sequence)
	if moved {
		if err := t.delete(bucketOrder, key); err != nil {
			return err
		}
	}
	if was && (moved || !is) {
		if err := t.delete(bucketFeed, key); err != nil {
			return err
		}
	}
	if moved || is && !was {
		if err := t.index(sub); err != nil {
			return err
		}
	}
	return t.save(sub)
}

// Delete removes a submission from everywhere that its id is a key or a value.
func (t *writeTx) Delete(sub *contest.Submission) error {
	key := orderKey(sub.Category, sub.Sequence)
	for _, entry := range []struct{ bucket, key []byte }{
		{bucketSubmissions, []byte(sub.ID)}, {bucketOrder, key}, {bucketFeed, key}, {bucketTransfers, []byte(sub.ID)},
	} {
		if err := t.delete(entry.bucket, entry.key); err != nil {
			return err
		}
	}
	return nil
}

// Count adds delta to the number of submissions of a category and status.
func (t *writeTx) Count(category string, status contest.Status, delta int) error {
	key := append(append([]byte(category), 0), status...)
	n, _ := readUint64(t.get(bucketCounts, key))
	return t.put(bucketCounts, key, uint64Key(uint64(int64(n)+int64(delta))))
}

// AddTransfer notes that a picture is to be sent to Cloudinary.
func (t *writeTx) AddTransfer(id string) error { return t.put(bucketTransfers, []byte(id), []byte{}) }

// EndTransfer notes that it is not any more.
func (t *writeTx) EndTransfer(id string) error { return t.delete(bucketTransfers, []byte(id)) }

// Counts returns how many submissions there are, without looking at them.
func (s *Store) Counts() (contest.Counts, error) {
	counts := make(contest.Counts)
	err := s.view(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketCounts).ForEach(func(key, value []byte) error {
			category, status, ok := bytes.Cut(key, []byte{0})
			n, isNumber := readUint64(value)
			if !ok || !isNumber {
				return errRecord
			}
			if counts[string(category)] == nil {
				counts[string(category)] = make(map[contest.Status]int)
			}
			counts[string(category)][contest.Status(status)] = int(n)
			return nil
		})
	})
	return counts, err
}

// Submission returns the submission of that id, or ErrNotFound.
func (s *Store) Submission(id string) (contest.Submission, error) {
	var sub contest.Submission
	err := s.view(func(tx *bolt.Tx) error {
		var err error
		sub, err = readSubmission(tx, id)
		return err
	})
	return sub, err
}

// Named returns the submissions of those ids that name one that can be read.
func (s *Store) Named(ids ...string) (map[string]contest.Submission, error) {
	found := make(map[string]contest.Submission, len(ids))
	err := s.view(func(tx *bolt.Tx) error {
		for _, id := range ids {
			sub, err := readSubmission(tx, id)
			switch {
			case err == nil:
				found[id] = sub
			case !errors.Is(err, contest.ErrNotFound):
				s.passOver(id)
			}
		}
		return nil
	})
	return found, err
}

// Page returns at most limit submissions whose ids come after the given one.
func (s *Store) Page(after string, limit int) (list []contest.Submission, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		return portion(tx.Bucket(bucketSubmissions).Cursor(), []byte(after), func(id, data []byte) (bool, error) {
			if len(list) >= limit {
				return false, nil
			}
			if sub, err := decodeSubmission(data); err == nil && sub.ID == string(id) {
				list = append(list, sub)
			} else {
				s.passOver(string(id))
			}
			return true, nil
		})
	})
	return list, err
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
