package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"podium/contest"
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

// Readers of a slow database have all connections of the pool for longer than the database
// may take to be there: it is there all the same, and what others write is seen.
func TestTheDatabaseIsThereWhileReadersHaveAllConnections(t *testing.T) {
	url := services.StartPostgres(t, "fsync", "off").URL()
	s, err := Open(t.Context(), url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range s.pool.Config().MaxConns {
		conn, err := s.pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
	}
	other, err := Open(t.Context(), url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	before := s.Followed()
	if err := contest.New(other).ReplaceCategories(t.Context(), []contest.Category{{ID: "other", Name: "Another"}}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); s.Followed() == before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what another machine wrote is not seen")
		}
	}
}
