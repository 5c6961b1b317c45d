package pictures

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"podium/contest"
	"podium/server/answer"
	"podium/server/turns"
	"podium/store/bolt"
)

// fileName is the form of the names of files that are served: of ours, and of
// those that an old server made.
var fileName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,200}\.(jpg|jpeg|png|gif|webp|JPG|JPEG|PNG|GIF|WEBP)$`)

func prepareDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of pictures: %w", err)
	}
	return nil
}

// Endings of the names of files that belong to the picture "<name>.jpg".
const (
	thumbEnding    = "-480.jpg"
	originalEnding = "-original.jpg"
)

// ownName is the form of the names of files that this package makes.
var ownName = regexp.MustCompile(`^([0-9a-f]{24})(-480|-original)?\.jpg$`)

// files names the files of a picture that was made: the picture's first, and the
// small size's second, which is among the files only where it was made already.
func (r *rendered) files() (names []string, files []file) {
	raw := make([]byte, 12)
	_, _ = rand.Read(raw) // never fails
	name := hex.EncodeToString(raw)
	add := func(name string, data []byte) {
		if data != nil {
			files = append(files, file{name, bytes.NewReader(data)})
		}
	}
	names = []string{name + ".jpg", name + thumbEnding}
	add(names[0], r.display.data)
	add(names[1], r.thumb.data)
	if r.original != nil {
		names = append(names, name+originalEnding)
		add(names[2], r.original)
	}
	return names, files
}

// write stores the files of a picture. When it returns, they are on the disk and not
// only in memory.
func (p *Pictures) write(files []file) (err error) {
	for _, f := range files {
		if err = writeFile(filepath.Join(p.o.Dir, f.name), f.data); err != nil {
			break
		}
	}
	if err == nil {
		err = p.names.sync()
	}
	if err == nil {
		return nil
	}
	for _, f := range files {
		err = errors.Join(err, p.removeFiles([]string{f.name}))
	}
	return err
}

// writeFile writes a file that is whole or not there.
func writeFile(path string, data io.ReadSeeker) error {
	f, err := os.CreateTemp(filepath.Dir(path), newPrefix)
	if err != nil {
		return fmt.Errorf("make a file for the picture: %w", err)
	}
	if _, err = data.Seek(0, io.SeekStart); err == nil { // it may have been sent before
		_, err = io.Copy(f, data)
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the picture: %w", err), os.Remove(f.Name()))
	}
	return nil
}

// newPrefix begins the names of files that are being written.
const newPrefix = ".new-"

// dirSyncer makes the names of new files last. Those who ask while a sync
// runs share the next one, which comes after all of their files.
type dirSyncer struct {
	dir     string
	running sync.Mutex // held by the one who syncs; taken before mu

	mu   sync.Mutex // guards next
	next *dirSync
}

// dirSync is one sync that is still to begin.
type dirSync struct {
	done chan struct{}
	err  error // set before done is closed
}

func (d *dirSyncer) sync() error {
	d.mu.Lock()
	mine := d.next
	leads := mine == nil
	if leads {
		mine = &dirSync{done: make(chan struct{})}
		d.next = mine
	}
	d.mu.Unlock()
	if !leads {
		<-mine.done
		return mine.err
	}
	d.running.Lock()
	defer d.running.Unlock()
	d.mu.Lock()
	d.next = nil // from here on, others need the next one
	d.mu.Unlock()
	if err := bolt.SyncFolder(d.dir); err != nil {
		mine.err = fmt.Errorf("sync the folder of pictures: %w", err)
	}
	close(mine.done)
	return mine.err
}

// ours are the names of the files that this package made, half-written ones
// included.
func (p *Pictures) ours() ([]string, error) {
	entries, err := os.ReadDir(p.o.Dir)
	if err != nil {
		return nil, fmt.Errorf("list the folder of pictures: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && (strings.HasPrefix(e.Name(), newPrefix) || ownName.MatchString(e.Name())) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// sweep deletes those of these files that no submission refers to: whose submission a
// crash kept from being committed, and half-written ones.
func (p *Pictures) sweep(ctx context.Context, files []string) (removed int, err error) {
	if len(files) == 0 {
		return 0, nil
	}
	used, err := used(p.o.Contest)
	if err != nil {
		return 0, err
	}
	for _, name := range files {
		if m := ownName.FindStringSubmatch(name); m != nil && used[m[1]] || ctx.Err() != nil {
			continue
		}
		err := os.Remove(filepath.Join(p.o.Dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return removed, fmt.Errorf("remove a picture: %w", err)
		}
		removed++
	}
	return removed, nil
}

// used are the names, without endings, of the pictures that submissions refer
// to. Imported ones do so by their address only.
func used(c *contest.Contest) (map[string]bool, error) {
	used := map[string]bool{}
	see := func(name string) {
		if m := ownName.FindStringSubmatch(path.Base(name)); m != nil {
			used[m[1]] = true
		}
	}
	err := c.Each(func(sub contest.Submission) bool {
		for _, name := range sub.Files {
			see(name)
		}
		if sub.ImageURL != nil {
			see(*sub.ImageURL)
		}
		for _, size := range sub.Images {
			see(size.URL)
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("list the pictures in use: %w", err)
	}
	return used, nil
}

// removeFiles deletes files; those that are gone already do no harm.
func (p *Pictures) removeFiles(files []string) error {
	var errs []error
	for _, name := range files {
		if !fileName.MatchString(name) {
			continue
		}
		if err := os.Remove(filepath.Join(p.o.Dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove a picture: %w", err))
		}
	}
	return errors.Join(errs...)
}

// fullOr gives a full disk its status.
func fullOr(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return answer.Because(err, http.StatusInsufficientStorage, "There is no room left for photos on this server.").Coded("full")
	}
	return err
}

// ServeFile answers GET /uploads/NAME. Nothing is served as anything but an
// image, and a browser that opens it by itself runs nothing in it. A small size
// that is not there yet is made; where that fails, the picture itself answers.
func (p *Pictures) ServeFile(w http.ResponseWriter, r *http.Request, name string) error {
	if !fileName.MatchString(name) {
		return errNoPicture
	}
	ctx := r.Context()
	if p.o.AddressOf != nil {
		ctx = turns.WithAddress(ctx, p.o.AddressOf(r))
	}
	f, instead, err := p.openFile(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return errNoPicture
	}
	if err != nil {
		return fmt.Errorf("open a picture: %w", err)
	}
	defer f.Close()
	switch f.kind {
	case "image/jpeg", "image/png", "image/gif", "image/webp":
	default:
		return errNoPicture
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Content-Disposition", "inline")
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	if instead {
		h.Set("Cache-Control", "no-store") // the next one who asks may get the small size
	}
	http.ServeContent(w, r, name, f.version.at, f)
	return nil
}

var errNoPicture = answer.New(http.StatusNotFound, "There is no such picture.").Coded("gone")

// opened is a file that is being served.
type opened struct {
	io.ReadSeeker
	io.Closer
	kind    string // by its first bytes or its name
	version version
	away    bool // it is in the bucket
}

// find opens a file, which is here or in the bucket.
func (p *Pictures) find(ctx context.Context, name string) (*opened, error) {
	f, err := os.Open(filepath.Join(p.o.Dir, name))
	if p.o.Bucket != nil && errors.Is(err, fs.ErrNotExist) && !p.isHere(name) {
		return p.o.Bucket.open(ctx, p.o.Memory, name)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	head := make([]byte, 512)
	n, _ := f.ReadAt(head, 0) // a short file is judged by what it has
	return &opened{ReadSeeker: f, Closer: f, kind: http.DetectContentType(head[:n]), version: version{info.Size(), info.ModTime()}}, nil
}

// isHere reports whether the picture that a small size belongs to waits here for the
// bucket: then so does the small size, once it is made.
func (p *Pictures) isHere(small string) bool {
	m := ownName.FindStringSubmatch(small)
	if m == nil || m[2] == "" {
		return false
	}
	_, err := os.Stat(filepath.Join(p.o.Dir, m[1]+".jpg"))
	return err == nil
}

// openFile opens a file, and makes it first where it is a small size that nobody
// asked for before. Where that fails it opens the picture instead.
func (p *Pictures) openFile(ctx context.Context, name string) (f *opened, instead bool, err error) {
	f, err = p.find(ctx, name)
	m := ownName.FindStringSubmatch(name)
	if !errors.Is(err, fs.ErrNotExist) || m == nil || !strings.HasSuffix(name, thumbEnding) {
		return f, false, err
	}
	picture := m[1] + ".jpg"
	f, err = p.find(ctx, picture)
	if err != nil || p.hopeless.has(picture, f.version) {
		return f, true, err
	}
	was := f.version
	if err := f.Close(); err != nil {
		return nil, false, err
	}
	// Everybody who asks waits for the one who makes it, who therefore does not
	// stop when the phone that asked first is gone.
	_, err, _ = p.making.Do(name, func() (any, error) { return nil, p.makeSmall(context.WithoutCancel(ctx), picture, name) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, err
	}
	if instead = err != nil; instead {
		p.hopeless.add(picture, was)
		p.o.Logger.Warn("make the small size of a picture", "file", picture, "error", err)
		name = picture
	}
	f, err = p.find(ctx, name)
	return f, instead, err
}

// makeSmall makes the small size of a picture, and keeps it where that is.
func (p *Pictures) makeSmall(ctx context.Context, picture, small string) error {
	data, away, err := p.makeThumb(ctx, picture)
	if err != nil {
		return err
	}
	if away {
		return p.o.Bucket.writeSmall(ctx, picture, small, data)
	}
	if err := writeFile(filepath.Join(p.o.Dir, small), bytes.NewReader(data)); err != nil {
		return err
	}
	err = p.keepWith(picture, small)
	if errors.Is(err, fs.ErrNotExist) && p.o.Bucket != nil { // it may have gone there meanwhile
		return p.o.Bucket.writeSmall(ctx, picture, small, data)
	}
	return err
}

// keepWith removes a small size that was made while its picture was deleted,
// which has taken away only what was there. A deletion removes the picture
// first: one that is still here takes the small size with it.
func (p *Pictures) keepWith(picture, small string) error {
	_, err := os.Stat(filepath.Join(p.o.Dir, picture))
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.Join(err, p.removeFiles([]string{small}))
	}
	return err
}
