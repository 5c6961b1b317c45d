package bolt

import (
	"fmt"
	"os"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Commit describes one commit, for Options.OnCommit.
type Commit struct {
	// Changes is how many callers' changes it held.
	Changes int
	// Took is the time from the first byte written to the end of the sync.
	Took time.Duration
}

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

func (f *figures) committed(c Commit) {
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

// Stats are figures about the file and the work done since opening.
type Stats struct {
	FileBytes     int64 // size of the file
	UsedBytes     int64 // part of it that holds data
	FreePages     int   // pages that can be used again
	PageBytes     int   // size of a page
	OpenReads     int   // reading transactions open now
	Commits       uint64
	Changes       uint64 // changes in these commits
	Failures      uint64 // commits that failed
	CommitTime    time.Duration
	SlowestCommit time.Duration
	// LastError is why the last commit failed; nil after one that succeeded.
	LastError error
}

// Sessions returns how many real-time sessions are kept, which clients that were
// away take up again.
func (s *Store) Sessions() (n int, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		n = tx.Bucket(bucketSessions).Stats().KeyN
		return nil
	})
	return n, err
}

// Stats returns the figures of this moment.
func (s *Store) Stats() (Stats, error) {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.db == nil {
		return Stats{}, ErrClosed
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return Stats{}, fmt.Errorf("size of the data file: %w", err)
	}
	bolted := s.db.Stats()
	stats := Stats{
		FileBytes: info.Size(),
		FreePages: bolted.FreePageN + bolted.PendingPageN,
		PageBytes: s.db.Info().PageSize,
		OpenReads: bolted.OpenTxN,
	}
	stats.UsedBytes = stats.FileBytes - int64(stats.FreePages)*int64(stats.PageBytes)
	s.figures.mu.Lock()
	defer s.figures.mu.Unlock()
	f := &s.figures
	stats.Commits, stats.Changes, stats.Failures = f.commits, f.changes, f.failures
	stats.CommitTime, stats.SlowestCommit, stats.LastError = f.total, f.slowest, f.lastErr
	return stats, nil
}
