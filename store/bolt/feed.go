package bolt

import (
	"bytes"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"podium/contest"
)

// Submissions returns the submissions of a category, newest first, and whether
// there are older ones beyond the limit.
func (s *Store) Submissions(category string, q contest.Query) (list []contest.Submission, more bool, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		list, more, err = s.readPage(tx, category, q)
		return err
	})
	return list, more, err
}

// Feed returns the submissions of every category that there is, in its order,
// all of one moment, with the version of that moment.
func (s *Store) Feed(q contest.Query) (feed []contest.CategoryFeed, version uint64, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		categories, err := readCategories(tx)
		if err != nil {
			return err
		}
		version, _ = readUint64(tx.Bucket(bucketMeta).Get(metaVersion))
		for _, c := range categories {
			list, _, err := s.readPage(tx, c.ID, q)
			if err != nil {
				return err
			}
			feed = append(feed, contest.CategoryFeed{Category: c, Submissions: list})
		}
		return nil
	})
	return feed, version, err
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

// FeedState returns the version and the offset of the last event of the same
// moment, synced or not. Each event moves both by one: where only the version has
// moved, something changed that no event tells of.
func (s *Store) FeedState() (version, last uint64, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		version, _ = readUint64(tx.Bucket(bucketMeta).Get(metaVersion))
		last = tx.Bucket(bucketEvents).Sequence()
		return nil
	})
	return version, last, err
}

// readPage walks the category's part of the index backwards. A record that
// cannot be read costs that submission alone.
func (s *Store) readPage(tx *bolt.Tx, category string, q contest.Query) (list []contest.Submission, more bool, err error) {
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
		end = orderKey(category, before.Sequence)
	}
	err = eachBefore(tx, index, prefix, end, func(id []byte) (bool, error) {
		if q.Limit > 0 && len(list) == q.Limit {
			more = true
			return false, nil
		}
		sub, err := readSubmission(tx, string(id))
		if errors.Is(err, errRecord) {
			s.passOver(string(id))
			return true, nil
		}
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

// WalkFeed calls category for every category that there is, in its order, and
// after each of these calls submission for what Feed lists in it, all of one
// moment, and returns the version of that moment. Neither may use the store. A
// record that Decode fails on may be refused with that error: the others follow.
func (s *Store) WalkFeed(category func(contest.Category) error, submission func(contest.Record) error) (version uint64, err error) {
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
					return false, fmt.Errorf("submission %q of the index: %w", id, contest.ErrNotFound)
				}
				err := submission(contest.Record{Data: data, Read: decodeSubmission})
				if errors.Is(err, errRecord) {
					s.passOver(string(id))
					err = nil
				}
				return true, err
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return version, err
}

// Spans returns the spans of all categories that have submissions, by two
// reads each.
func (s *Store) Spans() (map[string]contest.Span, error) {
	counts, err := s.Counts()
	if err != nil {
		return nil, err
	}
	spans := make(map[string]contest.Span)
	err = s.view(func(tx *bolt.Tx) error {
		for category := range counts {
			newest, _, err := s.readPage(tx, category, contest.Query{All: true, Limit: 1})
			if err != nil {
				return err
			}
			prefix := append([]byte(category), 0)
			key, id := tx.Bucket(bucketOrder).Cursor().Seek(prefix)
			if len(newest) == 0 || !bytes.HasPrefix(key, prefix) {
				continue
			}
			oldest, err := readSubmission(tx, string(id))
			if errors.Is(err, errRecord) {
				oldest, err = newest[0], nil
			}
			if err != nil {
				return err
			}
			spans[category] = contest.Span{Oldest: oldest.CreatedAt, Newest: newest[0].CreatedAt}
		}
		return nil
	})
	return spans, err
}
