package api

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"podium/contest"
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
