package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"podium/contest"
)

// Getting out of a damaged file what can still be read.
//
// The file has two states of itself: that of the last commit, and that of the
// one before, whose pages are not used again until the next commit. Where pages
// of the newer state are damaged, the older one fills what is missing. Pages
// that a damaged one led to are found by looking at all that are not free. Of a
// submission whose record is lost, the event log may still hold the public part.

// Salvaged says what came out of a damaged file.
type Salvaged struct {
	// Submissions is how many there are in the new file, Partial how many of
	// them without names, phone numbers and places, as the event log told of them.
	Submissions, Partial int

	// Lost says in sentences what could not be read. No name or phone number is
	// in them.
	Lost []string

	// Whole: all that people sent and admins chose is there. What was lost can be
	// made again from it, or serves only clients that were away for minutes.
	Whole bool

	// Kept is where Mend keeps the damaged file.
	Kept string
}

// Salvage copies what can be read of the file at path into a new one, which is
// sound. It does not change, lock or believe what it reads. The error is
// [ErrNotAStore] where nothing could be read.
func Salvage(ctx context.Context, path, fresh string) (Salvaged, error) {
	file, err := os.Open(path)
	if err != nil {
		return Salvaged{}, fmt.Errorf("salvage the data file: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Salvaged{}, fmt.Errorf("salvage the data file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return Salvaged{}, fmt.Errorf("salvage %s: %w: it is not a file", path, ErrNotAStore)
	}
	return salvageFrom(ctx, file, info.Size(), fresh)
}

// Salvage is the function Salvage for the file of an open store, beside which
// changes go on.
func (s *Store) Salvage(ctx context.Context, fresh string) (salvaged Salvaged, err error) {
	err = s.view(func(*bolt.Tx) error { // which keeps the pages of this moment
		info, err := s.db.file.Stat()
		if err != nil {
			return err
		}
		salvaged, err = salvageFrom(ctx, s.db.file, info.Size(), fresh)
		return err
	})
	return salvaged, err
}

func salvageFrom(ctx context.Context, from io.ReaderAt, size int64, fresh string) (done Salvaged, err error) {
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return done, fmt.Errorf("make the new data file: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(fresh)
		}
	}()
	to, err := bolt.Open(fresh, 0o600, &bolt.Options{NoSync: true, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return done, writeError("make the new data file", err)
	}
	v := &salvage{from: from, size: size, to: to, done: Salvaged{Whole: true}, holes: map[string]bool{}, sequences: map[string]uint64{}, places: map[string]place{}}
	if err = errors.Join(v.run(ctx), to.Close()); err != nil {
		return v.done, writeError("salvage the data file", err)
	}
	if err := v.finish(ctx, fresh); err != nil {
		return done, err
	}
	return v.done, nil
}

// salvage carries what one salvaging knows.
type salvage struct {
	from io.ReaderAt
	size int64
	to   *bolt.DB
	tx   *bolt.Tx // the one being filled
	put  int      // bytes in it
	err  error    // of writing the new file

	done      Salvaged
	holes     map[string]bool // by bucket: something of it is missing
	sequences map[string]uint64
	places    map[string]place // by id: what the index of all submissions says
	records   int              // that were read, of any kind
}

// salvaged are the buckets that are taken over. The indexes and counts follow
// from the submissions.
var salvaged = map[string]bool{
	string(bucketMeta): true, string(bucketSettings): true, string(bucketSubmissions): true, string(bucketWinners): true, string(bucketEvents): true,
	string(bucketSessions): true, string(bucketAnswers): true, string(bucketTransfers): true,
}

// precious are the buckets that cannot be made again from others.
var precious = []string{"", string(bucketMeta), string(bucketSettings), string(bucketSubmissions), string(bucketWinners)}

func (v *salvage) lost(format string, args ...any) {
	if len(v.done.Lost) < maxFaults {
		v.done.Lost = append(v.done.Lost, fmt.Sprintf(format, args...))
	}
}

// run fills the new file.
func (v *salvage) run(ctx context.Context) (err error) {
	if v.tx, err = v.to.Begin(true); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.end()) }()
	for _, name := range buckets {
		if _, err := v.tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	metas := readMetas(v.from)
	if len(metas) == 0 {
		return v.withoutMeta(ctx)
	}
	if len(metas) == 1 {
		v.lost("One of the file's two meta pages: the newest change may be missing.")
	}
	newest := newPageFile(v.from, v.size, metas[0])
	seen := v.state(ctx, newest, metas[0])
	if len(v.holes) == 0 {
		return errors.Join(v.err, ctx.Err())
	}
	if len(metas) == 2 {
		known := maps.Clone(v.holes)
		v.older(ctx, newPageFile(v.from, v.size, metas[1]), metas[1], known)
	}
	_, free, err := newest.freePages(metas[0].freelist)
	for _, id := range free {
		seen[id] = true
	}
	v.strays(ctx, newest, seen, err == nil)
	return errors.Join(v.err, ctx.Err())
}

