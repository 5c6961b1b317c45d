package pictures

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"podium/contest"
	"podium/protocol/budget"
	"podium/server/answer"
	"podium/server/api"
	"podium/server/turns"
	"podium/store/uploads"
)

// Bucket keeps pictures in a bucket, under the names and addresses that they have
// on a machine: what a guest's browser sees is the same.
//
// They are streamed through the machine that is asked, not by redirecting to a signed
// address. A signed address is another one each time: the browser fetches again what
// it has, where it may keep what comes from /uploads/ for a year. Phones would have to
// reach the bucket, which inside a private network they cannot, the pages' policy
// would have to allow its origin, and who kept an address could go on reading what an
// admin took away. What that costs (BenchmarkServe, with the service on the same busy
// computer): for a small size of 30 KB, which a room fetches at once, 1.6 times the
// time of a redirect that is followed; for a picture of 500 KB 6 times.
type Bucket struct {
	*Service
	files *uploads.Bucket
	// reading are the turns of those who read. Who has one has a connection.
	reading *turns.Turns
}

// readBytes is what somebody who reads from the bucket takes of the memory: the
// buffers of both connections.
const readBytes = 64 << 10

// NewBucket is the way to a bucket, which stays the caller's.
func NewBucket(files *uploads.Bucket) *Bucket { return newBucket(files, 30*time.Second) }

func newBucket(files *uploads.Bucket, pause time.Duration) *Bucket {
	return &Bucket{Service: newService("the bucket", pause), files: files, reading: turns.NewTurns(uploads.Connections)}
}

// service implements place.
func (b *Bucket) service() *Service { return b.Service }

// keep implements place.
func (b *Bucket) keep(ctx context.Context, p api.Picture, files []file, within time.Duration) (api.Picture, error) {
	err := b.upload(ctx, within, func(ctx context.Context) error {
		// The picture comes last: as long as it is not there, nobody asks for a size.
		for i := len(files) - 1; i >= 0; i-- {
			if err := b.files.Write(ctx, files[i].name, files[i].data); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return api.Picture{}, fmt.Errorf("send to the bucket: %w", err)
	}
	p.Method, p.CloudID, p.Awaits = MethodLocal, contest.BucketID(files[0].name), false
	return p, nil
}

// remove implements place: with all sizes, and the picture first, so that nobody
// makes a size of what is gone.
func (b *Bucket) remove(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, b.Patience)
	defer cancel()
	name := contest.BucketName(id)
	names := []string{name}
	if m := ownName.FindStringSubmatch(name); m != nil {
		names = append(names, m[1]+thumbEnding, m[1]+originalEnding)
	}
	return b.files.Remove(ctx, names...)
}

// open opens a file for a guest, who waits for the bucket no longer than Patience at
// a time.
func (b *Bucket) open(ctx context.Context, memory *budget.Share, name string) (*opened, error) {
	if err := b.reading.Enter(ctx); err != nil {
		return nil, err
	}
	charge := memory.Open(turns.AddressOf(ctx), nil)
	release := func() {
		charge.Close()
		b.reading.Leave()
	}
	if err := charge.Hold(readBytes); err != nil {
		release()
		return nil, unreachable(err)
	}
	within, cancel := context.WithCancel(ctx)
	steady := &steadyReader{patience: b.Patience, timer: time.AfterFunc(b.Patience, cancel), release: func() { cancel(); release() }}
	err := b.try(ctx, func() (err error) {
		steady.Reader, err = b.files.Open(within, name)
		return err
	})
	steady.timer.Stop()
	if err != nil {
		steady.release()
		if errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return nil, unreachable(err)
	}
	return &opened{ReadSeeker: steady, Closer: steady, kind: steady.Kind, version: version{steady.Size(), steady.ModTime()}, away: true}, nil
}

// unreachable is what a guest is told whose picture cannot be fetched now.
func unreachable(because error) error {
	return &answer.Error{Status: http.StatusServiceUnavailable, Sentence: "The picture cannot be fetched at the moment.", Code: "busy", Retry: 5 * time.Second, Cause: because}
}

// steadyReader is an object that is read as long as it goes on arriving.
type steadyReader struct {
	*uploads.Reader
	patience time.Duration
	timer    *time.Timer // ends the reading
	release  func()
}

// Read implements io.Reader.
func (s *steadyReader) Read(data []byte) (int, error) {
	s.timer.Reset(s.patience)
	defer s.timer.Stop()
	return s.Reader.Read(data)
}

// Close implements io.Closer.
func (s *steadyReader) Close() error {
	err := s.Reader.Close()
	s.release()
	return err
}

// WriteTo hides that of the reader, which would not know of the patience.
func (s *steadyReader) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{s})
}

