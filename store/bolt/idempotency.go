package bolt

import (
	"bytes"
	"context"
	"strconv"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Once names a request that counts once however often it is sent. The zero
// value is a request that says nothing about that.
type Once struct {
	Key string
	// Content stands for what the request asked for, such as a hash of it.
	Content []byte
}

// answered looks for the answer to an earlier request with the same key.
func (t *writeTx) answered(once Once) (answer []byte, found bool, err error) {
	return findAnswer(t.Tx, once)
}

func findAnswer(tx *bolt.Tx, once Once) (answer []byte, found bool, err error) {
	if once.Key == "" {
		return nil, false, nil
	}
	data := tx.Bucket(bucketAnswers).Get([]byte(once.Key))
	if data == nil {
		return nil, false, nil
	}
	_, content, answer, err := decodeAnswer(data)
	if err != nil {
		return nil, false, err
	}
	if !bytes.Equal(content, once.Content) {
		return nil, false, ErrIdempotencyMismatch
	}
	return answer, true, nil
}

// keepAnswer stores the answer to a request that names a key.
func (t *writeTx) keepAnswer(once Once, answer []byte) error {
	if once.Key == "" {
		return nil
	}
	b := append([]byte{1}, uint64Key(uint64(t.now.UnixMilli()))...)
	b = appendBytes(b, once.Content)
	b = appendBytes(b, answer)
	return t.put(bucketAnswers, []byte(once.Key), b)
}

func decodeAnswer(data []byte) (at int64, content, answer []byte, err error) {
	if len(data) < 9 || data[0] != 1 {
		return 0, nil, nil, errRecord
	}
	n, _ := readUint64(data[1:9])
	r := recordReader{rest: data[9:]}
	content, answer = r.bytes(), r.bytes()
	return int64(n), content, answer, r.finish()
}

// Answer returns the answer that a request with that key was given before.
// The error is ErrIdempotencyMismatch where it asked for something else. An
// answer is found only when it is synced: it says that something is stored.
func (s *Store) Answer(once Once) (answer []byte, found bool, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		if answer, found, err = findAnswer(tx, once); tx.ID() > s.synced.Load().transaction {
			answer, found, err = nil, false, nil
		}
		return err
	})
	return answer, found, err
}

// TrimAnswers forgets the answers given before a time.
func (s *Store) TrimAnswers(ctx context.Context, before time.Time) error {
	return s.update(ctx, "trim the kept answers", func(tx *writeTx) error {
		var doomed [][]byte
		c := tx.Bucket(bucketAnswers).Cursor()
		for key, data := c.First(); key != nil; key, data = c.Next() {
			if at, _, _, err := decodeAnswer(data); err != nil || at < before.UnixMilli() {
				doomed = append(doomed, bytes.Clone(key))
			}
		}
		for _, key := range doomed {
			if err := tx.delete(bucketAnswers, key); err != nil {
				return err
			}
		}
		return nil
	})
}

// forgetAnswers drops the kept answers that name a submission: they hold its
// name and phone number. They are those of one day, so all are looked at.
func (t *writeTx) forgetAnswers(id string) error {
	mark := strconv.AppendQuote(nil, id)
	var doomed [][]byte
	c := t.Bucket(bucketAnswers).Cursor()
	for key, data := c.First(); key != nil; key, data = c.Next() {
		if bytes.Contains(data, mark) {
			doomed = append(doomed, bytes.Clone(key))
		}
	}
	for _, key := range doomed {
		if err := t.delete(bucketAnswers, key); err != nil {
			return err
		}
	}
	return nil
}
