package api

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"podium/contest"
	"podium/server/answer"
)

// getFeed answers GET /api/feed.
func (c *API) getFeed(w http.ResponseWriter, r *http.Request) error {
	c.catchUp(r)
	version, err := c.Contest.Version()
	if err != nil {
		return storeError(err)
	}
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Add("Vary", "Accept-Encoding")
	known := r.Header.Get("If-None-Match")
	if etag := feedTag(c.Contest.Epoch(), version); matches(known, etag) {
		h.Set("ETag", etag)
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	q, category, err := feedQuery(r)
	if err != nil {
		return err
	}
	feed, err := c.currentFeed()
	if err != nil {
		return err
	}
	h.Set("ETag", feed.etag())
	if matches(known, feed.etag()) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if category != "" {
		if err := c.knownCategory(category); err != nil {
			return err
		}
	}
	size := readerBytes
	for _, one := range feed.categories {
		size += 16 * len(one.chunks)
	}
	w, done, err := c.charged(w, r, size)
	if err != nil {
		return err
	}
	defer done()
	switch {
	case category != "":
		return c.feedPage(w, feed, category, q)
	case q != (contest.Query{}):
		return c.feedPart(w, feed, q)
	case answer.Accepts(r.Header.Get("Accept-Encoding"), "gzip"):
		return c.feedGzip(w, feed)
	}
	return c.feedWhole(w, feed)
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
func feedQuery(r *http.Request) (q contest.Query, category string, err error) {
	values := r.URL.Query()
	category, q.Before = values.Get("category"), values.Get("before")
	if q.Before != "" && category == "" {
		return q, "", answer.Malformed("before needs a category.")
	}
	if text := values.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 {
			return q, "", answer.Malformed("limit must be a whole number above 0.")
		}
	}
	if text := values.Get("since"); text != "" {
		if q.Since, err = strconv.ParseInt(text, 10, 64); err != nil || q.Since < 0 {
			return q, "", answer.Malformed("since must be a time in milliseconds.")
		}
	}
	return q, category, nil
}

// readerBytes is what a reader of the feed may make us keep besides the list of
// chunks: the chunks that are of its version only, and what is on its way.
const readerBytes = 64 << 10

// charged charges a reader for the size bytes that it keeps while it takes the
// answer. done gives them back.
func (c *API) charged(w http.ResponseWriter, r *http.Request, size int) (charged http.ResponseWriter, done func(), err error) {
	control := http.NewResponseController(w)
	charge := c.Readers.Open(c.AddressOf(r), func() {
		_ = control.SetWriteDeadline(time.Unix(1, 0)) // best effort: tests have no connection
	})
	if err := charge.Hold(int64(size)); err != nil {
		charge.Close()
		return nil, nil, &answer.Error{Status: http.StatusServiceUnavailable, Sentence: "Too many people read at once; please try again.", Code: "busy", Retry: 2 * time.Second, Cause: err}
	}
	return &takingWriter{w, charge.Progress}, charge.Close, nil
}

// takingWriter tells how much of an answer was taken.
type takingWriter struct {
	http.ResponseWriter
	taken func(int64)
}

// Write implements io.Writer.
func (t *takingWriter) Write(p []byte) (int, error) {
	n, err := t.ResponseWriter.Write(p)
	t.taken(int64(n))
	return n, err
}

// Unwrap is for http.ResponseController.
func (t *takingWriter) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// beginFeed writes the header of an answer of size bytes, or of as many as come
// where it is below 0.
func beginFeed(w http.ResponseWriter, size int) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if size >= 0 {
		w.Header().Set("Content-Length", strconv.Itoa(size))
	}
	w.WriteHeader(http.StatusOK)
}

// outline calls text for what stands between the chunks of a feed, and chunk for
// each of them, in their order.
func (f *encodedFeed) outline(text func(string) error, chunk func(*feedChunk) error) error {
	between := `{"feed":{`
	for i, one := range f.categories {
		if i > 0 {
			between += `],`
		}
		between += `"` + one.id + `":[` // an id has no characters to escape
		for _, k := range one.chunks {
			if err := text(between); err != nil {
				return err
			}
			if err := chunk(k); err != nil {
				return err
			}
			between = `,`
		}
		if len(one.chunks) > 0 {
			between = ""
		}
	}
	if len(f.categories) > 0 {
		between += `]`
	}
	return text(between + fmt.Sprintf(`},"winnersAvailable":%t}`, f.available))
}

// feedWhole answers with all of a feed.
func (c *API) feedWhole(w http.ResponseWriter, feed *encodedFeed) error {
	var kept []*[]byte // what is dropped meanwhile stays ours, so that the length is right
	size := 0
	whole := true
	_ = feed.outline(func(text string) error { size += len(text); return nil }, func(k *feedChunk) error {
		body := k.encoded.Load()
		if kept = append(kept, body); body == nil {
			whole = false
		} else {
			size += len(*body)
		}
		return nil
	})
	if !whole {
		size = -1
	}
	beginFeed(w, size)
	n := -1
	err := feed.outline(func(text string) error {
		_, err := io.WriteString(w, text)
		return err
	}, func(k *feedChunk) error {
		n++
		if body := kept[n]; body != nil {
			_, err := w.Write(*body)
			return err
		}
		_, body, err := c.load(k)
		if err == nil {
			_, err = w.Write(body)
		}
		return err
	})
	return broken(err)
}

