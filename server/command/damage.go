package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"podium/server"
	"podium/store/bolt"
)

// loss says what a damaged file no longer gives.
type loss struct {
	cause error // why it cannot be opened
	bolt.Salvaged
}

// sentences are the loss for people.
func (l *loss) sentences() []string {
	first := fmt.Sprintf("The data file is damaged (%v). %d submissions can still be read", l.cause, l.Submissions)
	if l.Partial > 0 {
		first += fmt.Sprintf(", %d of them in part", l.Partial)
	}
	first += "."
	if l.Whole {
		first += " None of them is missing."
	}
	return append([]string{first}, l.Lost...)
}

// readingWhole is reading for what also makes sense with a part of the data: of
// a damaged file, f gets what can still be read, and lost says what cannot. It
// is nil for a file that is whole.
func readingWhole[T any](ctx context.Context, data string, f func(*bolt.Store) (T, error)) (result T, lost *loss, err error) {
	result, err = reading(data, f)
	if !errors.Is(err, bolt.ErrDamaged) && !errors.Is(err, bolt.ErrNotAStore) {
		return result, nil, err
	}
	lost = &loss{cause: err}
	dir, remove, err := scratch(data)
	if err != nil {
		return result, lost, err
	}
	defer remove()
	if lost.Salvaged, err = bolt.Salvage(ctx, filepath.Join(data, server.DatabaseName), filepath.Join(dir, server.DatabaseName)); err != nil {
		return result, nil, errors.Join(lost.cause, err)
	}
	result, err = reading(dir, f)
	return result, lost, err
}

// scratch makes a folder for a copy that is only needed for a moment: in the
// data folder, where there is room for it and nobody else may look, or else where
// the system has such folders.
func scratch(data string) (dir string, remove func(), err error) {
	if dir, err = os.MkdirTemp(data, ".salvaged-"); err != nil {
		dir, err = os.MkdirTemp("", "podium-salvaged-")
	}
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for what can be read: %w", err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}
