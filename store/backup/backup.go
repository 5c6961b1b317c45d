// Package backup keeps copies of a contest's data where they survive it: in a
// folder, or in any bucket that gocloud.dev/blob opens by its URL (file://…,
// s3://…), and gets them back.
//
// A store comes in; files go out, named so that they sort by time:
//
//	podium-20260131T200000Z.db         a whole, checked copy of the file
//	podium-20260131T200000Z.db.sha256  its checksum, as sha256sum writes it
//	uploads/NAME                       pictures, once for all backups
//	uploads-gone.json                  since when pictures are no longer here
//	podium-turn.json                   whose machines take turns: when the last one looked, and at what
//
// Copying never keeps changes waiting. A copy counts only after it was opened,
// checked and written whole; the newest are kept, and one of each day for
// longer. A picture that was deleted is kept as long as a backup from before
// that is. Files that the package did not name are never removed.
package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	_ "gocloud.dev/blob/s3blob" // opens s3:// addresses

	"podium/contest"
	"podium/store/bolt"
)

// Stamp is the form of times in names, in UTC.
const Stamp = "20060102T150405Z"

var named = regexp.MustCompile(`^podium-(\d{8}T\d{6}Z)\.db$`)

// Options say what is backed up, where to, and for how long.
type Options struct {
	Store Source
	// Scratch is the folder of copies on their way to a bucket.
	Scratch string
	// Dest is a folder or a bucket's URL.
	Dest string
	// Uploads is the folder of pictures to send along, once each; "" for none. In
	// a folder on the same file system they get a second name and take no room.
	Uploads string
	// Every is the time between two backups; 0 makes them only when asked.
	Every time.Duration
	// Alone is for a store that other machines back up, too, to the same
	// destination: it runs work unless another machine is at it, as
	// [contest.Contest.Alone] does. Nil where nobody else does.
	Alone func(ctx context.Context, work string, f func(context.Context) error) error
	// Keep is how many of the newest are kept, Days of how many days before the newest
	// one each, whatever the clock says of the time since.
	Keep, Days int
	Now        func() time.Time
	Logger     *slog.Logger
}

// Source is a store that can be backed up: a file, or what [Database] makes of
// another one.
type Source interface {
	contest.Store
	// WriteTo writes a whole contest file.
	WriteTo(w io.Writer) (int64, error)
	// SettingsSum is a checksum of all settings.
	SettingsSum() ([32]byte, error)
	// Yield pauses whoever has worked on something that can wait.
	Yield(worked time.Duration)
}

// ErrOff means that this server makes no backups.
var ErrOff = errors.New("this server makes no backups: the contest is kept in a database, and --backups names no place for them; podium backup makes one")

// Keeper makes backups. It is safe for concurrent use. A nil one makes none.
type Keeper struct {
	o      Options
	bucket *blob.Bucket
	cancel context.CancelFunc
	work   sync.WaitGroup

	taking sync.Mutex // held while a backup is made

	mu    sync.Mutex // guards the two below
	state Stats
	saved string // what the data was at the last backup
}

// Stats say how the backups go.
type Stats struct {
	Count     int       // in the destination
	Last      time.Time // zero: none since the start
	Failures  uint64
	LastError string // why the last one failed; "" after one that succeeded
}

