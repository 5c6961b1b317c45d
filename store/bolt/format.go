package bolt

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"podium/contest"
)

// formatVersion is the version of the file's layout that this program writes.
const formatVersion = 1

// The buckets of the file, with the form of their keys and values. "n8" is a
// number as eight bytes, big-endian, so that keys sort as numbers do.
var (
	bucketMeta        = []byte("meta")        // name → n8 or text, see the keys below
	bucketSettings    = []byte("settings")    // name → bytes, the caller's
	bucketSubmissions = []byte("submissions") // id → record of a submission
	bucketOrder       = []byte("order")       // category 0 n8 → id: all, in the order of arrival
	bucketFeed        = []byte("feed")        // category 0 n8 → id: those that everybody sees
	bucketCounts      = []byte("counts")      // category 0 status → n8
	bucketWinners     = []byte("winners")     // category → JSON array of ids, in the order picked
	bucketEvents      = []byte("events")      // n8 offset → record of an event
	bucketSessions    = []byte("sessions")    // socket id → record of a realtime session
	bucketAnswers     = []byte("answers")     // idempotency key → record of an answer
	bucketTransfers   = []byte("transfers")   // submission id → empty: pictures to be sent to Cloudinary
)

var buckets = [][]byte{
	bucketMeta, bucketSettings, bucketSubmissions, bucketOrder, bucketFeed, bucketCounts,
	bucketWinners, bucketEvents, bucketSessions, bucketAnswers, bucketTransfers,
}

// Keys of bucketMeta.
var (
	metaFormat     = []byte("format")     // n8
	metaEpoch      = []byte("epoch")      // text: the event log's, new with every file and every restore
	metaCategories = []byte("categories") // JSON array
	metaTrimmed    = []byte("trimmed")    // n8: the last offset that was taken off the log
	metaVersion    = []byte("version")    // n8: grows whenever what everybody sees changes
)

// prepareFormat makes a new file's buckets, and judges an existing file's
// version.
func (s *Store) prepareFormat() error {
	version, err := s.readFormat()
	if err != nil {
		return err
	}
	switch {
	case version > formatVersion:
		return fmt.Errorf("%s has format %d and this program knows %d: %w", s.path, version, formatVersion, contest.ErrNewerFormat)
	case version == 0 && s.options.ReadOnly:
		return fmt.Errorf("%s: %w", s.path, ErrNotAStore)
	case version == 0:
		return s.create()
	case version < formatVersion:
		return s.migrate(version, formatVersion, migrations())
	}
	return nil
}

// readFormat returns the file's version, 0 for a new file, and reads the epoch.
func (s *Store) readFormat() (version uint64, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if meta == nil {
			if first, _ := tx.Cursor().First(); first != nil {
				return fmt.Errorf("%s has other contents: %w", s.path, ErrNotAStore)
			}
			return nil
		}
		var ok bool
		if version, ok = readUint64(meta.Get(metaFormat)); !ok || version == 0 {
			return fmt.Errorf("%s names no format: %w", s.path, ErrNotAStore)
		}
		s.epoch = string(meta.Get(metaEpoch))
		return nil
	})
	return version, err
}

// create lays out a new file.
func (s *Store) create() error {
	categories := s.options.DefaultCategories
	if categories == nil {
		categories = contest.DefaultCategories()
	}
	list, err := json.Marshal(categories)
	if err != nil {
		return fmt.Errorf("encode the default categories: %w", err)
	}
	s.epoch = newEpoch()
	err = s.db.Update(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		meta := tx.Bucket(bucketMeta)
		return errors.Join(
			meta.Put(metaFormat, uint64Key(formatVersion)),
			meta.Put(metaEpoch, []byte(s.epoch)),
			meta.Put(metaCategories, list),
		)
	})
	return writeError("make "+s.path, err)
}

// newEpoch names a history of the event log.
func newEpoch() string { return rand.Text()[:8] }

// RenewEpoch gives the event log a new epoch, so that offsets of what was
// replaced are not taken for offsets of what is there now. A restore calls it.
func (s *Store) RenewEpoch(ctx context.Context) error {
	epoch := newEpoch()
	err := s.update(ctx, "renew the log's epoch", func(tx *writeTx) error {
		return tx.put(bucketMeta, metaEpoch, []byte(epoch))
	})
	if err != nil {
		return err
	}
	s.life.Lock()
	defer s.life.Unlock()
	s.epoch = epoch
	return nil
}
