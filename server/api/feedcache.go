package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"sync"

	"podium/contest"
)

// feedCache keeps the whole feed as it was last encoded. All readers share it,
// those of a part of it too, until something that everybody sees changes: what
// a request costs does not grow with what there is to read, but for the bytes.
type feedCache struct {
	mu      sync.Mutex // guards the fields below, and is held while the feed is read anew
	current *encodedFeed
	// rows says where the body of current has the item of a record, by the record's hash: what has
	// not changed since is copied from there, and neither decoded nor encoded again.
	rows map[uint64]feedRow
	seed maphash.Seed

	reading sync.Mutex // held while a page is read from the store, so that one is at a time
}

// encodedFeed is the feed of one moment. It is immutable.
type encodedFeed struct {
	etag       string
	body       []byte
	categories []encodedCategory
	available  bool // there are winners
}

type encodedCategory struct {
	id   string
	rows []feedRow
}

// feedRow is an item in the body of a feed.
type feedRow struct {
	from, to  int // bytes of the body
	createdAt int64
}

// storedPage is the most items of a page that is read from the store.
const storedPage = 200

// currentFeed returns the feed whose tag is etag, or a newer one. The one who
// finds the cache out of date encodes it for all who wait.
func (c *API) currentFeed(etag string) (*encodedFeed, error) {
	c.feed.mu.Lock()
	defer c.feed.mu.Unlock()
	if c.feed.current != nil && c.feed.current.etag == etag {
		return c.feed.current, nil
	}
	if err := c.renewFeed(); err != nil {
		return nil, err
	}
	return c.feed.current, nil
}

// renewFeed encodes the feed, with what the last one has of it. c.feed.mu must
// be held.
func (c *API) renewFeed() error {
	old := c.feed.current
	if old == nil {
		old = &encodedFeed{}
		c.feed.seed = maphash.MakeSeed()
	}
	feed := &encodedFeed{body: append(make([]byte, 0, len(old.body)+len(old.body)/16+1024), `{"feed":{`...)}
	rows := make(map[uint64]feedRow, len(c.feed.rows)+1)
	between, comma := "", ""
	version, err := c.Contest.WalkFeed(func(one contest.Category) error {
		key, err := json.Marshal(one.ID)
		feed.body = append(append(append(feed.body, between...), key...), `:[`...)
		feed.categories = append(feed.categories, encodedCategory{id: one.ID})
		between, comma = "],", ""
		return err
	}, func(r contest.Record) (err error) {
		before, first := len(feed.body), comma
		defer func() {
			if err != nil { // a damaged record is passed over
				feed.body, comma = feed.body[:before], first
			}
		}()
		feed.body = append(feed.body, comma...)
		comma = ","
		hash := maphash.Bytes(c.feed.seed, r.Data)
		row := feedRow{from: len(feed.body)}
		if at, ok := c.feed.rows[hash]; ok {
			row.createdAt = at.createdAt
			feed.body = append(feed.body, old.body[at.from:at.to]...)
		} else if row.createdAt, feed.body, err = c.appendItem(feed.body, r); err != nil {
			return err
		}
		row.to = len(feed.body)
		rows[hash] = row
		last := &feed.categories[len(feed.categories)-1]
		last.rows = append(last.rows, row)
		return nil
	})
	if err != nil {
		return storeError(err)
	}
	// Read after the feed: what changes in between makes the tag too old, and never the answer.
	if feed.available, err = c.anyWinners(); err != nil {
		return err
	}
	if between != "" {
		feed.body = append(feed.body, ']')
	}
	feed.body = append(append(feed.body, '}'), feed.end()...)
	feed.etag = fmt.Sprintf(`"%s-%d"`, c.Contest.Epoch(), version)
	c.feed.current, c.feed.rows = feed, rows
	return nil
}

// end is what follows the object of categories.
func (f *encodedFeed) end() []byte {
	return append(strconv.AppendBool([]byte(`,"winnersAvailable":`), f.available), '}')
}

