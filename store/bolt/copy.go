package bolt

import (
	"fmt"
	"io"
	"time"

	bolt "go.etcd.io/bbolt"
)

// WriteTo writes a consistent copy of the whole file and returns its size in
// bytes. Changes go on meanwhile: while there are any, the copy pauses again
// and again, so that it leaves the disk and the processors to them for most of
// the time; without any, it goes as fast as it can.
func (s *Store) WriteTo(w io.Writer) (int64, error) {
	var n int64
	err := s.view(func(tx *bolt.Tx) error {
		var err error
		n, err = tx.WriteTo(&pacedWriter{to: w, store: s})
		return err
	})
	if err != nil {
		return n, fmt.Errorf("copy the data file: %w", err)
	}
	return n, nil
}

const (
	// busyFor is how long after a commit the store counts as busy.
	busyFor = time.Second
	// A pause is pauseFactor times as long as the work before it, within these
	// bounds.
	pauseFactor   = 4
	shortestPause = 2 * time.Millisecond
	longestPause  = 20 * time.Millisecond
)

// Yield pauses whoever has worked on something that can wait, in proportion to
// the work, if there were changes within the last second. Work that is done in
// steps of about a millisecond with Yield between them hardly delays changes.
func (s *Store) Yield(worked time.Duration) {
	if s.figures.busy() && !s.hurried.Load() {
		time.Sleep(min(max(pauseFactor*worked, shortestPause), longestPause))
	}
}

// Hurry makes Yield return at once from now on: nobody is kept waiting any more
// by a copy, but somebody waits for it to be done.
func (s *Store) Hurry() { s.hurried.Store(true) }

// pacedStep is how much is copied between two pauses.
const pacedStep = 128 << 10

// pacedWriter yields after each step.
type pacedWriter struct {
	to      io.Writer
	store   *Store
	began   time.Time // of the step
	written int       // in it
}

// Write passes the data on.
func (p *pacedWriter) Write(data []byte) (int, error) {
	if p.written == 0 {
		p.began = time.Now()
	}
	n, err := p.to.Write(data)
	if p.written += n; p.written >= pacedStep {
		p.written = 0
		p.store.Yield(time.Since(p.began))
	}
	return n, err
}
