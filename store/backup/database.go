package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"podium/contest"
	"podium/store/bolt"
)

// whole is a store that is no file, and whose settings have a sum.
type whole interface {
	contest.Whole
	SettingsSum() ([32]byte, error)
}

// database is a Source that writes all that a store holds into a file of its own
// first: a backup of a database is a contest file like every other.
type database struct {
	whole
	scratch string
}

// Database returns the Source for a contest in a database. scratch is the folder
// in which the files are made.
func Database(s whole, scratch string) Source { return database{s, scratch} }

// WriteTo implements [Source].
func (d database) WriteTo(w io.Writer) (n int64, err error) {
	dir, err := os.MkdirTemp(d.scratch, ".backup-")
	if err != nil {
		return 0, fmt.Errorf("make a folder for the copy: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "copy.db")
	if err := bolt.Write(context.Background(), path, d.All(context.Background())); err != nil {
		return 0, err
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return io.Copy(w, f)
}

// Yield implements [Source]: the database is another machine's work.
func (d database) Yield(time.Duration) {}

// stateName is the object in which machines that take turns say how far they are.
const stateName = "podium-turn.json"

// state is what the machine whose turn it was last left for the next.
type state struct {
	Moment string    `json:"moment"` // what the data was
	At     time.Time `json:"at"`
}

// readState returns the zero state where there is none that can be read.
func readState(ctx context.Context, b *blob.Bucket) (last state, err error) {
	data, err := b.ReadAll(ctx, stateName)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return state{}, nil
	}
	if err != nil {
		return state{}, fmt.Errorf("read whose turn it was: %w", err)
	}
	if json.Unmarshal(data, &last) != nil {
		return state{}, nil // a backup too many does no harm
	}
	return last, nil
}

func writeState(ctx context.Context, b *blob.Bucket, last state) error {
	data, err := json.Marshal(last)
	if err != nil {
		return err
	}
	if err := b.WriteAll(ctx, stateName, data, nil); err != nil {
		return fmt.Errorf("write whose turn it was: %w", err)
	}
	return nil
}
