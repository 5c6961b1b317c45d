package store

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// stocked opens a store with n submissions in one category.
func stocked(b testing.TB, n int) *Store {
	b.Helper()
	s, err := Open(filepath.Join(b.TempDir(), "db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	bulk := Bulk{}
	for i := range n {
		sub := sample(i + 1)
		sub.Caption = "A caption of the usual length, with a few words"
		bulk.Submissions = append(bulk.Submissions, sub)
	}
	if _, err := s.Import(context.Background(), bulk); err != nil {
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
						if _, _, err := s.Submit(context.Background(), sub, Once{}, nil); err != nil {
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
				if list, _, err := s.Submissions("best", Query{Limit: 50}); err != nil || len(list) != 50 {
					b.Fatal(len(list), err)
				}
			}
		})
	}
}

// BenchmarkWritesDuringABackup reports the p99 of paced single submissions
// without and with a copy of the file being made over and over.
func BenchmarkWritesDuringABackup(b *testing.B) {
	for _, copying := range []bool{false, true} {
		b.Run(fmt.Sprintf("copying=%v", copying), func(b *testing.B) {
			s := stocked(b, 50_000)
			ctx, stop := context.WithCancel(context.Background())
			var wg sync.WaitGroup
			if copying {
				wg.Go(func() {
					for ctx.Err() == nil {
						if _, err := s.WriteTo(io.Discard); err != nil {
							b.Error(err)
						}
					}
				})
			}
			tick := time.NewTicker(2 * time.Millisecond)
			defer tick.Stop()
			var mu sync.Mutex
			var took []time.Duration
			var writers sync.WaitGroup
			for i := range b.N {
				<-tick.C
				writers.Go(func() {
					began := time.Now()
					if _, _, err := s.Submit(context.Background(), sample(100_000+i), Once{}, nil); err != nil {
						b.Error(err)
					}
					mu.Lock()
					took = append(took, time.Since(began))
					mu.Unlock()
				})
			}
			writers.Wait()
			stop()
			wg.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
		})
	}
}
