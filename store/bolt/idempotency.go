package bolt

import (
	"bytes"
	"time"

	bolt "go.etcd.io/bbolt"

	"podium/contest"
)

func readAnswer(tx *bolt.Tx, key string) (answer contest.KeptAnswer, found bool, err error) {
	data := tx.Bucket(bucketAnswers).Get([]byte(key))
	if data == nil {
		return answer, false, nil
	}
	_, answer.Content, answer.Body, err = decodeAnswer(data)
	return answer, err == nil, err
}

// Answer returns the answer that is kept under a key.
func (t *writeTx) Answer(key string) (contest.KeptAnswer, bool, error) { return readAnswer(t.Tx, key) }

// KeepAnswer stores an answer.
func (t *writeTx) KeepAnswer(key string, answer contest.KeptAnswer) error {
	return t.put(bucketAnswers, []byte(key), encodeAnswer(t.now.UnixMilli(), answer))
}

func encodeAnswer(at int64, answer contest.KeptAnswer) []byte {
	b := append([]byte{1}, uint64Key(uint64(at))...)
	b = appendBytes(b, answer.Content)
	return appendBytes(b, answer.Body)
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

// Answer returns the answer that is kept under a key. It is found only when it
// is synced: it says that something is stored.
func (s *Store) Answer(key string) (answer contest.KeptAnswer, found bool, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		if tx.ID() > s.synced.Load().transaction {
			return nil
		}
		answer, found, err = readAnswer(tx, key)
		return err
	})
	return answer, found, err
}

// TrimAnswers forgets the answers kept before a time or after another.
func (t *writeTx) TrimAnswers(before, after time.Time) error {
	return t.deleteAnswers(func(data []byte) bool {
		at, _, _, err := decodeAnswer(data)
		return err != nil || at < before.UnixMilli() || at > after.UnixMilli()
	})
}

// ForgetAnswers drops kept answers that name a submission: they hold its name
// and phone number. They are those of one day, so all are looked at, a portion
// at a time.
func (t *writeTx) ForgetAnswers(after string, limit int, ids map[string]bool) (last string, err error) {
	var doomed [][]byte
	n := 0
	err = portion(t.Bucket(bucketAnswers).Cursor(), []byte(after), func(key, data []byte) (bool, error) {
		if n++; n > limit {
			return false, nil
		}
		if holdsQuoted(data, ids) {
			doomed = append(doomed, bytes.Clone(key))
		}
		last = string(key)
		return true, nil
	})
	if err != nil {
		return "", err
	}
	if n <= limit {
		last = ""
	}
	for _, key := range doomed {
		if err := t.delete(bucketAnswers, key); err != nil {
			return "", err
		}
	}
	return last, nil
}

// holdsQuoted reports whether data holds one of these texts, which have no
// quotes of their own, in quotes.
func holdsQuoted(data []byte, wanted map[string]bool) bool {
	_, rest, ok := bytes.Cut(data, []byte{'"'})
	for ok {
		var text []byte
		if text, rest, ok = bytes.Cut(rest, []byte{'"'}); ok && wanted[string(text)] {
			return true
		}
	}
	return false
}

func (t *writeTx) deleteAnswers(doom func(data []byte) bool) error {
	var doomed [][]byte
	c := t.Bucket(bucketAnswers).Cursor()
	for key, data := c.First(); key != nil; key, data = c.Next() {
		if doom(data) {
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
