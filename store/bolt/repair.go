package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"podium/contest"
)

// Repair puts right what follows from the submissions' own records, without
// guessing: both indexes and the counts are made anew from them, picks and
// waiting pictures of submissions that are not there are dropped, and events
// that cannot be read are emptied, so that the log stays without gaps. All of
// it is one transaction. What it did comes back as sentences; records that
// cannot be read stay where they are, for whoever can. Where pages are damaged
// the error is [ErrDamaged] and nothing is done: see [Mend].
func (s *Store) Repair(ctx context.Context) ([]string, error) {
	faults, err := s.checkPages(nil)
	if err != nil {
		return nil, err
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrDamaged, faults[0])
	}
	var did []string
	err = s.update(ctx, "repair the data", func(tx *writeTx) error {
		r := &repairer{tx: tx}
		err := errors.Join(r.buckets(), r.read())
		if err == nil {
			err = errors.Join(r.indexes(), r.counts(), r.winners(), r.transfers(), r.events(), r.caches())
		}
		if did = r.did; err != nil || len(did) == 0 {
			return err
		}
		// Browsers hold answers from before the repair by the version.
		return tx.Touch()
	})
	return did, err
}

// repairer carries what one repair knows and did.
type repairer struct {
	tx      *writeTx
	entries map[string]contest.Submission
	did     []string
}

func (r *repairer) say(format string, args ...any) {
	r.tx.touched = true
	r.did = append(r.did, fmt.Sprintf(format, args...))
}

func (r *repairer) buckets() error {
	for _, name := range buckets {
		if r.tx.Bucket(name) != nil {
			continue
		}
		if _, err := r.tx.CreateBucket(name); err != nil {
			return err
		}
		r.say("The missing part %q was made anew, empty.", name)
	}
	return nil
}

func (r *repairer) read() error {
	r.entries = make(map[string]contest.Submission)
	return r.tx.Bucket(bucketSubmissions).ForEach(func(id, data []byte) error {
		if sub, err := decodeSubmission(data); err == nil && sub.ID == string(id) {
			r.entries[sub.ID] = sub
		}
		return nil
	})
}

// indexes makes bucketOrder and bucketFeed what the records say.
func (r *repairer) indexes() error {
	for _, index := range []struct {
		bucket []byte
		wants  func(contest.Submission) bool
	}{
		{bucketOrder, func(contest.Submission) bool { return true }},
		{bucketFeed, func(s contest.Submission) bool { return s.Status == contest.Approved }},
	} {
		wanted := make(map[string][]byte)
		var highest uint64
		for id, sub := range r.entries {
			highest = max(highest, sub.Sequence)
			if index.wants(sub) {
				wanted[string(orderKey(sub.Category, sub.Sequence))] = []byte(id)
			}
		}
		if err := r.replace(index.bucket, wanted, "The index %q was put right in %d places."); err != nil {
			return err
		}
		b := r.tx.Bucket(index.bucket)
		if bytes.Equal(index.bucket, bucketOrder) && b.Sequence() < highest {
			r.say("The counter of submissions was behind and was set to %d.", highest)
			if err := b.SetSequence(highest); err != nil {
				return err
			}
		}
	}
	return nil
}

