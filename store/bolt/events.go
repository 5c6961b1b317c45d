package bolt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"podium/contest"
)

// Append adds an event to the log.
func (t *writeTx) Append(name, _ string, payload []byte) error {
	t.touched = true
	offset, err := t.Bucket(bucketEvents).NextSequence()
	if err != nil {
		return err
	}
	e := contest.Event{Offset: offset, At: t.now.UnixMilli(), Name: name, Payload: payload}
	if err := t.put(bucketEvents, uint64Key(offset), encodeEvent(e)); err != nil {
		return err
	}
	t.subjects.add(payload, offset)
	return t.Touch()
}

// Touch notes that what everybody sees has changed.
func (t *writeTx) Touch() error {
	version, _ := readUint64(t.get(bucketMeta, metaVersion))
	return t.put(bucketMeta, metaVersion, uint64Key(version+1))
}

func encodeEvent(e contest.Event) []byte {
	b := make([]byte, 0, 32+len(e.Name)+len(e.Payload))
	b = append(b, 1)
	b = append(b, uint64Key(uint64(e.At))...)
	b = appendText(b, e.Name)
	return appendBytes(b, e.Payload)
}

func decodeEvent(key, data []byte) (contest.Event, error) {
	offset, ok := readUint64(key)
	if !ok || len(data) < 9 || data[0] != 1 {
		return contest.Event{}, errRecord
	}
	at, _ := readUint64(data[1:9])
	r := recordReader{rest: data[9:]}
	e := contest.Event{Offset: offset, At: int64(at), Name: r.text(), Payload: r.bytes()}
	if err := r.finish(); err != nil {
		return contest.Event{}, err
	}
	return e, nil
}

// Scrub empties the events that tell of the subjects.
func (t *writeTx) Scrub(subjects ...string) error {
	if err := t.subjects.build(t.Bucket(bucketEvents)); err != nil {
		return err
	}
	for _, id := range subjects {
		mark, err := json.Marshal(id)
		if err != nil {
			return fmt.Errorf("encode id: %w", err)
		}
		for _, offset := range t.subjects.offsets[string(mark)] {
			data := t.get(bucketEvents, uint64Key(offset))
			if data == nil {
				continue // trimmed
			}
			e, err := decodeEvent(uint64Key(offset), data)
			if err != nil {
				return err
			}
			if !bytes.Equal(subjectOf(e.Payload), mark) {
				continue
			}
			e.Payload = nil
			if err := t.put(bucketEvents, uint64Key(offset), encodeEvent(e)); err != nil {
				return err
			}
		}
	}
	return nil
}

// subjectIndex says which events may tell of a submission, so that deleting it
// does not read the whole log. It is made at the first deletion and then kept up,
// and owned by the committing goroutine. It may name events that do not, since a
// transaction that failed leaves its own in it; it lacks none.
type subjectIndex struct {
	offsets map[string][]uint64 // by the id in its quotes; nil: not made yet
}

func (x *subjectIndex) build(log *bolt.Bucket) error {
	if x.offsets != nil {
		return nil
	}
	offsets := map[string][]uint64{}
	c := log.Cursor()
	for key, data := c.First(); key != nil; key, data = c.Next() {
		e, err := decodeEvent(key, data)
		if err != nil {
			return err
		}
		if mark := subjectOf(e.Payload); mark != nil {
			offsets[string(mark)] = append(offsets[string(mark)], e.Offset)
		}
	}
	x.offsets = offsets
	return nil
}

func (x *subjectIndex) add(payload []byte, offset uint64) {
	if mark := subjectOf(payload); mark != nil && x.offsets != nil {
		x.offsets[string(mark)] = append(x.offsets[string(mark)], offset)
	}
}

// drop forgets the index; it is made anew when it is needed.
func (x *subjectIndex) drop() { x.offsets = nil }

// subjectOf returns the id, in its quotes, with which the payload of an event
// begins that tells of a submission, or nil.
func subjectOf(payload []byte) []byte {
	rest, ok := bytes.CutPrefix(payload, []byte(`{"id":`))
	if !ok || len(rest) == 0 || rest[0] != '"' {
		return nil
	}
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case '"':
			return rest[:i+1]
		}
	}
	return nil
}

// Epoch names the history that offsets belong to. A restored file has a new one.
func (s *Store) Epoch() string {
	s.life.RLock()
	defer s.life.RUnlock()
	return s.epoch
}

// EventRange returns the offset of the first event that is kept and of the
// last that was ever logged and synced. Where none is kept, first is last+1.
func (s *Store) EventRange() (first, last uint64, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketEvents)
		last = min(b.Sequence(), s.synced.Load().event)
		first = last + 1
		if key, _ := b.Cursor().First(); key != nil {
			offset, _ := readUint64(key)
			first = min(first, offset)
		}
		return nil
	})
	return first, last, err
}

// Events returns the events after an offset. An event that is not synced yet
// is left for later: a power loss would give its offset to another, which
// whoever had been sent the first would never be sent.
func (s *Store) Events(after uint64, limit int) (list []contest.Event, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		synced := s.synced.Load().event
		return portion(tx.Bucket(bucketEvents).Cursor(), uint64Key(after), func(key, data []byte) (bool, error) {
			e, err := decodeEvent(key, data)
			if err != nil {
				return false, fmt.Errorf("event %x of the log: %w", key, err)
			}
			if e.Offset > synced || len(list) >= limit {
				return false, nil
			}
			list = append(list, e)
			return true, nil
		})
	})
	return list, err
}

// TrimEvents takes events off the log.
func (t *writeTx) TrimEvents(before time.Time, keep, limit int) (int, error) {
	b := t.Bucket(bucketEvents)
	last := b.Sequence()
	var doomed [][]byte
	c := b.Cursor()
	for key, data := c.First(); key != nil && len(doomed) < limit; key, data = c.Next() {
		e, err := decodeEvent(key, data)
		if err != nil {
			return 0, err
		}
		if e.At >= before.UnixMilli() && (keep == 0 || last-e.Offset < uint64(keep)) {
			break
		}
		doomed = append(doomed, bytes.Clone(key))
	}
	if len(doomed) == 0 {
		return 0, nil
	}
	t.subjects.drop() // it would grow for ever
	for _, key := range doomed {
		if err := t.delete(bucketEvents, key); err != nil {
			return 0, err
		}
	}
	return len(doomed), t.put(bucketMeta, metaTrimmed, doomed[len(doomed)-1])
}