// state takes over what the newest commit says, notes what is missing, and
// returns which pages it reached.
func (v *salvage) state(ctx context.Context, pages *pageFile, m meta) (seen []bool) {
	w := newWalker(pages)
	w.hole = func(bucket string, err error) {
		v.holes[bucket] = true
		switch {
		case bucket == "":
			v.lost("Of the list of all parts: %v.", err)
		case salvaged[bucket]:
			v.lost("Of the part %.20q: %v.", bucket, err)
		default:
			v.lost("Of the part %.20q, which was made again from the submissions: %v.", bucket, err)
		}
	}
	w.opened = func(bucket string, sequence uint64) { v.sequences[bucket] = max(v.sequences[bucket], sequence) }
	w.found = func(bucket string, key, value []byte) {
		if bucket == string(bucketOrder) {
			v.place(key, value)
		} else if salvaged[bucket] && ctx.Err() == nil {
			v.keep(bucket, key, value)
		}
	}
	w.tree("", m.root, bounds{}, 0)
	return w.seen
}

// older fills the holes from the state before.
func (v *salvage) older(ctx context.Context, pages *pageFile, m meta, holes map[string]bool) {
	w := newWalker(pages)
	w.hole = func(string, error) {}
	w.opened = func(bucket string, sequence uint64) { v.sequences[bucket] = max(v.sequences[bucket], sequence) }
	w.found = func(bucket string, key, value []byte) {
		switch {
		case !holes[""] && !holes[bucket] || ctx.Err() != nil:
		case bucket == string(bucketOrder):
			v.place(key, value)
		case salvaged[bucket]:
			v.keep(bucket, key, value)
		}
	}
	w.tree("", m.root, bounds{}, 0)
}

// place notes a submission's place in the order of arrival.
func (v *salvage) place(key, id []byte) {
	end := len(key) - 9
	if end < 0 || key[end] != 0 {
		return
	}
	sequence, _ := readUint64(key[end+1:])
	if _, known := v.places[string(id)]; !known {
		v.places[string(id)] = place{category: string(key[:end]), sequence: sequence}
	}
}

// keep puts a record into the new file, unless a newer one is there.
func (v *salvage) keep(bucket string, key, value []byte) {
	b := v.tx.Bucket([]byte(bucket))
	if v.err != nil || b.Get(key) != nil {
		return
	}
	if err := b.Put(key, value); err != nil {
		v.err = err
		return
	}
	v.records++
	if v.put += len(key) + len(value); v.put < compactStep {
		return
	}
	v.put = 0
	if v.err = v.tx.Commit(); v.err == nil {
		v.tx, v.err = v.to.Begin(true)
	}
}

// end ends the filling of the new file.
func (v *salvage) end() error {
	if v.err != nil {
		return v.err
	}
	for name, sequence := range v.sequences {
		if b := v.tx.Bucket([]byte(name)); b != nil && sequence > b.Sequence() && sequence < unlikely {
			if err := b.SetSequence(sequence); err != nil {
				return err
			}
		}
	}
	return v.tx.Commit()
}

