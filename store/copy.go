package store

import (
	"fmt"
	"io"
	"time"

	bolt "go.etcd.io/bbolt"
)

// WriteTo writes a consistent copy of the whole file and returns its size in
// bytes. Changes go on meanwhile: while there are any, the copy pauses in
// between, so that it leaves the disk and the processors to them for most of
// the time; without any, it goes as fast as it can.
func (s *Store) WriteTo(w io.Writer) (int64, error) {
	var n int64
	err := s.view(func(tx *bolt.Tx) error {
		var err error
		n, err = tx.WriteTo(&pacedWriter{to: w, figures: &s.figures})
		return err
	})
	if err != nil {
		return n, fmt.Errorf("copy the data file: %w", err)
	}
	return n, nil
}

const (
	// pacedStep is how much is copied between two pauses.
	pacedStep = 256 << 10
	// A pause is pauseFactor times as long as the step before it took, within
	// these bounds.
	pauseFactor   = 4
	shortestPause = 5 * time.Millisecond
	longestPause  = 20 * time.Millisecond
)

// pacedWriter pauses after each step if something was committed during it.
type pacedWriter struct {
	to      io.Writer
	figures *figures
	began   time.Time // of the step
	commits uint64    // at its beginning
	written int       // in it
}

// Write passes the data on.
func (p *pacedWriter) Write(data []byte) (int, error) {
	if p.written == 0 {
		p.began, p.commits = time.Now(), p.figures.commitCount()
	}
	n, err := p.to.Write(data)
	if p.written += n; p.written >= pacedStep {
		p.written = 0
		if p.figures.commitCount() != p.commits {
			time.Sleep(min(max(pauseFactor*time.Since(p.began), shortestPause), longestPause))
		}
	}
	return n, err
}
