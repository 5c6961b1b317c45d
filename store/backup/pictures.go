package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// goneName is the object that says since when pictures are no longer here.
const goneName = "uploads-gone.json"

// plain names mean the same as a file and as a bucket's key.
var plain = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// localPictures are the names of the pictures that are here.
func (k *Keeper) localPictures() (names []string, err error) {
	files, err := os.ReadDir(k.o.Uploads)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	for _, file := range files {
		name := file.Name()
		if file.Type().IsRegular() && !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, ".partial") {
			names = append(names, name)
		}
	}
	return names, err
}

// pictures are the names of those that are here, and the keys of those that are
// in the destination.
func (k *Keeper) pictures(ctx context.Context) (here []string, there map[string]bool, err error) {
	if there, err = list(ctx, k.bucket, "uploads/"); err != nil {
		return nil, nil, err
	}
	here, err = k.localPictures()
	return here, there, err
}

// sendPictures sends the pictures that are not there yet. Pictures never
// change under one name.
func (k *Keeper) sendPictures(ctx context.Context) error {
	if k.o.Uploads == "" {
		return nil
	}
	here, there, err := k.pictures(ctx)
	if err != nil {
		return err
	}
	for _, name := range here {
		if there["uploads/"+name] || k.link(name) {
			continue
		}
		if err := k.send(ctx, name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// link gives a picture a second name in the destination, where that is a folder
// on the same file system.
func (k *Keeper) link(name string) bool {
	dir := k.folder()
	if dir == "" || !plain.MatchString(name) {
		return false
	}
	dir = filepath.Join(dir, "uploads")
	return os.MkdirAll(dir, 0o700) == nil && os.Link(filepath.Join(k.o.Uploads, name), filepath.Join(dir, name)) == nil
}

func (k *Keeper) send(ctx context.Context, name string) error {
	f, err := os.Open(filepath.Join(k.o.Uploads, name))
	if err != nil {
		return err
	}
	defer f.Close()
	return k.bucket.Upload(ctx, "uploads/"+name, &pacedReader{from: f, yield: k.o.Store.Yield}, &blob.WriterOptions{ContentType: "application/octet-stream"})
}

// prunePictures notes which pictures are no longer here, and removes those that
// were gone already when the oldest backup that is kept was made. The newest is of
// the time now, as names tell it.
func (k *Keeper) prunePictures(ctx context.Context, now time.Time) error {
	if k.o.Uploads == "" {
		return nil
	}
	here, there, err := k.pictures(ctx)
	if err != nil {
		return err
	}
	for _, name := range here {
		delete(there, "uploads/"+name)
	}
	gone, err := readGone(ctx, k.bucket)
	if err != nil || len(gone) == 0 && len(there) == 0 {
		return err
	}
	kept, err := List(ctx, k.bucket)
	if err != nil {
		return err
	}
	still := map[string]int64{}
	for key := range there {
		since, known := gone[key]
		if !known {
			since = now.UnixMilli()
		}
		if len(kept) > 0 && since < kept[len(kept)-1].At.UnixMilli() {
			if err := k.bucket.Delete(ctx, key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
				return err
			}
			continue
		}
		still[key] = since
	}
	data, err := json.Marshal(still)
	if err != nil {
		return err
	}
	return k.bucket.WriteAll(ctx, goneName, data, nil)
}

// readGone reads since when pictures are no longer here, in milliseconds since
// the Unix epoch.
func readGone(ctx context.Context, b *blob.Bucket) (map[string]int64, error) {
	data, err := b.ReadAll(ctx, goneName)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var gone map[string]int64
	if json.Unmarshal(data, &gone) != nil {
		return nil, nil // counting begins anew
	}
	return gone, nil
}

// Uploads are where a contest's pictures are, and come back to.
type Uploads interface {
	// Names returns the names of all files with the times at which they were written.
	Names() (map[string]time.Time, error)
	// Write keeps a file whole or not at all, with the time at which it was
	// written where from has a method ModTime.
	Write(name string, from io.Reader) error
}

// FetchPictures copies the pictures of a destination that are not among the
// uploads yet, and returns how many. Of those that were deleted since they were sent, only
// the wanted ones come back.
func FetchPictures(ctx context.Context, b *blob.Bucket, to Uploads, wanted []string) (n int, err error) {
	keys, err := list(ctx, b, "uploads/")
	if err != nil {
		return 0, fmt.Errorf("list the pictures: %w", err)
	}
	gone, err := readGone(ctx, b)
	if err != nil {
		return 0, fmt.Errorf("read which pictures were deleted: %w", err)
	}
	for _, name := range wanted {
		delete(gone, "uploads/"+name)
	}
	here, err := to.Names()
	if err != nil {
		return 0, err
	}
	for key := range keys {
		name := path.Base(key)
		if _, there := here[name]; there {
			continue
		}
		if _, deleted := gone[key]; deleted {
			continue
		}
		if err := fetchPicture(ctx, b, key, to, name); err != nil {
			return n, fmt.Errorf("fetch %s: %w", key, err)
		}
		n++
	}
	return n, nil
}

func fetchPicture(ctx context.Context, b *blob.Bucket, key string, to Uploads, name string) error {
	r, err := b.NewReader(ctx, key, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	return to.Write(name, r)
}
