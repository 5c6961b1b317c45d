package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// maxFaults bounds the sentences of one check.
const maxFaults = 100

// Check looks at everything that must hold in the file and returns what does
// not, as sentences; none means that all is in order. It reads one moment's
// state and may run while the store is used.
func (s *Store) Check() ([]string, error) {
	c := &checker{}
	err := s.view(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			c.fault("The file's pages are damaged: %v.", err)
		}
		if len(c.found) > 0 {
			return nil // records on damaged pages say nothing
		}
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
		return nil
	})
	return c.found, err
}

// checker collects faults.
type checker struct {
	tx      *bolt.Tx
	found   []string
	entries map[string]Submission
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
	c.entries = make(map[string]Submission)
	counts := make(map[string]uint64)
	_ = c.tx.Bucket(bucketSubmissions).ForEach(func(id, data []byte) error {
		sub, err := decodeSubmission(data)
		if err != nil {
			c.fault("Submission %s cannot be read: %v.", id, err)
			return nil
		}
		if sub.ID != string(id) {
			c.fault("Submission %s is stored under the id %s.", sub.ID, id)
		}
		c.entries[string(id)] = sub
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
		wants  func(Submission) bool
	}{
		{bucketOrder, func(Submission) bool { return true }},
		{bucketFeed, func(s Submission) bool { return s.Status == Approved }},
	} {
		seen := 0
		_ = c.tx.Bucket(index.bucket).ForEach(func(key, id []byte) error {
			sub, ok := c.entries[string(id)]
			if !ok || !index.wants(sub) || !bytes.Equal(key, orderKey(sub.Category, sub.sequence)) {
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
			if sub, ok := c.entries[id]; !ok || sub.Category != string(category) || sub.Status != Approved {
				c.fault("The winner %s of %s is no submission of it that everybody sees.", id, category)
			}
		}
		return nil
	})
}

// events looks at the log's form and order.
func (c *checker) events() {
	b := c.tx.Bucket(bucketEvents)
	var last uint64
	_ = b.ForEach(func(key, data []byte) error {
		e, err := decodeEvent(key, data)
		if err != nil {
			c.fault("An event of the log cannot be read.")
			return nil
		}
		if last != 0 && e.Offset != last+1 {
			c.fault("The log has a gap between the offsets %d and %d.", last, e.Offset)
		}
		last = e.Offset
		return nil
	})
	if last > b.Sequence() {
		c.fault("The log's newest offset %d is beyond its counter %d.", last, b.Sequence())
	}
	if trimmed, _ := readUint64(c.tx.Bucket(bucketMeta).Get(metaTrimmed)); last != 0 && trimmed >= last {
		c.fault("The log holds events that are said to be taken off it.")
	}
}

// transfers looks for waiting pictures that belong to nothing.
func (c *checker) transfers() {
	_ = c.tx.Bucket(bucketTransfers).ForEach(func(id, _ []byte) error {
		if _, ok := c.entries[string(id)]; !ok {
			c.fault("A picture waits to be sent to Cloudinary for %s, which is no submission.", id)
		}
		return nil
	})
}

// MissingPictures returns the ids of the submissions of which a file is not in
// the folder of uploads.
func (s *Store) MissingPictures(uploads string) ([]string, error) {
	var missing []string
	err := s.Each(func(sub Submission) bool {
		for _, name := range sub.Files {
			if _, err := os.Stat(filepath.Join(uploads, name)); err != nil {
				missing = append(missing, sub.ID)
				break
			}
		}
		return true
	})
	return missing, err
}