// Open opens a destination.
func Open(ctx context.Context, dest string) (*blob.Bucket, error) {
	if strings.Contains(dest, "://") {
		b, err := blob.OpenBucket(ctx, dest)
		if err != nil {
			return nil, fmt.Errorf("open the bucket for backups: %w", err)
		}
		return b, nil
	}
	dir, err := filepath.Abs(dest)
	if err != nil {
		return nil, fmt.Errorf("open the folder of backups: %w", err)
	}
	b, err := fileblob.OpenBucket(dir, &fileblob.Options{CreateDir: true, DirFileMode: 0o700, NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
	if err != nil {
		return nil, fmt.Errorf("open the folder of backups: %w", err)
	}
	return b, nil
}

// New begins to make backups at intervals. Close ends it.
func New(ctx context.Context, o Options) (*Keeper, error) {
	bucket, err := Open(ctx, o.Dest)
	if err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(context.Background())
	k := &Keeper{o: o, bucket: bucket, cancel: cancel}
	if o.Every > 0 {
		k.work.Go(func() { k.run(running) })
	}
	return k, nil
}

func (k *Keeper) run(ctx context.Context) {
	tick := time.NewTicker(k.o.Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := k.turn(ctx); err != nil && ctx.Err() == nil {
				k.o.Logger.Error("a backup failed", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// turn makes a backup where it is time for one.
func (k *Keeper) turn(ctx context.Context) error {
	if k.o.Alone == nil {
		return k.TakeIfChanged(ctx)
	}
	return k.o.Alone(ctx, "back up", k.takeTurn)
}

// takeTurn makes a backup unless another machine has done so since this one's
// turn before, or found that nothing had changed.
func (k *Keeper) takeTurn(ctx context.Context) error {
	last, err := readState(ctx, k.bucket)
	if err != nil {
		return err
	}
	if age := k.o.Now().Sub(last.At); age >= 0 && age < k.o.Every*3/4 {
		return nil
	}
	k.mu.Lock()
	k.saved = last.Moment
	k.mu.Unlock()
	if err := k.TakeIfChanged(ctx); err != nil {
		return err
	}
	k.mu.Lock()
	last = state{Moment: k.saved, At: k.o.Now()}
	k.mu.Unlock()
	return writeState(ctx, k.bucket, last)
}

// Close ends the backups at intervals, and waits for one that is being made.
func (k *Keeper) Close() error {
	if k == nil {
		return nil
	}
	k.cancel()
	k.work.Wait()
	return k.bucket.Close()
}

// Stats returns how it goes.
func (k *Keeper) Stats() Stats {
	if k == nil {
		return Stats{}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state
}

// moment names the state of the data.
func (k *Keeper) moment() (string, error) {
	version, err := k.o.Store.Version()
	if err != nil {
		return "", err
	}
	_, last, err := k.o.Store.EventRange()
	if err != nil {
		return "", err
	}
	counts, err := k.o.Store.Counts()
	if err != nil {
		return "", err
	}
	settings, err := k.o.Store.SettingsSum() // the password is one
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d %v %x", k.o.Store.Epoch(), version, last, counts, settings))
	return hex.EncodeToString(sum[:]), nil
}

// TakeIfChanged makes a backup where the data changed since the last one.
func (k *Keeper) TakeIfChanged(ctx context.Context) error {
	if k == nil {
		return nil
	}
	now, err := k.moment()
	if err != nil {
		return err
	}
	k.mu.Lock()
	same := k.saved == now
	k.mu.Unlock()
	if same {
		return nil
	}
	_, err = k.Take(ctx)
	return err
}

// Take makes a backup and returns its name.
func (k *Keeper) Take(ctx context.Context) (name string, err error) {
	if k == nil {
		return "", ErrOff
	}
	k.taking.Lock()
	defer k.taking.Unlock()
	defer func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if err != nil {
			k.state.Failures++
			k.state.LastError = err.Error()
			return
		}
		k.state.Last, k.state.LastError = k.o.Now(), ""
	}()
	moment, err := k.moment()
	if err != nil {
		return "", fmt.Errorf("back up: %w", err)
	}
	name, at, err := k.nextName(ctx)
	if err != nil {
		return "", fmt.Errorf("back up: %w", err)
	}
	if err := k.copy(ctx, name); err != nil {
		return "", fmt.Errorf("back up: %w", err)
	}
	if err := k.sendPictures(ctx); err != nil {
		return "", fmt.Errorf("back up the pictures: %w", err)
	}
	count, err := k.prune(ctx)
	if err != nil {
		return "", fmt.Errorf("remove old backups: %w", err)
	}
	if err := k.prunePictures(ctx, at); err != nil {
		return "", fmt.Errorf("remove pictures that no backup needs: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.saved, k.state.Count = moment, count
	return name, nil
}

// nextName names a backup by the time, in seconds, and behind all others: what is
// restored is the last by name, also where the clock was set back meanwhile.
func (k *Keeper) nextName(ctx context.Context) (name string, at time.Time, err error) {
	all, err := List(ctx, k.bucket)
	if err != nil {
		return "", time.Time{}, err
	}
	at = k.o.Now().UTC().Truncate(time.Second)
	if len(all) > 0 && !at.After(all[0].At) {
		at = all[0].At.Add(time.Second)
	}
	return "podium-" + at.Format(Stamp) + ".db", at, nil
}

// copy writes a copy, checks it, and gives it to the destination. Its checksum
// comes last: a backup that has one is whole. In a folder the copy is made in
// place, under a hidden name until it is whole.
func (k *Keeper) copy(ctx context.Context, name string) error {
	dir := k.folder()
	away := dir == ""
	if away {
		dir = k.o.Scratch
	}
	f, err := os.CreateTemp(dir, ".backup-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	sum := sha256.New()
	if _, err := k.o.Store.WriteTo(io.MultiWriter(&writeback{file: f}, sum)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := verify(f.Name(), k.o.Store.Yield); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if away {
		err = k.upload(ctx, name, f)
	} else {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return err
	}
	line := hex.EncodeToString(sum.Sum(nil)) + "  " + name + "\n"
	if err := k.bucket.WriteAll(ctx, name+".sha256", []byte(line), nil); err != nil || away {
		return err
	}
	return syncWithin(dir, name+".sha256")
}

// syncWithin makes a file and the names in its folder survive a power loss. An
// empty checksum would make a whole backup look damaged.
func syncWithin(dir, name string) error {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return err
	}
	return bolt.SyncFolder(dir)
}

// folder is the destination's folder, "" where it is a bucket.
func (k *Keeper) folder() string {
	if strings.Contains(k.o.Dest, "://") {
		return ""
	}
	return k.o.Dest
}

// upload sends a file from its beginning.
func (k *Keeper) upload(ctx context.Context, name string, f *os.File) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return k.bucket.Upload(ctx, name, &pacedReader{from: f, yield: k.o.Store.Yield}, &blob.WriterOptions{ContentType: "application/octet-stream"})
}

// pacedReader yields after each step, so that sending leaves room for changes.
type pacedReader struct {
	from  io.Reader
	yield func(time.Duration)
	began time.Time // of the step
	read  int       // in it
}

// sendStep is how much is read between two pauses.
const sendStep = 256 << 10

// Read passes data on.
func (p *pacedReader) Read(data []byte) (int, error) {
	if p.read >= sendStep {
		p.read = 0
		p.yield(time.Since(p.began))
	}
	if p.read == 0 {
		p.began = time.Now()
	}
	n, err := p.from.Read(data)
	p.read += n
	return n, err
}

// Verify opens a copy and checks it.
func Verify(path string) error { return verify(path, func(time.Duration) {}) }

func verify(path string, rest func(time.Duration)) error {
	s, err := bolt.Open(path, bolt.Options{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("open the copy: %w", err)
	}
	found, err := s.CheckWith(rest)
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("the copy has faults: %s", found[0])
	}
	return errors.Join(err, s.Close())
}

// list returns the keys that begin with prefix.
func list(ctx context.Context, b *blob.Bucket, prefix string) (map[string]bool, error) {
	keys := map[string]bool{}
	items := b.List(&blob.ListOptions{Prefix: prefix})
	for {
		item, err := items.Next(ctx)
		if err == io.EOF {
			return keys, nil
		}
		if err != nil {
			return nil, err
		}
		keys[item.Key] = true
	}
}
