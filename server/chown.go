package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// chownAll gives a file, or a folder and all in it, to a user and group. Links
// are not followed. What is theirs already is not touched: that would cost a
// write to the disk for each picture at every start. A folder comes after what
// is in it, because a root that may not look into other people's folders, as in
// a container, could not go on in one that it gave away; such a folder of theirs
// is left as it is.
func chownAll(path string, uid, gid int) error {
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("give the data folder to user %d: %w", uid, err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	theirs := ok && int(owner.Uid) == uid && int(owner.Gid) == gid
	if info.IsDir() {
		entries, err := os.ReadDir(path)
		if err != nil && !(theirs && errors.Is(err, fs.ErrPermission)) {
			return fmt.Errorf("give the data folder to user %d: %w", uid, err)
		}
		for _, entry := range entries {
			if err := chownAll(filepath.Join(path, entry.Name()), uid, gid); err != nil {
				return err
			}
		}
	}
	if theirs {
		return nil
	}
	if err := os.Lchown(path, uid, gid); err != nil {
		return fmt.Errorf("give the data folder to user %d: %w", uid, err)
	}
	return nil
}