// feedGzip answers with all of a feed, compressed. Its chunks are compressed once
// and put together to one stream.
func (c *API) feedGzip(w http.ResponseWriter, feed *encodedFeed) error {
	var kept []*deflatedData
	size := gzipFrame
	whole := true
	_ = feed.outline(func(text string) error { size += len(storedBytes([]byte(text)).stream); return nil }, func(k *feedChunk) error {
		d := k.deflate()
		if kept = append(kept, d); d == nil {
			whole = false
		} else {
			size += len(d.stream)
		}
		return nil
	})
	if !whole {
		size = -1
	}
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Set("ETag", strings.TrimSuffix(feed.etag(), `"`)+`-gzip"`)
	beginFeed(w, size)
	g := gzipStream{w: w}
	if err := g.begin(); err != nil {
		return broken(err)
	}
	n := -1
	err := feed.outline(func(text string) error { return g.part(storedBytes([]byte(text))) }, func(k *feedChunk) error {
		n++
		if d := kept[n]; d != nil {
			return g.part(d)
		}
		_, body, err := c.load(k)
		if err != nil {
			return err
		}
		return g.part(deflateBytes(body))
	})
	if err == nil {
		err = g.end()
	}
	return broken(err)
}

// broken ends the connection of an answer that could not be written to its end:
// there is no other way to say so. Nil stays nil.
func broken(err error) error {
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// feedPart answers with what q wants of every category.
func (c *API) feedPart(w http.ResponseWriter, feed *encodedFeed, q contest.Query) error {
	beginFeed(w, -1)
	text := `{"feed":{`
	for i, one := range feed.categories {
		if i > 0 {
			text += `],`
		}
		if _, err := io.WriteString(w, text+`"`+one.id+`":[`); err != nil {
			return broken(err)
		}
		text = ""
		if _, err := c.pick(w, one.chunks, 0, q); err != nil {
			return broken(err)
		}
	}
	if len(feed.categories) > 0 {
		text += `]`
	}
	_, err := fmt.Fprintf(w, `%s},"winnersAvailable":%t}`, text, feed.available)
	return broken(err)
}

// feedPage answers with a page of one category.
func (c *API) feedPage(w http.ResponseWriter, feed *encodedFeed, category string, q contest.Query) error {
	i := slices.IndexFunc(feed.categories, func(one encodedCategory) bool { return one.id == category })
	var chunks []*feedChunk
	if i >= 0 {
		chunks = feed.categories[i].chunks
	}
	skip := 0
	if q.Before != "" {
		at := slices.IndexFunc(chunks, func(k *feedChunk) bool {
			skip = 1 + slices.IndexFunc(k.rows, func(r feedRow) bool { return r.id == q.Before })
			return skip > 0
		})
		if at < 0 {
			// It was hidden since, or is of another category.
			return c.storedFeedPage(w, feed, category, q)
		}
		chunks = chunks[at:]
	}
	beginFeed(w, -1)
	if _, err := io.WriteString(w, `{"feed":{"`+category+`":[`); err != nil {
		return broken(err)
	}
	more, err := c.pick(w, chunks, skip, q)
	if err == nil {
		_, err = io.WriteString(w, pageEnd(feed.available, more))
	}
	return broken(err)
}

// pageEnd is what follows the items of a page.
func pageEnd(available, more bool) string {
	return fmt.Sprintf(`]},"winnersAvailable":%t,"more":%t}`, available, more)
}

// pick writes what q wants of chunks, but the first skip rows, with commas between.
// more says that the limit left something out.
func (c *API) pick(w io.Writer, chunks []*feedChunk, skip int, q contest.Query) (more bool, err error) {
	count, comma := 0, ""
	for _, k := range chunks {
		wanted := func(r feedRow) bool { return q.Since == 0 || r.createdAt > q.Since }
		if !slices.ContainsFunc(k.rows[skip:], wanted) {
			skip = 0
			continue
		}
		if q.Limit > 0 && count == q.Limit {
			return true, nil
		}
		before := k.rows[0].sequence + 1
		if skip > 0 {
			before = k.rows[skip-1].sequence
		}
		skip = 0
		rows, body, err := c.load(k)
		if err != nil {
			return false, err
		}
		for _, r := range rows {
			if r.sequence >= before || !wanted(r) {
				continue
			}
			if q.Limit > 0 && count == q.Limit {
				return true, nil
			}
			count++
			if _, err := io.WriteString(w, comma); err != nil {
				return false, err
			}
			comma = ","
			if _, err := w.Write(body[r.from:r.to]); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// storedPage is the most items of a page that is read from the store.
const storedPage = 200

// storedFeedPage is feedPage as the store has it, of storedPage items at most.
func (c *API) storedFeedPage(w http.ResponseWriter, feed *encodedFeed, category string, q contest.Query) error {
	if q.Limit == 0 || q.Limit > storedPage {
		q.Limit = storedPage
	}
	items, more, err := c.storedItems(category, q)
	if err != nil {
		return err
	}
	body, err := answer.Encode(items)
	if err != nil {
		return fmt.Errorf("encode a page of the feed: %w", err)
	}
	answer.Pieces(w, http.StatusOK, [][]byte{[]byte(`{"feed":{"` + category + `":`), body[:len(body)-1], []byte(pageEnd(feed.available, more))})
	return nil
}

// storedItems reads a page from the store.
func (c *API) storedItems(category string, q contest.Query) (items []feedItem, more bool, err error) {
	c.feed.reading.Lock()
	defer c.feed.reading.Unlock()
	list, more, err := c.Contest.Submissions(category, q)
	if err != nil {
		return nil, false, storeError(err)
	}
	items = make([]feedItem, 0, len(list))
	for i := range list {
		items = append(items, c.feedItem(&list[i]))
	}
	return items, more, nil
}
