package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"

	"podium/contest"
	"podium/server/answer"
)

// guestHeader is the header in which a phone says its secret. No page of another
// site can make a browser send it.
const guestHeader = "Podium-Guest"

// minePhoto is a photo as its sender sees it.
type minePhoto struct {
	feedItem
	Category string         `json:"category"`
	Status   contest.Status `json:"status"`
	Place    int            `json:"place,omitempty"` // among the winners that were announced, 1 for the first
}

// asGuest is how the phone behind a request is known.
func asGuest(r *http.Request) (string, error) {
	secret := r.Header.Get(guestHeader)
	if err := guestSecret(secret); err != nil || secret == "" {
		return "", answer.New(http.StatusUnauthorized, "This page does not say whose photos are meant.").Coded("guestUnknown")
	}
	return guestOf(secret), nil
}

// mostMine is how many photos of a phone are listed, the newest: whoever sent a
// thousand would make the server work for each of them with a request of some bytes.
const mostMine = 100

const (
	// fewMine is how many photos of a phone are listed as often as anything else.
	fewMine = 8
	// listedPerSecond is how many bytes of longer lists a network may have made a second:
	// a hundred long captions take 8 ms of a processor for a request of 100 bytes.
	listedPerSecond = 256 << 10
)

// mine answers GET /api/mine: what a phone has sent and is still here, newest
// first, held back or not.
func (c *API) mine(w http.ResponseWriter, r *http.Request) error {
	guest, err := asGuest(r)
	if err != nil {
		return err
	}
	list, err := c.listMine(c.AddressOf(r), guest)
	if err != nil {
		return err
	}
	picks, err := c.Contest.AllWinners()
	if err != nil {
		return storeError(err)
	}
	photos := make([]minePhoto, 0, len(list))
	for i := range list {
		sub := &list[i]
		photos = append(photos, minePhoto{c.feedItem(sub), sub.Category, sub.Status, slices.Index(picks[sub.Category], sub.ID) + 1})
	}
	body, err := answer.Encode(map[string]any{"photos": photos})
	if err != nil {
		return fmt.Errorf("encode the photos of a phone: %w", err)
	}
	if len(list) > fewMine {
		c.lists.Spend(c.AddressOf(r), int64(len(body)))
	}
	w, done, err := c.charged(w, r, len(body))
	if err != nil {
		return err
	}
	defer done()
	w.Header().Set("Cache-Control", "no-store")
	answer.Bytes(w, http.StatusOK, body)
	return nil
}

// listMine returns what a phone has sent. Reading some photos costs as much as any
// request; more of them are paced by the network that asks.
func (c *API) listMine(from netip.Addr, guest string) ([]contest.Submission, error) {
	list, err := c.Contest.GuestSubmissions(guest, fewMine+1)
	if err != nil || len(list) <= fewMine {
		return list, storeError(err)
	}
	if wait := c.lists.Wait(from, true); wait > 0 {
		return nil, answer.Later(wait, "Too many long lists at once; please wait a moment.").Coded("tooFast")
	}
	list, err = c.Contest.GuestSubmissions(guest, mostMine)
	return list, storeError(err)
}

// removeMine answers DELETE /api/mine/ID: a guest takes a photo back. One that is
// somebody else's is as unknown as one that never was.
func (c *API) removeMine(w http.ResponseWriter, r *http.Request) error {
	guest, err := asGuest(r)
	if err != nil {
		return err
	}
	id, err := idOf(r)
	if err != nil {
		return err
	}
	sub, err := c.Contest.Submission(id)
	if err == nil && sub.Guest != guest {
		err = contest.ErrNotFound
	}
	if errors.Is(err, contest.ErrNotFound) {
		return answer.Because(err, http.StatusNotFound, "This phone has sent no such photo.").Coded("gone")
	}
	if err != nil {
		return storeError(err)
	}
	if _, err := c.delete(r, id); err != nil {
		return err
	}
	answer.JSON(w, http.StatusOK, answer.OK)
	return nil
}
