package bolt

import (
	"bytes"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"podium/contest"
)

// SaveSessions stores records of real-time sessions.
func (t *writeTx) SaveSessions(records []contest.SessionRecord) error {
	for _, r := range records {
		value := append(uint64Key(uint64(r.At.UnixMilli())), r.Data...)
		if err := t.put(bucketSessions, []byte(r.ID), value); err != nil {
			return err
		}
	}
	return nil
}

// Session returns the record of a real-time session, or ErrNotFound.
func (s *Store) Session(id string) (contest.SessionRecord, error) {
	var record contest.SessionRecord
	err := s.view(func(tx *bolt.Tx) error {
		value := tx.Bucket(bucketSessions).Get([]byte(id))
		if value == nil {
			return contest.ErrNotFound
		}
		if len(value) < 8 {
			return errRecord
		}
		at, _ := readUint64(value[:8])
		record = contest.SessionRecord{ID: id, At: time.UnixMilli(int64(at)), Data: bytes.Clone(value[8:])}
		return nil
	})
	return record, err
}

// Sessions returns how many real-time sessions are kept, which clients that were
// away take up again.
func (s *Store) Sessions() (n int, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		n = tx.Bucket(bucketSessions).Stats().KeyN
		return nil
	})
	return n, err
}

// TrimSessions drops records.
func (t *writeTx) TrimSessions(before time.Time, keep int) error {
	type entry struct {
		at uint64
		id []byte
	}
	var doomed, kept []entry
	c := t.Bucket(bucketSessions).Cursor()
	for id, value := c.First(); id != nil; id, value = c.Next() {
		e := entry{id: bytes.Clone(id)}
		if len(value) >= 8 {
			e.at, _ = readUint64(value[:8])
		}
		if int64(e.at) < before.UnixMilli() {
			doomed = append(doomed, e)
		} else {
			kept = append(kept, e)
		}
	}
	if len(kept) > keep {
		slices.SortFunc(kept, func(a, b entry) int { return int(int64(a.at) - int64(b.at)) })
		doomed = append(doomed, kept[:len(kept)-keep]...)
	}
	for _, e := range doomed {
		if err := t.delete(bucketSessions, e.id); err != nil {
			return err
		}
	}
	return nil
}