// appendItem appends the item of a record.
func (c *API) appendItem(b []byte, r contest.Record) (createdAt int64, out []byte, err error) {
	sub, err := r.Decode()
	if err != nil {
		return 0, b, err
	}
	item, err := json.Marshal(c.feedItem(&sub))
	if err != nil {
		return 0, b, fmt.Errorf("encode the feed: %w", err)
	}
	return sub.CreatedAt, append(b, item...), nil
}

// part is the answer with what q wants of every category, in pieces of the
// body: nothing is copied, however many read slowly.
func (f *encodedFeed) part(q contest.Query) [][]byte {
	pieces := [][]byte{[]byte(`{"feed":{`)}
	for i, one := range f.categories {
		open := `"` + one.id + `":[` // an id has no characters to escape
		if i > 0 {
			open = `],` + open
		}
		pieces = append(pieces, []byte(open))
		pieces, _ = f.pick(pieces, one.rows, q)
	}
	if len(f.categories) > 0 {
		pieces = append(pieces, []byte(`]`))
	}
	return append(pieces, []byte(`}`), f.end())
}

// page is the answer with what q wants of one category. ok is false where the
// page shall begin after something that is not in the feed.
func (f *encodedFeed) page(category string, q contest.Query) (pieces [][]byte, ok bool) {
	i := slices.IndexFunc(f.categories, func(one encodedCategory) bool { return one.id == category })
	if i < 0 {
		return nil, false
	}
	rows := f.categories[i].rows
	if q.Before != "" {
		begins := []byte(`{"id":"` + q.Before + `",`)
		at := slices.IndexFunc(rows, func(r feedRow) bool { return bytes.HasPrefix(f.body[r.from:r.to], begins) })
		if at < 0 {
			return nil, false
		}
		rows = rows[at+1:]
	}
	pieces, more := f.pick([][]byte{[]byte(`{"feed":{"` + category + `":[`)}, rows, q)
	return append(pieces, pageEnd(f.available, more)), true
}

// pageEnd is what follows the items of a page.
func pageEnd(available, more bool) []byte {
	return fmt.Appendf(nil, `]},"winnersAvailable":%t,"more":%t}`, available, more)
}

// pick appends what q wants of rows to pieces. Neighbours are one piece, with
// the comma between them. more says that the limit left something out.
func (f *encodedFeed) pick(pieces [][]byte, rows []feedRow, q contest.Query) (out [][]byte, more bool) {
	from, to, count := -1, -1, 0
	for _, r := range rows {
		if q.Limit > 0 && count == q.Limit {
			more = true
			break
		}
		if q.Since > 0 && r.createdAt <= q.Since {
			continue
		}
		count++
		switch {
		case from < 0:
			from = r.from
		case r.from != to+1:
			pieces = append(pieces, f.body[from:to], []byte(`,`))
			from = r.from
		}
		to = r.to
	}
	if from >= 0 {
		pieces = append(pieces, f.body[from:to])
	}
	return pieces, more
}

// readPage is page as the store has it, of storedPage items at most.
func (c *API) readPage(feed *encodedFeed, category string, q contest.Query) ([][]byte, error) {
	if q.Limit == 0 || q.Limit > storedPage {
		q.Limit = storedPage
	}
	c.feed.reading.Lock()
	defer c.feed.reading.Unlock()
	list, more, err := c.Contest.Submissions(category, q)
	if err != nil {
		return nil, storeError(err)
	}
	items := make([]feedItem, 0, len(list))
	for i := range list {
		items = append(items, c.feedItem(&list[i]))
	}
	body, err := json.Marshal(items)
	if err != nil {
		return nil, fmt.Errorf("encode a page of the feed: %w", err)
	}
	return [][]byte{[]byte(`{"feed":{"` + category + `":`), bytes.TrimSuffix(body, []byte(`]`)), pageEnd(feed.available, more)}, nil
}

// anyWinners reports whether anything was picked.
func (c *API) anyWinners() (bool, error) {
	picks, err := c.Contest.Winners()
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