// strays looks for submissions and events on the pages that nothing leads to
// any more. Where it is not known which pages are free, a submission may be one
// that was deleted, or be older than what was lost: nobody but admins sees it.
func (v *salvage) strays(ctx context.Context, pages *pageFile, seen []bool, freeKnown bool) {
	if !v.holes[""] && !v.holes[string(bucketSubmissions)] && !v.holes[string(bucketEvents)] {
		return
	}
	hidden := 0
	for id := uint64(2); id < pages.count && ctx.Err() == nil; id++ {
		if seen[id] {
			continue
		}
		p, err := pages.read(id, leafPage)
		if err != nil {
			continue
		}
		for i := range p.count {
			e, err := p.element(i)
			if err != nil || e.bucket {
				continue
			}
			if sub, err := decodeSubmission(e.value); err == nil && sub.ID == string(e.key) {
				hidden += v.stray(sub, e, freeKnown)
			} else if _, err := decodeEvent(e.key, e.value); err == nil && freeKnown {
				v.keep(string(bucketEvents), e.key, e.value)
			}
		}
	}
	if hidden > 0 {
		v.lost("Which pages are free: %d submissions that were found on pages apart may have been deleted or changed; only admins see them.", hidden)
	}
}

// stray keeps a submission that was found apart, and returns how many of it were
// hidden.
func (v *salvage) stray(sub contest.Submission, e element, freeKnown bool) (hidden int) {
	if freeKnown {
		v.keep(string(bucketSubmissions), e.key, e.value)
		return 0
	}
	if v.tx.Bucket(bucketSubmissions).Get(e.key) != nil {
		return 0
	}
	sub.Status = contest.Hidden
	if data, err := encodeSubmission(&sub); err == nil {
		v.keep(string(bucketSubmissions), e.key, data)
	}
	return 1
}

// withoutMeta salvages a file whose meta pages are both damaged: the size of
// its pages is the one with which the most of them name themselves.
func (v *salvage) withoutMeta(ctx context.Context) error {
	v.lost("Both of the file's meta pages.")
	v.holes[""] = true
	best, most := &pageFile{}, 0
	for size := int64(1024); size <= 1<<16; size *= 2 {
		pages := &pageFile{from: v.from, size: size, count: uint64(v.size / size)}
		n := 0
		for id := uint64(2); id < pages.count; id++ {
			if _, err := pages.head(id, leafPage, branchPage); err == nil {
				n++
			}
		}
		if n > most {
			best, most = pages, n
		}
	}
	if most == 0 {
		return ErrNotAStore
	}
	v.strays(ctx, best, make([]bool, best.count), false)
	return errors.Join(v.err, ctx.Err())
}

// finish makes a sound store of what was read, and says what is missing.
func (v *salvage) finish(ctx context.Context, fresh string) error {
	if v.records == 0 {
		return fmt.Errorf("salvage the data file: %w", ErrNotAStore)
	}
	if err := v.complete(fresh); err != nil {
		return fmt.Errorf("complete the salvaged data: %w", err)
	}
	s, err := Open(fresh, Options{CompactFree: -1, NoSync: true})
	if err != nil {
		return fmt.Errorf("open the salvaged data: %w", err)
	}
	_, err = s.Repair(ctx)
	if err == nil {
		var found []string
		found, err = s.Check()
		for _, fault := range found {
			v.lost("What this is about: %s", fault)
			v.done.Whole = false
		}
	}
	if err == nil {
		var counts contest.Counts
		counts, err = s.Counts()
		v.done.Submissions = counts.Total()
	}
	if err == nil {
		err = s.db.Sync() // now that all of it is there
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return fmt.Errorf("put the salvaged data in order: %w", err)
	}
	return nil
}

// complete adds what every file must have, drops what cannot be read, and judges
// what is missing.
func (v *salvage) complete(fresh string) error {
	db, err := bolt.Open(fresh, 0o600, &bolt.Options{NoSync: true, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		submissions, err := v.submissions(tx)
		if err != nil {
			return err
		}
		return errors.Join(v.meta(tx, submissions), v.log(tx))
	})
	return errors.Join(err, db.Close())
}

