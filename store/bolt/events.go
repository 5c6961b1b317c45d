package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Names of the events that announce changes.
const (
	EventNewSubmission     = "newSubmission"     // Public
	EventSubmissionUpdated = "submissionUpdated" // Public
	EventSubmissionRemoved = "submissionRemoved" // {"id","category"}
	EventWinnersUpdated    = "winnersUpdated"    // {"winners":{category:[id,…]}}, all of them
	EventCategoriesUpdated = "categoriesUpdated" // {"categories":[{"id","name"},…]}
)

// Event is an entry of the log.
type Event struct {
	Offset uint64 // dense and growing within an epoch, from 1
	At     int64  // when it was logged, in milliseconds since the Unix epoch
	Name   string
	// Payload is the event's argument as JSON, its text plain. It is empty where
	// what the event told of was deleted since: such an event is not sent.
	Payload []byte
}

// Public is what everybody may know of a submission.
type Public struct {
	ID        string  `json:"id"`
	Category  string  `json:"category"`
	Caption   string  `json:"caption"`
	ImageURL  *string `json:"imageUrl"`
	CreatedAt int64   `json:"createdAt"`
	Artist    string  `json:"artist"`
	Images    []Image `json:"images,omitempty"`
}

// anonymous is what everybody is called in public.
const anonymous = "Anonymous Artist"

// public is the part of the submission for everybody.
func (sub *Submission) public() Public {
	return Public{
		ID: sub.ID, Category: sub.Category, Caption: sub.Caption, ImageURL: sub.ImageURL,
		CreatedAt: sub.CreatedAt, Artist: anonymous, Images: sub.Images,
	}
}

// Public is the part of the submission for everybody.
func (sub Submission) Public() Public { return sub.public() }

// announce appends an event to the log, and notes that what everybody sees has
// changed.
func (t *writeTx) announce(name string, payload any) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(payload); err != nil {
		return fmt.Errorf("encode event %s: %w", name, err)
	}
	t.touched = true
	offset, err := t.Bucket(bucketEvents).NextSequence()
	if err != nil {
		return err
	}
	e := Event{Offset: offset, At: t.now.UnixMilli(), Name: name, Payload: bytes.TrimSpace(b.Bytes())}
	if err := t.put(bucketEvents, uint64Key(offset), encodeEvent(e)); err != nil {
		return err
	}
	version, _ := readUint64(t.get(bucketMeta, metaVersion))
	return t.put(bucketMeta, metaVersion, uint64Key(version+1))
}

func encodeEvent(e Event) []byte {
	b := make([]byte, 0, 32+len(e.Name)+len(e.Payload))
	b = append(b, 1)
	b = append(b, uint64Key(uint64(e.At))...)
	b = appendText(b, e.Name)
	return appendBytes(b, e.Payload)
}

func decodeEvent(key, data []byte) (Event, error) {
	offset, ok := readUint64(key)
	if !ok || len(data) < 9 || data[0] != 1 {
		return Event{}, errRecord
	}
	at, _ := readUint64(data[1:9])
	r := recordReader{rest: data[9:]}
	e := Event{Offset: offset, At: int64(at), Name: r.text(), Payload: r.bytes()}
	if err := r.finish(); err != nil {
		return Event{}, err
	}
	return e, nil
}

// scrub empties the events that tell of a submission, so that the log does not
// go on telling.
func (t *writeTx) scrub(id string) error {
	mark, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("encode id: %w", err)
	}
	mark = append([]byte(`{"id":`), mark...)
	var found []Event
	c := t.Bucket(bucketEvents).Cursor()
	for key, data := c.First(); key != nil; key, data = c.Next() {
		e, err := decodeEvent(key, data)
		if err != nil {
			return err
		}
		if bytes.HasPrefix(e.Payload, mark) {
			found = append(found, e)
		}
	}
	for _, e := range found {
		e.Payload = nil
		if err := t.put(bucketEvents, uint64Key(e.Offset), encodeEvent(e)); err != nil {
			return err
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

// Events calls f with the events after an offset, in order, until f returns
// false. All are of one moment; f may keep what it gets. An event that is not
// synced yet is left for later: a power loss would give its offset to another,
// which whoever had been sent the first would never be sent.
func (s *Store) Events(after uint64, f func(Event) bool) error {
	return s.view(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketEvents).Cursor()
		for key, data := c.Seek(uint64Key(after + 1)); key != nil; key, data = c.Next() {
			e, err := decodeEvent(key, data)
			if err != nil {
				return fmt.Errorf("event %x of the log: %w", key, err)
			}
			if e.Offset > s.synced.Load().event || !f(e) {
				return nil
			}
		}
		return nil
	})
}

// maxTrim bounds the events taken off the log in one transaction.
const maxTrim = 10_000

// TrimEvents takes events off the log that were logged before a time, and the
// oldest ones beyond the number to keep (0: no bound), and returns how many.
func (s *Store) TrimEvents(ctx context.Context, before time.Time, keep int) (int, error) {
	total := 0
	for {
		trimmed := 0
		err := s.update(ctx, "trim the event log", func(tx *writeTx) error {
			var err error
			trimmed, err = tx.trim(before.UnixMilli(), keep)
			return err
		})
		total += trimmed
		if err != nil || trimmed < maxTrim {
			return total, err
		}
	}
}

// trim takes at most maxTrim events off the log.
func (t *writeTx) trim(before int64, keep int) (int, error) {
	b := t.Bucket(bucketEvents)
	last := b.Sequence()
	var doomed [][]byte
	c := b.Cursor()
	for key, data := c.First(); key != nil && len(doomed) < maxTrim; key, data = c.Next() {
		e, err := decodeEvent(key, data)
		if err != nil {
			return 0, err
		}
		if e.At >= before && (keep == 0 || last-e.Offset < uint64(keep)) {
			break
		}
		doomed = append(doomed, bytes.Clone(key))
	}
	if len(doomed) == 0 {
		return 0, nil
	}
	for _, key := range doomed {
		if err := t.delete(bucketEvents, key); err != nil {
			return 0, err
		}
	}
	return len(doomed), t.put(bucketMeta, metaTrimmed, doomed[len(doomed)-1])
}