// writeSmall keeps a small size of a picture, unless that was deleted meanwhile: a
// deletion takes away only what is there.
func (b *Bucket) writeSmall(ctx context.Context, picture, small string, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()
	if err := b.files.WriteNew(ctx, small, data); err != nil {
		return err
	}
	there, err := b.files.Has(ctx, picture)
	if err == nil && !there {
		err = errors.Join(b.files.Remove(ctx, small), fs.ErrNotExist)
	}
	return err
}

// ownerName is the object that says whose pictures a bucket holds.
const ownerName = "podium-contest"

// settingOwner is where a contest keeps what that object holds.
const settingOwner = "uploads.owner"

// Owns reports whether the pictures in a bucket are the contest's, and takes it for
// the contest where nobody has. Two contests in one bucket would take each other's
// pictures for left over.
func Owns(ctx context.Context, c *contest.Contest, files *uploads.Bucket) (bool, error) {
	mine, err := c.EnsureSetting(settingOwner, []byte(strings.ToLower(rand.Text())))
	if err != nil {
		return false, err
	}
	if err := files.WriteNew(ctx, ownerName, mine); err != nil {
		return false, err
	}
	r, err := files.Open(ctx, ownerName)
	if err != nil {
		return false, err
	}
	defer r.Close()
	theirs, err := io.ReadAll(io.LimitReader(r, 1<<10))
	return bytes.Equal(mine, theirs), err
}

// LeftOver returns those of the names that no submission has, whose form is that of
// names made here, and that are older than any upload that is still going on.
func LeftOver(c *contest.Contest, names map[string]time.Time, now time.Time) ([]string, error) {
	return leftOver(c, names, now.Add(-LeftOverAge))
}

func leftOver(c *contest.Contest, names map[string]time.Time, before time.Time) (over []string, err error) {
	for name, at := range names {
		if at.Before(before) && ownName.MatchString(name) {
			over = append(over, name)
		}
	}
	if len(over) == 0 {
		return nil, nil
	}
	used, err := used(c)
	if err != nil {
		return nil, err
	}
	kept := over[:0]
	for _, name := range over {
		if !used[ownName.FindStringSubmatch(name)[1]] {
			kept = append(kept, name)
		}
	}
	return kept, nil
}

// errAnother is that a bucket holds another contest's pictures.
var errAnother = errors.New("it holds pictures of another contest: give each a folder of its own, by prefix=NAME/ in the address")

// RemoveLeftOver removes from a bucket what LeftOver finds in it, unless it is another contest's.
func RemoveLeftOver(ctx context.Context, c *contest.Contest, files *uploads.Bucket, before time.Time) (removed int, err error) {
	names, err := files.Names(ctx)
	if err != nil {
		return 0, err
	}
	over, err := leftOver(c, names, before)
	if err != nil || len(over) == 0 {
		return 0, err
	}
	if mine, err := Owns(ctx, c, files); err != nil || !mine {
		return 0, errors.Join(err, errAnother)
	}
	for _, name := range over {
		if err := files.Remove(ctx, name); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}
