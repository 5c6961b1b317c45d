package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"podium/contest"
	"podium/server/answer"
)

// getFeed answers GET /api/feed.
func (c *API) getFeed(w http.ResponseWriter, r *http.Request) error {
	version, err := c.Contest.Version()
	if err != nil {
		return storeError(err)
	}
	etag := fmt.Sprintf(`"%s-%d"`, c.Contest.Epoch(), version)
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
	feed, err := c.currentFeed(etag)
	if err != nil {
		return err
	}
	h.Set("ETag", feed.etag)
	switch {
	case category != "":
		return c.feedPage(w, feed, category, q)
	case q != (contest.Query{}):
		answer.Pieces(w, http.StatusOK, feed.part(q))
	default:
		answer.Bytes(w, http.StatusOK, feed.body)
	}
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
func feedQuery(r *http.Request) (q contest.Query, category string, err error) {
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
func (c *API) feedPage(w http.ResponseWriter, feed *encodedFeed, category string, q contest.Query) error {
	if err := c.knownCategory(category); err != nil {
		return err
	}
	if pieces, ok := feed.page(category, q); ok {
		answer.Pieces(w, http.StatusOK, pieces)
		return nil
	}
	// What the page shall begin after is not in the feed: it was hidden since, or is of another category.
	pieces, err := c.readPage(feed, category, q)
	if err != nil {
		return err
	}
	answer.Pieces(w, http.StatusOK, pieces)
	return nil
}
