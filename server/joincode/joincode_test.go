package joincode

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"podium/protocol/limits"
)

func TestCodesAreDrawnOneAtATime(t *testing.T) {
	addresses := new(limits.Addresses)
	s := New(Options{AddressOf: addresses.Of, Host: addresses.Host, Secure: addresses.Secure})
	if err := s.turns.Enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequest("GET", "/api/join.svg?path=/wall", nil)
	if err := s.Code(httptest.NewRecorder(), r.WithContext(gone)); !errors.Is(err, context.Canceled) {
		t.Errorf("a second one did not wait: %v", err)
	}
	s.turns.Leave()
	for range 2 { // the first gives its turn back
		w := httptest.NewRecorder()
		if err := s.Code(w, r); err != nil || !strings.HasPrefix(w.Body.String(), "<svg") {
			t.Errorf("%v: %.100s", err, w.Body)
		}
	}
}
