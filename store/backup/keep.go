package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// Backup is a copy in a destination.
type Backup struct {
	Name string
	At   time.Time
}

// List returns the backups of a destination, the newest first.
func List(ctx context.Context, b *blob.Bucket) ([]Backup, error) {
	keys, err := list(ctx, b, "podium-")
	if err != nil {
		return nil, fmt.Errorf("list the backups: %w", err)
	}
	var backups []Backup
	for key := range keys {
		if m := named.FindStringSubmatch(key); m != nil {
			if at, err := time.Parse(Stamp, m[1]); err == nil {
				backups = append(backups, Backup{key, at})
			}
		}
	}
	slices.SortFunc(backups, func(x, y Backup) int { return y.At.Compare(x.At) })
	return backups, nil
}

// prune removes what need not be kept any more and returns how many are left.
func (k *Keeper) prune(ctx context.Context) (left int, err error) {
	all, err := List(ctx, k.bucket)
	if err != nil {
		return 0, err
	}
	drop := surplus(all, k.o.Keep, k.o.Days)
	for _, b := range drop {
		// The checksum first: without it a backup is not whole.
		for _, key := range []string{b.Name + ".sha256", b.Name} {
			if err := k.bucket.Delete(ctx, key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
				return 0, err
			}
		}
	}
	return len(all) - len(drop), nil
}

// surplus returns those of all, which has the newest first, that are neither
// among the newest keep (at least one) nor the last of the newest day, or of one of
// days before it that have any. The clock has no say: one that is wrong for a moment would cost them all.
func surplus(all []Backup, keep, days int) (drop []Backup) {
	seen := map[string]bool{}
	for i, b := range all {
		day := b.At.UTC().Format(time.DateOnly)
		last := !seen[day]
		seen[day] = true
		if i < max(1, keep) || last && len(seen) <= days+1 {
			continue
		}
		drop = append(drop, b)
	}
	return drop
}

// ErrNone means that a destination holds no backup that was asked for.
var ErrNone = errors.New("there is no such backup")

// Fetch copies a backup to a file: the one called name, or the newest that was
// made until a moment (the zero time: of all). It compares the checksum and
// checks the copy, and returns the name.
func Fetch(ctx context.Context, b *blob.Bucket, name string, until time.Time, to string) (string, error) {
	if name == "" {
		all, err := List(ctx, b)
		if err != nil {
			return "", err
		}
		i := slices.IndexFunc(all, func(b Backup) bool { return until.IsZero() || !b.At.After(until) })
		if i < 0 {
			return "", ErrNone
		}
		name = all[i].Name
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", fmt.Errorf("fetch the backup: %w", err)
	}
	sum := sha256.New()
	err = b.Download(ctx, name, io.MultiWriter(f, sum), nil)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = compare(ctx, b, name, hex.EncodeToString(sum.Sum(nil)))
	}
	if err == nil {
		err = Verify(to)
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("fetch the backup %s: %w", name, err), os.Remove(to))
	}
	return name, nil
}

// compare compares a sum with the one that is kept. A copy that somebody put
// there has none.
func compare(ctx context.Context, b *blob.Bucket, name, sum string) error {
	line, err := b.ReadAll(ctx, name+".sha256")
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read its checksum: %w", err)
	}
	if want, _, _ := strings.Cut(string(line), " "); want != sum {
		return errors.New("its checksum is not what it was: it is damaged")
	}
	return nil
}
