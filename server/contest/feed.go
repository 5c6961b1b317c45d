package contest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"podium/server/answer"
	"podium/store"
)

// feedCache keeps the whole feed as it was last encoded. All readers share it
// until something that everybody sees changes.
type feedCache struct {
	mu   sync.Mutex // guards the fields below, and is held while the feed is read anew
	etag string
	body []byte
	// items says where body has the item of a record, by the record's hash: what has
	// not changed since is copied from there, and neither decoded nor encoded again.
	items map[uint64]span
	seed  maphash.Seed
}

// span is a part of a feed's body, in bytes.
type span struct{ from, to int }

// feedAnswer is the answer of GET /api/feed.
type feedAnswer struct {
	Feed             orderedFeed `json:"feed"`
	WinnersAvailable bool        `json:"winnersAvailable"`
	More             *bool       `json:"more,omitempty"`
}

// orderedFeed is an object whose keys stand in the order of the categories.
type orderedFeed []categoryItems

type categoryItems struct {
	id    string
	items []feedItem
}

// MarshalJSON implements json.Marshaler.
func (f orderedFeed) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, c := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(c.id)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(c.items)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// getFeed answers GET /api/feed.
func (c *Contest) getFeed(w http.ResponseWriter, r *http.Request) error {
	version, err := c.Store.Version()
	if err != nil {
		return storeError(err)
	}
	etag := fmt.Sprintf(`"%s-%d"`, c.Store.Epoch(), version)
	h := w.Header()
	h.Set("ETag", etag)
	h.Set("Cache-Control", "no-cache")
	if matches(r.Header.Get("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	q, category, err := feedQuery(r)
	if err != nil {
		return err
	}
	if category != "" {
		return c.feedPage(w, category, q)
	}
	if q != (store.Query{}) {
		body, _, err := c.encodeFeed(q)
		if err != nil {
			return err
		}
		answer.Bytes(w, http.StatusOK, body)
		return nil
	}
	body, etag, err := c.cachedFeed(etag)
	if err != nil {
		return err
	}
	h.Set("ETag", etag)
	answer.Bytes(w, http.StatusOK, body)
	return nil
}

// matches reports whether If-None-Match names the tag, whatever a proxy that
// compresses did to it.
func matches(header, etag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == "*" || one == etag || strings.TrimSuffix(one, `-gzip"`)+`"` == etag {
			return true
		}
	}
	return false
}

// feedQuery reads ?category, ?before, ?limit and ?since.
func feedQuery(r *http.Request) (q store.Query, category string, err error) {
	values := r.URL.Query()
	category, q.Before = values.Get("category"), values.Get("before")
	if q.Before != "" && category == "" {
		return q, "", answer.New(http.StatusBadRequest, "before needs a category.")
	}
	if text := values.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 {
			return q, "", answer.New(http.StatusBadRequest, "limit must be a whole number above 0.")
		}
	}
	if text := values.Get("since"); text != "" {
		if q.Since, err = strconv.ParseInt(text, 10, 64); err != nil || q.Since < 0 {
			return q, "", answer.New(http.StatusBadRequest, "since must be a time in milliseconds.")
		}
	}
	return q, category, nil
}

// feedPage answers with a page of one category.
func (c *Contest) feedPage(w http.ResponseWriter, category string, q store.Query) error {
	if err := c.knownCategory(category); err != nil {
		return err
	}
	list, more, err := c.Store.Submissions(category, q)
	if err != nil {
		return storeError(err)
	}
	available, err := c.anyWinners()
	if err != nil {
		return err
	}
	answer.JSON(w, http.StatusOK, feedAnswer{orderedFeed{{category, c.feedItems(list)}}, available, &more})
	return nil
}

// cachedFeed returns the whole feed and its tag. The one who finds the cache
// out of date encodes it for all who wait.
func (c *Contest) cachedFeed(etag string) ([]byte, string, error) {
	c.feed.mu.Lock()
	defer c.feed.mu.Unlock()
	if c.feed.etag == etag {
		return c.feed.body, etag, nil
	}
	version, err := c.renewFeed()
	if err != nil {
		return nil, "", err
	}
	c.feed.etag = fmt.Sprintf(`"%s-%d"`, c.Store.Epoch(), version)
	return c.feed.body, c.feed.etag, nil
}

// renewFeed encodes the feed as encodeFeed does, with what the last one has of it.
// c.feed.mu must be held.
func (c *Contest) renewFeed() (version uint64, err error) {
	old := &c.feed
	if old.items == nil {
		old.seed = maphash.MakeSeed()
	}
	body := append(make([]byte, 0, len(old.body)+len(old.body)/16+1024), `{"feed":{`...)
	items := make(map[uint64]span, len(old.items)+1)
	between, comma := "", ""
	version, err = c.Store.WalkFeed(func(one store.Category) error {
		key, err := json.Marshal(one.ID)
		body = append(append(append(body, between...), key...), `:[`...)
		between, comma = "],", ""
		return err
	}, func(r store.Record) (err error) {
		body = append(body, comma...)
		comma = ","
		from, hash := len(body), maphash.Bytes(old.seed, r.Bytes())
		if at, ok := old.items[hash]; ok {
			body = append(body, old.body[at.from:at.to]...)
		} else if body, err = c.appendItem(body, r); err != nil {
			return err
		}
		items[hash] = span{from, len(body)}
		return nil
	})
	if err != nil {
		return 0, storeError(err)
	}
	// Read after the feed: what changes in between makes the tag too old, and never the answer.
	available, err := c.anyWinners()
	if err != nil {
		return 0, err
	}
	if between != "" {
		body = append(body, ']')
	}
	body = append(body, `},"winnersAvailable":`...)
	body = append(strconv.AppendBool(body, available), '}')
	old.body, old.items = body, items
	return version, nil
}

// appendItem appends the item of a record.
func (c *Contest) appendItem(b []byte, r store.Record) ([]byte, error) {
	sub, err := r.Decode()
	if err != nil {
		return b, err
	}
	item, err := json.Marshal(c.feedItem(&sub))
	if err != nil {
		return b, fmt.Errorf("encode the feed: %w", err)
	}
	return append(b, item...), nil
}

// encodeFeed reads and encodes the feed of all categories.
func (c *Contest) encodeFeed(q store.Query) (body []byte, version uint64, err error) {
	feed, version, err := c.Store.Feed(q)
	if err != nil {
		return nil, 0, storeError(err)
	}
	available, err := c.anyWinners()
	if err != nil {
		return nil, 0, err
	}
	a := feedAnswer{Feed: orderedFeed{}, WinnersAvailable: available}
	for _, one := range feed {
		a.Feed = append(a.Feed, categoryItems{one.Category.ID, c.feedItems(one.Submissions)})
	}
	if body, err = json.Marshal(a); err != nil {
		return nil, 0, fmt.Errorf("encode the feed: %w", err)
	}
	return body, version, nil
}

func (c *Contest) feedItems(list []store.Submission) []feedItem {
	items := make([]feedItem, 0, len(list))
	for i := range list {
		items = append(items, c.feedItem(&list[i]))
	}
	return items
}

// anyWinners reports whether anything was picked.
func (c *Contest) anyWinners() (bool, error) {
	picks, err := c.Store.Winners()
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
