package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"

	"podium/contest"
)

// feedCache keeps the feed as it was last encoded. All readers share it, those of
// a part of it too, until something that everybody sees changes.
//
// A version of the feed is a list of chunks for each category. The next version
// is made from the last one and the events since, so that a change costs what
// changed, and two versions share all chunks but those: somebody who takes an old
// version slowly keeps hardly more than the others have. What is kept of the
// newest is bounded by Options.FeedMemory; beyond it, the chunks of the oldest
// entries are read from the store whenever they are wanted.
type feedCache struct {
	mu      sync.Mutex // guards current, and is held while the next version is made
	current *encodedFeed

	reading sync.Mutex // held while a page or a chunk is read from the store, so that one is at a time
}

// encodedFeed is the feed of one moment. It is immutable.
type encodedFeed struct {
	epoch      string
	version    uint64
	ahead      uint64 // how much the version is ahead of the offset of the last event
	followable bool   // ahead is known
	categories []encodedCategory
	available  bool // there are winners
}

// etag names the version.
func (f *encodedFeed) etag() string { return feedTag(f.epoch, f.version) }

func feedTag(epoch string, version uint64) string { return fmt.Sprintf(`"%s-%d"`, epoch, version) }

// encodedCategory is a category's part of a version.
type encodedCategory struct {
	id     string
	chunks []*feedChunk // newest first, none empty
	kept   int64        // bytes of the chunks that are kept
}

// feedStater is a store whose version can be compared with its log, so that the
// feed can be brought up to date by the events. Of another it is read anew after
// every change.
type feedStater interface {
	// FeedState returns the version and the offset of the last event of the
	// same moment. Each event moves both by one.
	FeedState() (version, last uint64, err error)
}

// maxFollowed is after how many events the feed is read anew.
const maxFollowed = 256

// currentFeed returns the feed as it is now. The one who finds the cache out of
// date brings it up to date for all who wait.
func (c *API) currentFeed() (*encodedFeed, error) {
	c.feed.mu.Lock()
	defer c.feed.mu.Unlock()
	old, epoch := c.feed.current, c.Contest.Epoch()
	version, ahead, followable, err := c.feedState()
	if err != nil {
		return nil, storeError(err)
	}
	if old != nil && old.epoch == epoch {
		if old.version == version {
			return old, nil
		}
		if followable && old.followable && old.ahead == ahead && old.version < version {
			feed, ok, err := c.followFeed(old)
			if err != nil {
				return nil, storeError(err)
			}
			if ok {
				return c.keepFeed(feed)
			}
		}
	}
	feed, err := c.readFeed(epoch, ahead, followable)
	if err != nil {
		return nil, storeError(err)
	}
	return c.keepFeed(feed)
}

// feedState is what the store says of its version.
func (c *API) feedState() (version, ahead uint64, followable bool, err error) {
	if s, ok := c.Contest.Store.(feedStater); ok {
		version, last, err := s.FeedState()
		return version, version - last, true, err
	}
	version, err = c.Contest.Version()
	return version, 0, false, err
}

// keepFeed makes feed the one that readers get. c.feed.mu must be held.
func (c *API) keepFeed(feed *encodedFeed) (*encodedFeed, error) {
	var err error
	// Read after the feed: what changes in between makes the tag too old, and never the answer.
	if feed.available, err = c.anyWinners(); err != nil {
		return nil, err
	}
	for i := range feed.categories {
		feed.categories[i].trim(c.FeedMemory / int64(len(feed.categories)))
	}
	c.feed.current = feed
	return feed, nil
}

// trim drops the bytes of the oldest chunks beyond limit; 0 is no limit.
func (e *encodedCategory) trim(limit int64) {
	if limit == 0 {
		return
	}
	for i := len(e.chunks) - 1; i >= 0 && e.kept > limit; i-- {
		if k := e.chunks[i]; k.encoded.Load() != nil {
			e.kept -= k.size()
			k.drop()
		}
	}
}

