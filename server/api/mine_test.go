package api

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"podium/contest"
	"podium/server/answer"
)

// Whoever sends much under one secret and asks for it again and again costs no more
// than others, and is charged for what they do not take.
func TestThePhotosOfAPhoneAreListedWithinBounds(t *testing.T) {
	c := feedAPI(t, 0, true)
	secret := strings.Repeat("a", 32)
	for n := range 300 {
		sub := contest.Submission{ID: fmt.Sprintf("%d-aaaaaa", n), SubmissionID: fmt.Sprintf("sub-%d-aaaaaa", n), Category: "best",
			Caption: strings.Repeat("<", 500), StorageMethod: "none", CreatedAt: int64(n), Status: contest.Approved, Guest: guestOf(secret)}
		if _, _, err := c.Contest.Submit(context.Background(), sub, contest.Once{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	ask := func() (*httptest.ResponseRecorder, error) {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/api/mine", nil)
		r.Header.Set(guestHeader, secret)
		return w, c.mine(w, r)
	}
	w, err := ask()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(w.Body.String(), `"id":`); n != mostMine || !strings.Contains(w.Body.String(), `"299-aaaaaa"`) {
		t.Errorf("%d photos are listed", n)
	}
	others := c.Readers.Open(netip.Addr{}, nil)
	defer others.Close()
	if err := others.Hold(1<<20 - 1000); err != nil {
		t.Fatal(err)
	}
	if w, err := ask(); err == nil || w.Body.Len() > 0 {
		t.Error("it was answered without memory for it")
	}
}

// A request of a hundred bytes has a hundred photos read: whoever asks again and again
// waits, and a phone that sent a few never does, though it is behind the same address.
func TestLongListsOfAPhonesPhotosArePaced(t *testing.T) {
	c := feedAPI(t, 0, true)
	much, few := strings.Repeat("a", 32), strings.Repeat("b", 32)
	for n := range mostMine + fewMine {
		secret := much
		if n >= mostMine {
			secret = few
		}
		sub := contest.Submission{ID: fmt.Sprintf("%d-aaaaaa", n), SubmissionID: fmt.Sprintf("sub-%d-aaaaaa", n), Category: "best",
			Caption: strings.Repeat("<", 2000), StorageMethod: "none", CreatedAt: int64(n), Status: contest.Approved, Guest: guestOf(secret)}
		if _, _, err := c.Contest.Submit(context.Background(), sub, contest.Once{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(secret string) error {
		r := httptest.NewRequest("GET", "/api/mine", nil)
		r.Header.Set(guestHeader, secret)
		return c.mine(httptest.NewRecorder(), r)
	}
	var refusal *answer.Error
	for range 100 {
		if err := ask(much); err != nil && !errors.As(err, &refusal) {
			t.Fatal(err)
		}
		if err := ask(few); err != nil {
			t.Fatalf("a phone that sent %d photos: %v", fewMine, err)
		}
	}
	if refusal == nil || refusal.Status != 429 || refusal.Retry <= 0 {
		t.Errorf("a hundred long lists at once: %v", refusal)
	}
}
