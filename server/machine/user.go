package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Become gives a folder to the user and group that are written "uid:gid", making it
// where it is missing, and makes the process theirs for good. It does nothing where
// that is "" or the process is not root: a container starts as root only because its
// volume is mounted owned by root.
func Become(runAs, folder string) error {
	if runAs == "" || os.Getuid() != 0 {
		return nil
	}
	user, group, _ := strings.Cut(runAs, ":")
	uid, err := strconv.Atoi(user)
	if err != nil {
		return fmt.Errorf("--run-as %q is not uid:gid", runAs)
	}
	gid, err := strconv.Atoi(group)
	if err != nil {
		return fmt.Errorf("--run-as %q is not uid:gid", runAs)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	if err := chownAll(folder, uid, gid); err != nil {
		return err
	}
	if err := syscall.Setgroups(nil); err != nil {
		return fmt.Errorf("leave root's groups: %w", err)
	}
	if err := syscall.Setgid(gid); err != nil {
		return fmt.Errorf("become group %d: %w", gid, err)
	}
	if err := syscall.Setuid(uid); err != nil {
		return fmt.Errorf("become user %d: %w", uid, err)
	}
	return nil
}

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
