package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"podium/contest"
)

// offsetHeader carries how far the log goes that an answer is of, as the ids of
// event streams do. Where machines share the contest, a page that was told so by
// one of them sends it to the next, which waits until it has followed so far:
// whoever submits finds their photo in the feed, whichever machine answers.
const offsetHeader = "Podium-Offset"

// followWithin is how long a request waits at most for its machine to follow.
const followWithin = time.Second

// tellOffset says how far the log goes that this machine has seen.
func (c *API) tellOffset(w http.ResponseWriter) {
	if shared, ok := c.Contest.Store.(contest.Shared); ok {
		w.Header().Set(offsetHeader, fmt.Sprintf("%s.%d", shared.Epoch(), shared.Followed()))
	}
}

// catchUp waits until this machine has seen what the client has. A client of
// another history, and one whose machine is cut off, gets what is here.
func (c *API) catchUp(r *http.Request) {
	shared, ok := c.Contest.Store.(contest.Shared)
	epoch, text, found := strings.Cut(r.Header.Get(offsetHeader), ".")
	if !ok || !found || epoch != shared.Epoch() {
		return
	}
	offset, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), followWithin)
	defer cancel()
	for seen := shared.Followed(); seen < offset && ctx.Err() == nil; seen = shared.Followed() {
		if err := shared.Follow(ctx, seen); err != nil {
			return
		}
	}
}
