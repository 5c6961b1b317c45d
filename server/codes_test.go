package server

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"podium/server/limits"
)

func TestCodesAreDrawnOneAtATime(t *testing.T) {
	s := &Server{codes: limits.NewTurns(1), addresses: &limits.Addresses{}}
	if err := s.codes.Enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequest("GET", "/api/join.svg?path=/wall", nil)
	if err := s.joinCode(httptest.NewRecorder(), r.WithContext(gone)); !errors.Is(err, context.Canceled) {
		t.Errorf("a second one did not wait: %v", err)
	}
	s.codes.Leave()
	for range 2 { // the first gives its turn back
		w := httptest.NewRecorder()
		if err := s.joinCode(w, r); err != nil || !strings.HasPrefix(w.Body.String(), "<svg") {
			t.Errorf("%v: %.100s", err, w.Body)
		}
	}
}
