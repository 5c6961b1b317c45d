package uploads

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"podium/store/bolt"
)

// Place is where the pictures of a contest are: a folder, and beside it a bucket
// where one is set. Of a contest with a bucket the folder holds only what waits to
// be sent there.
type Place struct {
	Dir    string
	Bucket *Bucket // nil: everything is in the folder
}

// Folder is the folder of pictures that belongs to a setting: the one that it
// names, or uploads in the data folder.
func Folder(data, setting string) string {
	if setting != "" && !IsBucket(setting) {
		return setting
	}
	return filepath.Join(data, "uploads")
}

// Open opens the place that a setting names, for what works on a data folder.
func Open(ctx context.Context, data, setting string) (*Place, error) {
	p := &Place{Dir: Folder(data, setting)}
	if !IsBucket(setting) {
		return p, nil
	}
	var err error
	p.Bucket, err = OpenBucket(ctx, setting)
	return p, err
}

// Close ends the connections to the bucket, where there is one.
func (p *Place) Close() error {
	if p.Bucket == nil {
		return nil
	}
	return p.Bucket.Close()
}

// Within is the place for one piece of work, which ends with ctx.
func (p *Place) Within(ctx context.Context) Files { return Files{p, ctx} }

// Files are the files of a place, for as long as a piece of work lasts.
type Files struct {
	place *Place
	ctx   context.Context
}

// Names returns the names of all files with the times at which they were written.
func (f Files) Names() (map[string]time.Time, error) {
	names := map[string]time.Time{}
	if f.place.Bucket != nil {
		var err error
		if names, err = f.place.Bucket.Names(f.ctx); err != nil {
			return nil, err
		}
	}
	entries, err := os.ReadDir(f.place.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the folder of pictures: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() {
			names[e.Name()] = info.ModTime()
		}
	}
	return names, nil
}

// Open opens a file. The error of one that is not there is fs.ErrNotExist.
func (f Files) Open(name string) (io.ReadCloser, error) {
	file, err := os.Open(filepath.Join(f.place.Dir, name))
	if f.place.Bucket == nil || !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	return f.place.Bucket.Open(f.ctx, name)
}

// Has reports whether there is a file of that name.
func (f Files) Has(name string) (bool, error) {
	_, err := os.Stat(filepath.Join(f.place.Dir, name))
	if f.place.Bucket == nil || err == nil {
		return err == nil, nil
	}
	return f.place.Bucket.Has(f.ctx, name)
}

// Write keeps a file whole or not at all: in the bucket where there is one. In the
// folder it has the time at which it was written where from has a method ModTime.
func (f Files) Write(name string, from io.Reader) error {
	if f.place.Bucket != nil {
		return f.place.Bucket.Write(f.ctx, name, from)
	}
	if err := os.MkdirAll(f.place.Dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of pictures: %w", err)
	}
	path := filepath.Join(f.place.Dir, name)
	if err := bolt.CopyFile(path, from); err != nil {
		return err
	}
	if kept, ok := from.(interface{ ModTime() time.Time }); ok {
		return os.Chtimes(path, time.Time{}, kept.ModTime())
	}
	return nil
}
