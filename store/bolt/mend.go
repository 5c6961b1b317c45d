package bolt

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Mend puts what can be read of a damaged file in its place, and keeps the file
// itself under the name aside. Where something that people sent or admins chose
// is lost, it does so only if lossy is set; otherwise the error is [ErrDamaged]
// and nothing was changed. Nobody may have the file open: else [ErrLocked].
func Mend(ctx context.Context, path, aside string, lossy bool) (Salvaged, error) {
	release, err := Hold(path)
	if err != nil {
		return Salvaged{}, err
	}
	defer release()
	fresh := path + ".mending"
	done, err := Salvage(ctx, path, fresh)
	if err != nil {
		return done, err
	}
	defer os.Remove(fresh) // gone where all went well
	if !done.Whole && !lossy {
		return done, fmt.Errorf("%w, and not all of it can be read", ErrDamaged)
	}
	if done.Kept, err = SetAside(path, aside); err != nil {
		return done, fmt.Errorf("keep the damaged file aside: %w", err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return done, fmt.Errorf("put the salvaged data in place: %w", err)
	}
	return done, SyncFolder(filepath.Dir(path))
}

// Hold keeps others from opening the file at path, whatever is in it, until
// release is called. What cannot be opened needs no holding. The error is
// [ErrLocked] where somebody has it open.
func Hold(path string) (release func(), err error) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return func() {}, nil
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		file, err = os.Open(path)
	}
	if err != nil {
		return func() {}, nil
	}
	if err := lockFile(file, true, time.Second); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return func() { _ = file.Close() }, nil
}

// SetAside gives what is at path, a file or not, the name aside as well, or
// copies it there. Where neither is possible it is moved: there, or beside path
// with the end of aside's name. It returns where it is kept. Where path still is
// afterwards, it may be overwritten.
func SetAside(path, aside string) (kept string, err error) {
	dir := filepath.Dir(aside)
	err = os.MkdirAll(dir, 0o700)
	if err == nil {
		if err = os.Link(path, aside); err != nil {
			err = copyWhole(path, aside)
		}
		if err != nil {
			err = os.Rename(path, aside)
		}
	}
	if err != nil {
		dir, aside = filepath.Dir(path), path+"."+filepath.Base(aside)
		err = os.Rename(path, aside)
	}
	if err != nil {
		return "", err
	}
	return aside, SyncFolder(dir)
}

// copyWhole copies a regular file.
func copyWhole(path, to string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", path)
	}
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	return CopyFile(to, from)
}
