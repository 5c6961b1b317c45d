package bolt

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// migration brings the contents of the file from one format to the next.
type migration func(*bolt.Tx) error

// migrations returns the steps from each older format to the one after it.
// There is none as long as there is only one format.
func migrations() map[uint64]migration { return nil }

// migrate brings the file from an older format to a newer one, all steps in one
// transaction, after a copy of it was put beside it.
func (s *Store) migrate(from, to uint64, steps map[uint64]migration) error {
	if s.options.ReadOnly {
		return fmt.Errorf("open %s: its format %d is older than %d; start the server once to bring it up to date", s.path, from, to)
	}
	aside := fmt.Sprintf("%s.format-%d-%s", s.path, from, s.now().UTC().Format("20060102-150405"))
	if err := s.copyTo(aside); err != nil {
		return fmt.Errorf("copy the data before bringing it to a newer format: %w", err)
	}
	err := s.db.Update(func(tx *bolt.Tx) error {
		for format := from; format < to; format++ {
			step := steps[format]
			if step == nil {
				return fmt.Errorf("%w: its format %d is unknown", ErrNotAStore, format)
			}
			if err := step(tx); err != nil {
				return fmt.Errorf("from format %d: %w", format, err)
			}
		}
		return tx.Bucket(bucketMeta).Put(metaFormat, uint64Key(to))
	})
	if err != nil {
		return writeError("bring the data to a newer format", err)
	}
	s.log.Info("the data was brought to a newer format", "from", from, "to", to, "copy", aside)
	return nil
}

// copyTo writes a synced copy of the file.
func (s *Store) copyTo(path string) error {
	return s.db.View(func(tx *bolt.Tx) error {
		return writeFileSynced(path, func(w io.Writer) error {
			_, err := tx.WriteTo(w)
			return err
		})
	})
}

// writeFileSynced makes a file that is either whole and synced, or not there.
func writeFileSynced(path string, write func(io.Writer) error) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = os.Remove(file.Name())
		}
	}()
	if err = write(file); err != nil {
		return err
	}
	if err = file.Sync(); err != nil {
		return err
	}
	if err = file.Close(); err != nil {
		return err
	}
	if err = os.Rename(file.Name(), path); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(path))
}