// submissions puts the records in order: those that cannot be read are dropped,
// and those that are lost get what the event log says of them.
func (v *salvage) submissions(tx *bolt.Tx) (map[string]contest.Submission, error) {
	b := tx.Bucket(bucketSubmissions)
	all := map[string]contest.Submission{}
	var broken []string
	var highest uint64
	_ = b.ForEach(func(id, data []byte) error {
		sub, err := decodeSubmission(data)
		if err != nil || sub.ID != string(id) {
			broken = append(broken, string(id))
			return nil
		}
		all[sub.ID] = sub
		if sub.Sequence < unlikely {
			highest = max(highest, sub.Sequence)
		}
		return nil
	})
	if err := v.straighten(b, all, &highest); err != nil {
		return nil, err
	}
	for _, id := range broken {
		if err := b.Delete([]byte(id)); err != nil {
			return nil, err
		}
		v.lost("The record of submission %.64q.", id)
	}
	missing := v.holes[""] || v.holes[string(bucketSubmissions)] || len(broken) > 0
	if missing {
		for _, sub := range v.told(tx, all) {
			if sub.Sequence == 0 {
				highest++
				sub.Sequence = highest
			}
			data, err := encodeSubmission(&sub)
			if err == nil {
				err = b.Put([]byte(sub.ID), data)
			}
			if err != nil {
				return nil, err
			}
			all[sub.ID] = sub
			v.done.Partial++
			v.lost("Name, phone number and whatever else is not public of submission %.64q.", sub.ID)
		}
	}
	gone := 0
	for _, id := range slices.Sorted(maps.Keys(v.places)) {
		if _, there := all[id]; !there {
			gone++
			v.lost("Submission %.64q of %.64q.", id, v.places[id].category)
		}
	}
	v.judge(missing, gone+len(broken))
	return all, nil
}

// unlikely is a place in the order of arrival that no contest reaches.
const unlikely = 1 << 48

// straighten gives records that can be read and say what cannot be what is
// possible: a place in the order that is theirs alone, and a status that shows
// them to nobody but admins.
func (v *salvage) straighten(b *bolt.Bucket, all map[string]contest.Submission, highest *uint64) error {
	taken := map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		sub := all[id]
		key := string(orderKey(sub.Category, sub.Sequence))
		known := sub.Status == contest.Approved || sub.Status == contest.Waiting || sub.Status == contest.Hidden
		placed := sub.Sequence > 0 && sub.Sequence < unlikely && !taken[key]
		taken[key] = true
		if known && placed {
			continue
		}
		if !known {
			sub.Status = contest.Hidden
			v.lost("Who may see submission %.64q: only admins do.", id)
			v.done.Whole = false
		}
		if !placed {
			*highest++
			sub.Sequence = *highest
			v.lost("The place of submission %.64q: it is the newest.", id)
		}
		data, err := encodeSubmission(&sub)
		if err == nil {
			err = b.Put([]byte(id), data)
		}
		if err != nil {
			return err
		}
		all[id] = sub
	}
	return nil
}

// judge decides whether what is lost matters. That no submission is missing is
// known where the index of all of them is whole.
func (v *salvage) judge(missing bool, gone int) {
	v.done.Whole = v.done.Whole && gone == 0 && v.done.Partial == 0
	for _, bucket := range precious {
		hole := v.holes[bucket]
		if bucket == string(bucketSubmissions) {
			hole = missing && (v.holes[string(bucketOrder)] || len(v.places) == 0)
		}
		v.done.Whole = v.done.Whole && !hole
	}
}

