package bolt

import (
	"fmt"
	"os"
	"sync"
	"time"

	"podium/contest"
)

// figures counts what happened since opening.
type figures struct {
	mu       sync.Mutex // guards the fields below
	commits  uint64
	changes  uint64
	failures uint64
	total    time.Duration
	slowest  time.Duration
	lastErr  error
	last     time.Time // of the last commit
}

func (f *figures) committed(c contest.Commit) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commits++
	f.changes += uint64(c.Changes)
	f.total += c.Took
	f.slowest = max(f.slowest, c.Took)
	f.lastErr = nil
	f.last = time.Now()
}

// busy reports whether something was committed lately.
func (f *figures) busy() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.last.IsZero() && time.Since(f.last) < busyFor
}

func (f *figures) failed(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failures++
	f.lastErr = err
}

// Stats returns the figures of this moment.
func (s *Store) Stats() (contest.Stats, error) {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.db == nil {
		return contest.Stats{}, contest.ErrClosed
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return contest.Stats{}, fmt.Errorf("size of the data file: %w", err)
	}
	bolted := s.db.Stats()
	stats := contest.Stats{
		Bytes:     info.Size(),
		FreePages: bolted.FreePageN + bolted.PendingPageN,
		PageBytes: s.db.pageSize,
		OpenReads: bolted.OpenTxN,
	}
	stats.UsedBytes = stats.Bytes - int64(stats.FreePages)*int64(stats.PageBytes)
	s.figures.mu.Lock()
	defer s.figures.mu.Unlock()
	f := &s.figures
	stats.Commits, stats.Changes, stats.Failures = f.commits, f.changes, f.failures
	stats.CommitTime, stats.SlowestCommit, stats.LastError = f.total, f.slowest, f.lastErr
	return stats, nil
}
