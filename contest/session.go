package contest

import (
	"context"
	"time"
)

// SessionRecord is what a real-time session needs to be taken up again. Data
// is the caller's.
type SessionRecord struct {
	ID   string
	At   time.Time // when it was saved, to the millisecond
	Data []byte
}

// SaveSessions stores records of real-time sessions, replacing those of the
// same ids.
func (c *Contest) SaveSessions(ctx context.Context, records []SessionRecord) error {
	if len(records) == 0 {
		return nil
	}
	return c.Update(ctx, "store real-time sessions", func(tx Tx) error { return tx.SaveSessions(records) })
}

// TrimSessions drops the records saved before a time, and the oldest ones
// beyond the number to keep.
func (c *Contest) TrimSessions(ctx context.Context, before time.Time, keep int) error {
	return c.Update(ctx, "trim real-time sessions", func(tx Tx) error { return tx.TrimSessions(before, keep) })
}