// told are the submissions that the event log tells of and that are not in all.
func (v *salvage) told(tx *bolt.Tx, all map[string]contest.Submission) map[string]contest.Submission {
	found := map[string]contest.Submission{}
	_ = tx.Bucket(bucketEvents).ForEach(func(key, data []byte) error {
		e, err := decodeEvent(key, data)
		if err != nil || e.Name != contest.EventNewSubmission && e.Name != contest.EventSubmissionUpdated || len(e.Payload) == 0 {
			return nil
		}
		var p contest.Public
		if json.Unmarshal(e.Payload, &p) != nil || p.ID == "" {
			return nil
		}
		if _, there := all[p.ID]; there {
			return nil
		}
		sub := contest.Submission{ID: p.ID, SubmissionID: "sub-" + p.ID, Category: p.Category, Caption: p.Caption, ImageURL: p.ImageURL,
			CreatedAt: p.CreatedAt, Images: p.Images, StorageMethod: "none", Status: contest.Approved, Announced: true, Sequence: v.places[p.ID].sequence}
		if p.ImageURL != nil {
			sub.StorageMethod = "cloudinary"
			if name, here := strings.CutPrefix(*p.ImageURL, "/uploads/"); here {
				sub.StorageMethod = "local-primary"
				sub.Files = append(sub.Files, name)
				for _, image := range p.Images {
					if size, ok := strings.CutPrefix(image.URL, "/uploads/"); ok && size != name {
						sub.Files = append(sub.Files, size)
					}
				}
			}
		}
		found[p.ID] = sub
		return nil
	})
	return found
}

// meta writes what every file must say of itself.
func (v *salvage) meta(tx *bolt.Tx, all map[string]contest.Submission) error {
	b := tx.Bucket(bucketMeta)
	put := map[string][]byte{
		string(metaFormat): uint64Key(formatVersion),
		// Offsets that clients hold may belong to events that are lost.
		string(metaEpoch): []byte(newEpoch()),
	}
	var list []contest.Category
	if json.Unmarshal(b.Get(metaCategories), &list) != nil {
		v.lost("The names of the categories.")
		v.done.Whole = false
		data, err := json.Marshal(usedCategories(all))
		if err != nil {
			return err
		}
		put[string(metaCategories)] = data
	}
	for name, value := range put {
		if err := b.Put([]byte(name), value); err != nil {
			return err
		}
	}
	return v.winners(tx)
}

// log numbers the events that were read anew, without gaps: nobody holds an
// offset of the new epoch.
func (v *salvage) log(tx *bolt.Tx) error {
	var list [][]byte
	_ = tx.Bucket(bucketEvents).ForEach(func(key, data []byte) error {
		if _, err := decodeEvent(key, data); err == nil {
			list = append(list, bytes.Clone(data))
		}
		return nil
	})
	if err := tx.DeleteBucket(bucketEvents); err != nil {
		return err
	}
	b, err := tx.CreateBucket(bucketEvents)
	if err != nil {
		return err
	}
	for i, data := range list {
		if err := b.Put(uint64Key(uint64(i+1)), data); err != nil {
			return err
		}
	}
	return errors.Join(b.SetSequence(uint64(len(list))), tx.Bucket(bucketMeta).Delete(metaTrimmed))
}

// winners drops the picks that cannot be read.
func (v *salvage) winners(tx *bolt.Tx) error {
	var broken []string
	_ = tx.Bucket(bucketWinners).ForEach(func(category, _ []byte) error {
		if _, err := readPicks(tx, string(category)); err != nil {
			broken = append(broken, string(category))
		}
		return nil
	})
	for _, category := range broken {
		v.lost("The winners of %.64q.", category)
		v.done.Whole = false
		if err := tx.Bucket(bucketWinners).Delete([]byte(category)); err != nil {
			return err
		}
	}
	return nil
}

// usedCategories are the usual categories and those that submissions are in.
func usedCategories(all map[string]contest.Submission) []contest.Category {
	list := contest.DefaultCategories()
	known := map[string]bool{}
	for _, c := range list {
		known[c.ID] = true
	}
	for _, sub := range all {
		if c := (contest.Category{ID: sub.Category, Name: sub.Category}); !known[c.ID] && c.Validate() == nil {
			known[c.ID] = true
			list = append(list, c)
		}
	}
	slices.SortFunc(list[len(contest.DefaultCategories()):], func(a, b contest.Category) int { return strings.Compare(a.ID, b.ID) })
	return list
}