// readFeed reads all of the feed.
func (c *API) readFeed(epoch string, ahead uint64, followable bool) (*encodedFeed, error) {
	known, err := c.Contest.Categories()
	if err != nil {
		return nil, err
	}
	limit, before := c.FeedMemory/int64(max(1, len(known))), c.feed.current.items()
	feed := &encodedFeed{epoch: epoch}
	b := chunkBuilder{limit: limit}
	feed.version, err = c.Contest.WalkFeed(func(one contest.Category) error {
		b.finish(feed)
		feed.categories = append(feed.categories, encodedCategory{id: one.ID})
		b = chunkBuilder{limit: limit}
		return nil
	}, func(r contest.Record) error {
		hash := maphash.Bytes(feedSeed, r.Data)
		if same, ok := before[hash]; ok {
			b.add(feed, same.row, same.item)
			return nil
		}
		sub, err := r.Decode()
		if err != nil {
			return err
		}
		row := rowOf(&sub)
		if b.beyond {
			b.pass(feed, row, roughly(sub.Caption))
			return nil
		}
		item, err := c.feedItemBytes(&sub)
		if err != nil {
			return fmt.Errorf("encode the feed: %w", err)
		}
		row.hash = hash
		b.add(feed, row, item)
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.finish(feed)
	if followable {
		// Where something changed that no event tells of, it was before or after the walk: who knows.
		_, after, _, err := c.feedState()
		if err != nil {
			return nil, err
		}
		feed.ahead, feed.followable = ahead, after == ahead
	}
	return feed, nil
}

// feedSeed makes the hashes of records ones that nobody can aim at.
var feedSeed = maphash.MakeSeed()

// keptItem is an item with its row.
type keptItem struct {
	row  feedRow
	item []byte
}

// items are the items that are kept of a feed, by the hash of the record that they
// were made from, so that a feed that is read anew does not decode and encode what
// it has. A nil feed has none.
func (f *encodedFeed) items() map[uint64]keptItem {
	all := make(map[uint64]keptItem)
	if f == nil {
		return all
	}
	for _, one := range f.categories {
		for _, k := range one.chunks {
			for i, item := range k.items() {
				if k.rows[i].hash != 0 {
					all[k.rows[i].hash] = keptItem{k.rows[i], item}
				}
			}
		}
	}
	return all
}

// roughly is about how many bytes an item with that caption has, rather too many.
func roughly(caption string) int64 {
	const others, escaped = 128, 6
	n := others
	for i := range len(caption) {
		switch b := caption[i]; {
		case b < ' ', b == '"', b == '&', b == '\'', b == '<', b == '>', b == '\\':
			n += escaped
		default:
			n++
		}
	}
	return int64(n)
}

// chunkBuilder makes the chunks of a category from items, the newest first.
type chunkBuilder struct {
	limit  int64
	beyond bool // the limit is reached: of what comes no bytes are kept, so none need be made
	rows   []feedRow
	items  [][]byte // none beyond the limit
	size   int64
}

func (b *chunkBuilder) add(feed *encodedFeed, row feedRow, item []byte) {
	if !b.beyond {
		b.items = append(b.items, item)
	}
	b.pass(feed, row, int64(len(item)))
}

// pass adds a row whose bytes are not kept, and are about so many.
func (b *chunkBuilder) pass(feed *encodedFeed, row feedRow, size int64) {
	row.from, row.to = int(b.size), int(b.size+size)
	b.rows = append(b.rows, row)
	if b.size += size; full(len(b.rows), b.size) {
		b.finish(feed)
	}
}

// finish adds what there is to the last category.
func (b *chunkBuilder) finish(feed *encodedFeed) {
	if len(b.rows) == 0 {
		return
	}
	last := &feed.categories[len(feed.categories)-1]
	if b.limit > 0 && last.kept+b.size > b.limit {
		b.beyond = true
	}
	k := &feedChunk{rows: b.rows}
	if !b.beyond {
		k = newChunk(b.rows, b.items)
		last.kept += k.size()
	}
	last.chunks = append(last.chunks, k)
	b.rows, b.items, b.size = nil, nil, 0
}

func rowOf(sub *contest.Submission) feedRow {
	return feedRow{id: sub.ID, sequence: sub.Sequence, createdAt: sub.CreatedAt}
}

// followFeed brings the feed up to date by the events since. ok is false where
// they do not tell all, or are so many that reading anew is cheaper.
//
// An event that is not synced yet is not read: then the feed is that of the
// moment before it, under the version of that moment.
func (c *API) followFeed(old *encodedFeed) (feed *encodedFeed, ok bool, err error) {
	events, err := c.Contest.Events(old.version-old.ahead, maxFollowed+1)
	if err != nil || len(events) > maxFollowed {
		return nil, false, err
	}
	next := *old
	next.categories = slices.Clone(old.categories)
	seen := make(map[string]bool)
	for _, e := range events {
		next.version++
		if e.Offset != next.version-next.ahead {
			return nil, false, nil // some were taken off the log
		}
		switch e.Name {
		case contest.EventWinnersUpdated:
			continue
		case contest.EventNewSubmission, contest.EventSubmissionUpdated, contest.EventSubmissionRemoved:
		default:
			return nil, false, nil
		}
		var of struct {
			ID string `json:"id"`
		}
		if len(e.Payload) == 0 {
			continue // of one that was removed: another event says so
		}
		if err := json.Unmarshal(e.Payload, &of); err != nil {
			return nil, false, nil
		}
		if seen[of.ID] {
			continue
		}
		seen[of.ID] = true
		if c.follow(&next, of.ID, e.Name == contest.EventNewSubmission) != nil {
			return nil, false, nil // reading anew passes over what is damaged, or says what is wrong
		}
	}
	return &next, true, nil
}

// follow makes what the feed has of a submission what the store has of it. One
// that is fresh was not in the feed before.
func (c *API) follow(feed *encodedFeed, id string, fresh bool) error {
	sub, err := c.Contest.Submission(id)
	if err != nil && !errors.Is(err, contest.ErrNotFound) {
		return err
	}
	gone := err != nil || sub.Status != contest.Approved
	for i := range feed.categories {
		if gone || !fresh && feed.categories[i].id != sub.Category {
			feed.categories[i].remove(id)
		}
	}
	if gone {
		return nil
	}
	i := slices.IndexFunc(feed.categories, func(e encodedCategory) bool { return e.id == sub.Category })
	if i < 0 {
		return nil // of a category that was removed
	}
	item, err := c.feedItemBytes(&sub)
	if err != nil {
		return fmt.Errorf("encode the feed: %w", err)
	}
	feed.categories[i].put(rowOf(&sub), item)
	return nil
}

// put inserts an item, or replaces it.
func (e *encodedCategory) put(row feedRow, item []byte) {
	// The first chunk whose oldest row is not newer than this one.
	at, _ := slices.BinarySearchFunc(e.chunks, row.sequence, func(k *feedChunk, sequence uint64) int {
		return cmp.Compare(sequence, k.rows[len(k.rows)-1].sequence)
	})
	if at == len(e.chunks) {
		if at == 0 || full(len(e.chunks[at-1].rows), e.chunks[at-1].size()) {
			e.insert(at, row, item)
			return
		}
		at--
	}
	k := e.chunks[at]
	i, found := slices.BinarySearchFunc(k.rows, row.sequence, func(r feedRow, sequence uint64) int { return cmp.Compare(sequence, r.sequence) })
	if !found && i == 0 && full(len(k.rows), k.size()) {
		e.insert(at, row, item)
		return
	}
	rows, items := slices.Clone(k.rows), k.items()
	if found {
		rows[i] = row
		if items != nil {
			items[i] = item
		}
	} else {
		rows = slices.Insert(rows, i, row)
		if items != nil {
			items = slices.Insert(items, i, item)
		}
	}
	e.replace(at, rows, items)
}

// insert puts a chunk of one item before the one at that index.
func (e *encodedCategory) insert(at int, row feedRow, item []byte) {
	k := newChunk([]feedRow{row}, [][]byte{item})
	e.kept += k.size()
	e.chunks = slices.Insert(slices.Clip(e.chunks), at, k) // clipped, it is copied: other versions have the old one
}

// remove takes an item out, where it is there.
func (e *encodedCategory) remove(id string) {
	for at, k := range e.chunks {
		i := slices.IndexFunc(k.rows, func(r feedRow) bool { return r.id == id })
		if i < 0 {
			continue
		}
		rows, items := slices.Delete(slices.Clone(k.rows), i, i+1), k.items()
		if items != nil {
			items = slices.Delete(items, i, i+1)
		}
		e.replace(at, rows, items)
		return
	}
}

// replace puts chunks of these rows in the place of the one at that index: none,
// one, or two where there are too many. Without items their bytes are not kept.
func (e *encodedCategory) replace(at int, rows []feedRow, items [][]byte) {
	var chunks []*feedChunk
	halves := []int{0, len(rows)}
	if len(rows) > chunkRows {
		halves = []int{0, len(rows) / 2, len(rows)}
	}
	for i := range halves[1:] {
		from, to := halves[i], halves[i+1]
		switch {
		case from == to:
		case items == nil:
			chunks = append(chunks, &feedChunk{rows: slices.Clone(rows[from:to])})
		default:
			k := newChunk(slices.Clone(rows[from:to]), items[from:to])
			e.kept += k.size()
			chunks = append(chunks, k)
		}
	}
	if old := e.chunks[at]; items != nil {
		e.kept -= old.size()
	}
	e.chunks = slices.Replace(slices.Clone(e.chunks), at, at+1, chunks...)
}

// anyWinners reports whether anything was picked.
func (c *API) anyWinners() (bool, error) {
	picks, _, err := c.Contest.Picks()
	if err != nil {
		return false, storeError(err)
	}
	for _, ids := range picks {
		if len(ids) > 0 {
			return true, nil
		}
	}
	return false, nil
}