// counts makes bucketCounts what the records say.
func (r *repairer) counts() error {
	numbers := make(map[string]uint64)
	for _, sub := range r.entries {
		numbers[sub.Category+"\x00"+string(sub.Status)]++
	}
	wanted := make(map[string][]byte, len(numbers))
	for key, n := range numbers {
		wanted[key] = uint64Key(n)
	}
	err := r.tx.Bucket(bucketCounts).ForEach(func(key, value []byte) error {
		if n, ok := readUint64(value); ok && n == 0 && wanted[string(key)] == nil {
			wanted[string(key)] = uint64Key(0)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.replace(bucketCounts, wanted, "The counts (%q) were put right in %d places.")
}

// replace gives a bucket the contents wanted.
func (r *repairer) replace(bucket []byte, wanted map[string][]byte, sentence string) error {
	var doomed [][]byte
	right := make(map[string]bool)
	err := r.tx.Bucket(bucket).ForEach(func(key, value []byte) error {
		if want, ok := wanted[string(key)]; ok && bytes.Equal(want, value) {
			right[string(key)] = true
		} else {
			doomed = append(doomed, bytes.Clone(key))
		}
		return nil
	})
	if err != nil {
		return err
	}
	changes := len(doomed)
	for _, key := range doomed {
		if err := r.tx.delete(bucket, key); err != nil {
			return err
		}
		if _, again := wanted[string(key)]; again {
			changes-- // it is counted when it is put
		}
	}
	for key, value := range wanted {
		if right[key] {
			continue
		}
		changes++
		if err := r.tx.put(bucket, []byte(key), value); err != nil {
			return err
		}
	}
	if changes > 0 {
		r.say(sentence, bucket, changes)
	}
	return nil
}

// winners drops picks that name nothing.
func (r *repairer) winners() error {
	picks := make(contest.Picks)
	err := r.tx.Bucket(bucketWinners).ForEach(func(category, _ []byte) error {
		ids, err := readPicks(r.tx.Tx, string(category))
		if err != nil {
			return nil // unreadable: not ours to guess
		}
		picks[string(category)] = ids
		return nil
	})
	if err != nil {
		return err
	}
	for _, category := range slices.Sorted(maps.Keys(picks)) {
		before := len(picks[category])
		kept := slices.DeleteFunc(picks[category], func(id string) bool {
			sub, ok := r.entries[id]
			return !ok || sub.Category != category || sub.Status != contest.Approved
		})
		if len(kept) == before {
			continue
		}
		r.say("%d picks of %s that name nothing were dropped.", before-len(kept), category)
		if err := r.tx.SetPicks(category, kept); err != nil {
			return err
		}
	}
	return nil
}

// transfers drops waiting pictures of submissions that are not there.
func (r *repairer) transfers() error {
	wanted := make(map[string][]byte)
	err := r.tx.Bucket(bucketTransfers).ForEach(func(id, value []byte) error {
		if _, ok := r.entries[string(id)]; ok {
			wanted[string(id)] = bytes.Clone(value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.replace(bucketTransfers, wanted, "The list of waiting pictures (%q) was put right in %d places.")
}

// events empties what cannot be read or tells of what is not there, fills
// gaps with emptied events, and brings the log's counters up.
func (r *repairer) events() error {
	b := r.tx.Bucket(bucketEvents)
	trimmed, _ := readUint64(r.tx.get(bucketMeta, metaTrimmed))
	c := checker{entries: make(map[string]place, len(r.entries))}
	for id, sub := range r.entries {
		c.entries[id] = place{sub.Category, sub.Status, sub.Sequence}
	}
	var empty []uint64
	var doomed [][]byte
	last := trimmed
	err := b.ForEach(func(key, data []byte) error {
		offset, ok := readUint64(key)
		if !ok || offset <= trimmed {
			doomed = append(doomed, bytes.Clone(key))
			return nil
		}
		if offset-last <= contest.MaxTrim {
			for missing := last + 1; missing < offset; missing++ {
				empty = append(empty, missing)
			}
		}
		last = offset
		e, err := decodeEvent(key, data)
		if _, stray := c.stray(e); err != nil || stray {
			empty = append(empty, offset)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, key := range doomed {
		if err := r.tx.delete(bucketEvents, key); err != nil {
			return err
		}
	}
	if len(doomed) > 0 {
		r.say("%d events that are said to be taken off the log were.", len(doomed))
	}
	for _, offset := range empty {
		r.say("The event at offset %d was missing, could not be read or told of what is not there, and is empty now.", offset)
		if err := r.tx.put(bucketEvents, uint64Key(offset), encodeEvent(contest.Event{Offset: offset, At: r.tx.now.UnixMilli()})); err != nil {
			return err
		}
	}
	if b.Sequence() < last {
		r.say("The log's counter was behind and was set to %d.", last)
		return b.SetSequence(last)
	}
	return nil
}

// caches drops records that cannot be read where that does no harm.
func (r *repairer) caches() error {
	for _, cache := range caches {
		var doomed [][]byte
		err := r.tx.Bucket(cache.bucket).ForEach(func(key, value []byte) error {
			if !cache.sound(value) {
				doomed = append(doomed, bytes.Clone(key))
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, key := range doomed {
			if err := r.tx.delete(cache.bucket, key); err != nil {
				return err
			}
		}
		if len(doomed) > 0 {
			r.say("%d records of %q that could not be read were dropped.", len(doomed), cache.bucket)
		}
	}
	return nil
}
