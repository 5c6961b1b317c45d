package bolt

import (
	"bytes"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// Query says which submissions of a category are wanted.
type Query struct {
	// All includes those that only admins see.
	All bool
	// Limit bounds their number; 0 is no bound.
	Limit int
	// Before, when not empty, is the id of a submission: only older ones are wanted.
	Before string
	// Since, when not 0, leaves out what was not created after it (milliseconds
	// since the Unix epoch).
	Since int64
}

// Submissions returns the submissions of a category, newest first, and whether
// there are older ones beyond the limit.
func (s *Store) Submissions(category string, q Query) (list []Submission, more bool, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		list, more, err = readPage(tx, category, q)
		return err
	})
	return list, more, err
}

// Feed returns the submissions of every category that there is, in its order,
// all of one moment, with the version of that moment.
func (s *Store) Feed(q Query) (feed []CategoryFeed, version uint64, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		categories, err := readCategories(tx)
		if err != nil {
			return err
		}
		version, _ = readUint64(tx.Bucket(bucketMeta).Get(metaVersion))
		for _, c := range categories {
			list, _, err := readPage(tx, c.ID, q)
			if err != nil {
				return err
			}
			feed = append(feed, CategoryFeed{c, list})
		}
		return nil
	})
	return feed, version, err
}

// CategoryFeed is a category with its submissions, newest first.
type CategoryFeed struct {
	Category    Category
	Submissions []Submission
}

// Version grows whenever anything that everybody sees changes. Together with
// the epoch it names a state of the feed.
func (s *Store) Version() (uint64, error) {
	var version uint64
	err := s.view(func(tx *bolt.Tx) error {
		version, _ = readUint64(tx.Bucket(bucketMeta).Get(metaVersion))
		return nil
	})
	return version, err
}

// readPage walks the category's part of the index backwards.
func readPage(tx *bolt.Tx, category string, q Query) (list []Submission, more bool, err error) {
	index := bucketFeed
	if q.All {
		index = bucketOrder
	}
	prefix := append([]byte(category), 0)
	end := append([]byte(category), 1) // the first key after the category's
	if q.Before != "" {
		before, err := readSubmission(tx, q.Before)
		if err != nil {
			return nil, false, err
		}
		end = orderKey(category, before.sequence)
	}
	err = eachBefore(tx, index, prefix, end, func(id []byte) (bool, error) {
		if q.Limit > 0 && len(list) == q.Limit {
			more = true
			return false, nil
		}
		sub, err := readSubmission(tx, string(id))
		if err != nil {
			return false, fmt.Errorf("submission %q of the index: %w", id, err)
		}
		if q.Since > 0 && sub.CreatedAt <= q.Since {
			return true, nil
		}
		list = append(list, sub)
		return true, nil
	})
	if err != nil {
		return nil, false, err
	}
	return list, more, nil
}

// eachBefore calls f for the submissions whose keys in the index begin with prefix
// and are less than end, the last key first, until f returns false.
func eachBefore(tx *bolt.Tx, index, prefix, end []byte, f func(id []byte) (bool, error)) error {
	c := tx.Bucket(index).Cursor()
	key, id := c.Seek(end)
	if key == nil {
		key, id = c.Last()
	}
	for ; key != nil && bytes.Compare(key, end) >= 0; key, id = c.Prev() {
		continue
	}
	for ; key != nil && bytes.HasPrefix(key, prefix); key, id = c.Prev() {
		if next, err := f(id); err != nil || !next {
			return err
		}
	}
	return nil
}

// Record is a submission as it is stored.
type Record struct{ data []byte }

// Bytes are the record's, valid until the function that was given it returns.
// Two records of the same bytes are the same submission.
func (r Record) Bytes() []byte { return r.data }

// Decode returns the submission.
func (r Record) Decode() (Submission, error) { return decodeSubmission(r.data) }

// WalkFeed calls category for every category that there is, in its order, and
// after each of these calls submission for what Feed lists in it, all of one
// moment, and returns the version of that moment. Neither may use the store.
func (s *Store) WalkFeed(category func(Category) error, submission func(Record) error) (version uint64, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		categories, err := readCategories(tx)
		if err != nil {
			return err
		}
		version, _ = readUint64(tx.Bucket(bucketMeta).Get(metaVersion))
		records := tx.Bucket(bucketSubmissions)
		for _, one := range categories {
			if err := category(one); err != nil {
				return err
			}
			prefix, end := append([]byte(one.ID), 0), append([]byte(one.ID), 1)
			if err := eachBefore(tx, bucketFeed, prefix, end, func(id []byte) (bool, error) {
				data := records.Get(id)
				if data == nil {
					return false, fmt.Errorf("submission %q of the index: %w", id, ErrNotFound)
				}
				return true, submission(Record{data})
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return version, err
}

// Span is when the oldest and the newest submission of a category were
// created, or zeros where there is none.
type Span struct{ Oldest, Newest int64 }

// Spans returns the spans of all categories that have submissions, by two
// reads each.
func (s *Store) Spans() (map[string]Span, error) {
	counts, err := s.Counts()
	if err != nil {
		return nil, err
	}
	spans := make(map[string]Span)
	err = s.view(func(tx *bolt.Tx) error {
		for category := range counts {
			newest, _, err := readPage(tx, category, Query{All: true, Limit: 1})
			if err != nil {
				return err
			}
			prefix := append([]byte(category), 0)
			key, id := tx.Bucket(bucketOrder).Cursor().Seek(prefix)
			if len(newest) == 0 || !bytes.HasPrefix(key, prefix) {
				continue
			}
			oldest, err := readSubmission(tx, string(id))
			if err != nil {
				return err
			}
			spans[category] = Span{oldest.CreatedAt, newest[0].CreatedAt}
		}
		return nil
	})
	return spans, err
}
