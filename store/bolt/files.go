package bolt

import (
	"errors"
	"io"
	"os"
)

// CopyFile copies from to the file at path, which is afterwards whole and synced, or
// not there. What a killed copy leaves, path with ".partial" behind it, the next one
// overwrites: one path must not be copied to twice at the same time.
func CopyFile(path string, from io.Reader) error {
	partial := path + ".partial"
	f, err := os.OpenFile(partial, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(partial, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(partial))
	}
	return nil
}

// SyncFolder makes the names in a folder survive a power loss.
func SyncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
