package bolt

import (
	"bytes"
	"context"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// SessionRecord is what a real-time session needs to be taken up again. Data
// is the caller's.
type SessionRecord struct {
	ID   string
	At   time.Time // when it was saved
	Data []byte
}

// SaveSessions stores records of real-time sessions, replacing those of the
// same ids.
func (s *Store) SaveSessions(ctx context.Context, records []SessionRecord) error {
	if len(records) == 0 {
		return nil
	}
	return s.update(ctx, "store real-time sessions", func(tx *writeTx) error {
		for _, r := range records {
			value := append(uint64Key(uint64(r.At.UnixMilli())), r.Data...)
			if err := tx.put(bucketSessions, []byte(r.ID), value); err != nil {
				return err
			}
		}
		return nil
	})
}

// Session returns the record of a real-time session, or ErrNotFound.
func (s *Store) Session(id string) (SessionRecord, error) {
	var record SessionRecord
	err := s.view(func(tx *bolt.Tx) error {
		value := tx.Bucket(bucketSessions).Get([]byte(id))
		if value == nil {
			return ErrNotFound
		}
		if len(value) < 8 {
			return errRecord
		}
		at, _ := readUint64(value[:8])
		record = SessionRecord{id, time.UnixMilli(int64(at)), bytes.Clone(value[8:])}
		return nil
	})
	return record, err
}

// TrimSessions drops the records saved before a time, and the oldest ones
// beyond the number to keep.
func (s *Store) TrimSessions(ctx context.Context, before time.Time, keep int) error {
	return s.update(ctx, "trim real-time sessions", func(tx *writeTx) error {
		type entry struct {
			at uint64
			id []byte
		}
		var doomed, kept []entry
		c := tx.Bucket(bucketSessions).Cursor()
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
			if err := tx.delete(bucketSessions, e.id); err != nil {
				return err
			}
		}
		return nil
	})
}
