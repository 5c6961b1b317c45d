package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"podium/protocol/socketio"
)

// journal is a log and a store of sessions in one bbolt file. It is safe for concurrent use.
type journal struct {
	db    *bbolt.DB
	epoch string // names the log's history
	key   []byte // signs the ids of sessions
}

var (
	_ socketio.Appender     = (*journal)(nil)
	_ socketio.SessionStore = (*journal)(nil)
)

// The buckets: events by offset, sessions by socket id, and what identifies the file.
var (
	eventBucket    = []byte("events")
	sessionBucket  = []byte("sessions")
	identityBucket = []byte("identity")
)

// keep is how many events the file has. Clients that missed more begin a new session.
const keep = 10_000

// open opens a file, or makes it. Who puts a copy of before in its place deletes the bucket
// "identity" from it: offsets that clients had since then must not be taken for those to come.
func open(path string) (*journal, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	j := &journal{db: db}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{eventBucket, sessionBucket, identityBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		b := tx.Bucket(identityBucket)
		if b.Get([]byte("epoch")) == nil {
			if err := b.Put([]byte("epoch"), []byte(rand.Text())); err != nil {
				return err
			}
			if err := b.Put([]byte("key"), []byte(rand.Text())); err != nil {
				return err
			}
		}
		j.epoch, j.key = string(b.Get([]byte("epoch"))), bytes.Clone(b.Get([]byte("key")))
		return nil
	})
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("prepare %s: %w", path, err)
	}
	return j, nil
}

// offsetKey sorts as offsets do.
func offsetKey(offset uint64) []byte { return binary.BigEndian.AppendUint64(nil, offset) }

// Append implements [socketio.Appender]. An event is on disk when it returns.
func (j *journal) Append(ctx context.Context, entries []socketio.Entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	tx, err := j.db.Begin(true)
	if err != nil {
		return fmt.Errorf("append events: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	b := tx.Bucket(eventBucket)
	for i := range entries {
		if err := put(b, &entries[i]); err != nil {
			return fmt.Errorf("append an event: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("%w: %w", socketio.ErrOutcome, err) // it may be on disk or not
	}
	return nil
}

// put gives an entry the next offset and stores it, in the place of the oldest where there
// are too many. It is written as gob, which keeps arguments byte for byte; JSON would not.
func put(b *bbolt.Bucket, e *socketio.Entry) error {
	offset, err := b.NextSequence()
	if err != nil {
		return err
	}
	e.Offset = offset
	var value bytes.Buffer
	if err := gob.NewEncoder(&value).Encode(e); err != nil {
		return err
	}
	if offset > keep {
		if err := b.Delete(offsetKey(offset - keep)); err != nil {
			return err
		}
	}
	return b.Put(offsetKey(offset), value.Bytes())
}

// Read implements [socketio.Log].
func (j *journal) Read(_ context.Context, after uint64, limit int) (entries []socketio.Entry, at socketio.Position, err error) {
	err = j.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(eventBucket)
		at = socketio.Position{Epoch: j.epoch, First: 1, Last: b.Sequence()}
		if at.Last > keep {
			at.First = at.Last - keep + 1
		}
		c := b.Cursor()
		for k, v := c.Seek(offsetKey(after + 1)); k != nil && len(entries) < limit; k, v = c.Next() {
			var e socketio.Entry
			if err := gob.NewDecoder(bytes.NewReader(v)).Decode(&e); err != nil {
				return fmt.Errorf("event %d: %w", binary.BigEndian.Uint64(k), err)
			}
			entries = append(entries, e)
		}
		return nil
	})
	return entries, at, err
}

// SaveSessions implements [socketio.SessionStore].
func (j *journal) SaveSessions(_ context.Context, records []socketio.SessionRecord) error {
	return j.db.Update(func(tx *bbolt.Tx) error {
		for _, r := range records {
			value, err := json.Marshal(r)
			if err != nil {
				return fmt.Errorf("session %s: %w", r.ID, err)
			}
			if err := tx.Bucket(sessionBucket).Put([]byte(r.ID), value); err != nil {
				return err
			}
		}
		return nil
	})
}

// LoadSession implements [socketio.SessionStore].
func (j *journal) LoadSession(_ context.Context, id string) (r socketio.SessionRecord, found bool, err error) {
	err = j.db.View(func(tx *bbolt.Tx) error {
		value := tx.Bucket(sessionBucket).Get([]byte(id))
		if found = value != nil; !found {
			return nil
		}
		return json.Unmarshal(value, &r)
	})
	return r, found, err
}

// TrimSessions implements [socketio.SessionStore]. The server calls it about once a minute.
func (j *journal) TrimSessions(_ context.Context, before time.Time, most int) error {
	return j.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(sessionBucket)
		var all []socketio.SessionRecord
		err := b.ForEach(func(id, value []byte) error {
			var r socketio.SessionRecord
			if err := json.Unmarshal(value, &r); err != nil {
				return fmt.Errorf("session %s: %w", id, err)
			}
			all = append(all, socketio.SessionRecord{ID: string(id), At: r.At})
			return nil
		})
		if err != nil {
			return err
		}
		slices.SortFunc(all, func(a, b socketio.SessionRecord) int { return b.At.Compare(a.At) })
		for i, r := range all {
			if i >= most || r.At.Before(before) {
				if err := b.Delete([]byte(r.ID)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
