package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"podium/protocol/services"
)

// A database that was too busy to pass a notification on at the start is not polled
// for ever.
func TestPollingEndsWhenNotificationsArrive(t *testing.T) {
	s, err := Open(t.Context(), services.StartPostgres(t, "fsync", "off").URL(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := &watch{store: s, hearIn: 10 * time.Millisecond}
	if err := w.poll(t.Context()); err != nil || !w.fresh {
		t.Errorf("polling ended with %v", err)
	}
	w = &watch{store: s, hearIn: time.Hour}
	ended, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := w.poll(ended); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("polling ended with %v", err)
	}
}
