package bolt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"time"

	bolt "go.etcd.io/bbolt"

	"podium/contest"
)

// maxFaults bounds the sentences of one check.
const maxFaults = 100

// Check looks at everything that must hold in the file and returns what does
// not, as sentences; none means that all is in order. It may run while the
// store is used, and keeps no change waiting. The pages are those of one moment,
// and the records those of another.
func (s *Store) Check() ([]string, error) { return s.CheckWith(s.Yield) }

// CheckWith is Check with a function of the caller's that is called after each
// step of about a millisecond, with how long that took.
func (s *Store) CheckWith(rest func(worked time.Duration)) ([]string, error) {
	found, err := s.checkPages(rest)
	if err != nil || len(found) > 0 {
		return found, err // records on damaged pages say nothing
	}
	c := &checker{rest: rest, began: time.Now()}
	err = s.view(func(tx *bolt.Tx) error {
		c.tx = tx
		c.buckets()
		if len(c.found) > 0 {
			return nil
		}
		c.submissions()
		c.indexes()
		c.winners()
		c.events()
		c.transfers()
		c.caches()
		return nil
	})
	return c.found, err
}

// CheckPages is the part of Check that looks at the pages only.
func (s *Store) CheckPages() ([]string, error) { return s.checkPages(s.Yield) }

// checkPages looks at the pages of one moment, which goes on being there as
// long as somebody reads it. What only reads looked at them when it was opened.
func (s *Store) checkPages(rest func(time.Duration)) (found []string, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		v := s.db.verdict
		if !s.options.ReadOnly {
			m, heads := metaOf(s.db.file, uint64(tx.ID()))
			if m.txid == 0 {
				return fmt.Errorf("%w: its meta pages cannot be read", ErrDamaged)
			}
			info, err := s.db.file.Stat()
			if err != nil {
				return err
			}
			v = verify(s.db.file, info.Size(), m, heads, rest)
		}
		found = v.sentences()
		return nil
	})
	return found, err
}

// metaOf returns the meta page of a transaction, and how many there are that
// are valid. One that is being written is not, for a moment.
func metaOf(file *os.File, transaction uint64) (of meta, heads int) {
	for range 100 {
		metas := readMetas(file)
		for _, m := range metas {
			if m.txid == transaction {
				of = m
			}
		}
		if heads = len(metas); heads == 2 && of.txid != 0 {
			break
		}
		runtime.Gosched()
	}
	return of, heads
}

// checker collects faults.
type checker struct {
	tx      *bolt.Tx
	found   []string
	entries map[string]place
	rest    func(time.Duration)
	steps   int       // records since began
	began   time.Time // when the step did
}

// place is what the indexes must say of a submission.
type place struct {
	category string
	status   contest.Status
	sequence uint64
}

// stepRecords is how many records are looked at in a step.
const stepRecords = 256

// step counts a record, and rests after some.
func (c *checker) step() {
	if c.steps++; c.steps < stepRecords {
		return
	}
	c.steps = 0
	c.rest(time.Since(c.began))
	c.began = time.Now()
}

func (c *checker) fault(format string, args ...any) {
	if len(c.found) < maxFaults {
		c.found = append(c.found, fmt.Sprintf(format, args...))
	}
}

func (c *checker) buckets() {
	for _, name := range buckets {
		if c.tx.Bucket(name) == nil {
			c.fault("The part %q of the file is missing.", name)
		}
	}
}

func (c *checker) submissions() {
	c.entries = make(map[string]place)
	counts := make(map[string]uint64)
	_ = c.tx.Bucket(bucketSubmissions).ForEach(func(id, data []byte) error {
		c.step()
		sub, err := decodeSubmission(data)
		if err != nil {
			c.fault("Submission %s cannot be read: %v.", id, err)
			return nil
		}
		if sub.ID != string(id) {
			c.fault("Submission %s is stored under the id %s.", sub.ID, id)
		}
		if sub.Status != contest.Approved && sub.Status != contest.Waiting && sub.Status != contest.Hidden {
			c.fault("Submission %s has the unknown status %q.", id, sub.Status)
		}
		c.entries[string(id)] = place{sub.Category, sub.Status, sub.Sequence}
		counts[sub.Category+"\x00"+string(sub.Status)]++
		return nil
	})
	_ = c.tx.Bucket(bucketCounts).ForEach(func(key, value []byte) error {
		n, _ := readUint64(value)
		if counts[string(key)] != n {
			c.fault("%d submissions are counted as %q where there are %d.", n, bytes.ReplaceAll(key, []byte{0}, []byte("/")), counts[string(key)])
		}
		delete(counts, string(key))
		return nil
	})
	for key := range counts {
		c.fault("Submissions of %q are not counted.", key)
	}
}

