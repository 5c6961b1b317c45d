package bolt_test

import (
	"context"
	"errors"
	"go.uber.org/goleak"
	"path/filepath"
	"podium/contest"
	"podium/store/bolt"
	"podium/store/storetest"
	"sync"
	"testing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, path string) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if found, err := s.Check(); err != nil || len(found) > 0 {
			t.Errorf("check: %v %v", found, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func fresh(t testing.TB) *bolt.Store { return open(t, filepath.Join(t.TempDir(), "podium.db")) }

func submit(t testing.TB, s *bolt.Store, sub contest.Submission) {
	t.Helper()
	if _, _, err := contest.New(s).Submit(context.Background(), sub, contest.Once{}, nil); err != nil {
		t.Fatal(err)
	}
}

func TestASecondProcessIsTurnedAway(t *testing.T) {
	s := fresh(t)
	if _, err := bolt.Open(s.Path(), bolt.Options{LockTimeout: -1}); !errors.Is(err, bolt.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
}

func TestConcurrentSubmissionsShareSyncs(t *testing.T) {
	s := fresh(t)
	var wg sync.WaitGroup
	for n := range 64 {
		wg.Go(func() { submit(t, s, storetest.Entry(n+1, "best")) })
	}
	wg.Wait()
	stats, err := s.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if stats.Changes != 64 || stats.Commits >= 64 {
		t.Errorf("%d changes in %d commits", stats.Changes, stats.Commits)
	}
	offset := uint64(0)
	_ = contest.EachEvent(s, 0, func(e contest.Event) bool {
		if offset++; e.Offset != offset {
			t.Errorf("offset %d after %d", e.Offset, offset-1)
		}
		return true
	})
}

func BenchmarkSubmit(b *testing.B) {
	s := fresh(b)
	n := 0
	var mu sync.Mutex
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			mu.Lock()
			n++
			sub := storetest.Entry(n, "best")
			mu.Unlock()
			submit(b, s, sub)
		}
	})
}
