package bolt

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"podium/contest"
)

// stocked opens a store with n submissions in one category.
func stocked(b testing.TB, n int) *Store {
	b.Helper()
	s, err := Open(filepath.Join(b.TempDir(), "db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	bulk := contest.Bulk{}
	for i := range n {
		sub := sample(i + 1)
		sub.Caption = "A caption of the usual length, with a few words"
		bulk.Submissions = append(bulk.Submissions, sub)
	}
	if _, err := contest.New(s).Import(context.Background(), bulk); err != nil {
		b.Fatal(err)
	}
	return s
}

// Sixteen at a time share syncs: the figure is bound by them, and the same
// whatever is stored already.
func BenchmarkSubmitSixteenAtATime(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := stocked(b, n)
			var next atomic.Int64
			next.Store(int64(n))
			b.ResetTimer()
			var wg sync.WaitGroup
			for range 16 {
				wg.Go(func() {
					for {
						i := int(next.Add(1))
						if i > n+b.N {
							return
						}
						sub := sample(i)
						sub.Caption = "A caption of the usual length, with a few words"
						if _, _, err := contest.New(s).Submit(context.Background(), sub, contest.Once{}, nil); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			stats, err := s.Stats()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(stats.Changes)/float64(stats.Commits), "changes/commit")
			b.ReportMetric(float64(stats.CommitTime.Microseconds())/float64(stats.Commits), "µs/commit")
		})
	}
}

func BenchmarkFeedPageOf50(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := stocked(b, n)
			b.ReportAllocs()
			for b.Loop() {
				if list, _, err := s.Submissions("best", contest.Query{Limit: 50}); err != nil || len(list) != 50 {
					b.Fatal(len(list), err)
				}
			}
		})
	}
}