// indexes compares both indexes with the submissions.
func (c *checker) indexes() {
	for _, index := range []struct {
		bucket []byte
		wants  func(place) bool
	}{
		{bucketOrder, func(place) bool { return true }},
		{bucketFeed, func(p place) bool { return p.status == contest.Approved }},
	} {
		seen := 0
		_ = c.tx.Bucket(index.bucket).ForEach(func(key, id []byte) error {
			c.step()
			sub, ok := c.entries[string(id)]
			if !ok || !index.wants(sub) || !bytes.Equal(key, orderKey(sub.category, sub.sequence)) {
				c.fault("The index %s lists %s, which does not belong there.", index.bucket, id)
				return nil
			}
			seen++
			return nil
		})
		wanted := 0
		for _, sub := range c.entries {
			if index.wants(sub) {
				wanted++
			}
		}
		if seen < wanted {
			c.fault("The index %s lacks %d submissions.", index.bucket, wanted-seen)
		}
	}
}

func (c *checker) winners() {
	if _, err := readCategories(c.tx); err != nil {
		c.fault("The categories cannot be read: %v.", err)
	}
	_ = c.tx.Bucket(bucketWinners).ForEach(func(category, _ []byte) error {
		ids, err := readPicks(c.tx, string(category))
		if err != nil {
			c.fault("The winners of %s cannot be read.", category)
		}
		for _, id := range ids {
			if sub, ok := c.entries[id]; !ok || sub.category != string(category) || sub.status != contest.Approved {
				c.fault("The winner %s of %s is not a visible submission of it.", id, category)
			}
		}
		return nil
	})
}

// events looks at the log's form and order, and compares it with the data.
func (c *checker) events() {
	b := c.tx.Bucket(bucketEvents)
	trimmed, _ := readUint64(c.tx.Bucket(bucketMeta).Get(metaTrimmed))
	last := trimmed
	_ = b.ForEach(func(key, data []byte) error {
		c.step()
		offset, ok := readUint64(key)
		switch {
		case !ok:
			c.fault("The log holds an event without an offset.")
			return nil
		case offset <= trimmed:
			c.fault("The log holds the offset %d, which is said to be taken off it.", offset)
		case offset != last+1:
			c.fault("The log has a gap between the offsets %d and %d.", last, offset)
		}
		last = max(last, offset)
		e, err := decodeEvent(key, data)
		if err != nil {
			c.fault("The event at offset %d cannot be read.", offset)
			return nil
		}
		if id, stray := c.stray(e); stray {
			c.fault("The event at offset %d tells of the submission %s, which is not there or not for everybody.", e.Offset, id)
		}
		return nil
	})
	if last > b.Sequence() {
		c.fault("The log's newest offset %d is beyond its counter %d.", last, b.Sequence())
	}
}

// stray reports whether an event tells everybody of a submission that they do
// not see: whatever takes one away empties the events that told of it.
func (c *checker) stray(e contest.Event) (id string, stray bool) {
	if len(e.Payload) == 0 || e.Name != contest.EventNewSubmission && e.Name != contest.EventSubmissionUpdated {
		return "", false
	}
	var told struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(e.Payload, &told); err != nil {
		return "whose name cannot be read", true
	}
	return told.ID, c.entries[told.ID].status != contest.Approved
}

// caches looks at what may be lost without harm: records of real-time sessions
// and kept answers.
func (c *checker) caches() {
	for _, cache := range caches {
		_ = c.tx.Bucket(cache.bucket).ForEach(func(_, value []byte) error {
			c.step()
			if !cache.sound(value) {
				c.fault("A record of the part %q cannot be read.", cache.bucket)
			}
			return nil
		})
	}
}

// caches are the parts whose records are dropped where they cannot be read.
var caches = []struct {
	bucket []byte
	sound  func([]byte) bool
}{
	{bucketSessions, func(value []byte) bool { return len(value) >= 8 }},
	{bucketAnswers, func(value []byte) bool { _, _, _, err := decodeAnswer(value); return err == nil }},
}

// transfers looks for waiting pictures that belong to nothing.
func (c *checker) transfers() {
	_ = c.tx.Bucket(bucketTransfers).ForEach(func(id, _ []byte) error {
		if _, ok := c.entries[string(id)]; !ok {
			c.fault("A picture waits to be sent to Cloudinary for %s, which is not a submission.", id)
		}
		return nil
	})
}
