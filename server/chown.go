package server

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// chownAll gives a folder and all in it to a user and group. Links are not
// followed.
func chownAll(dir string, uid, gid int) error {
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, gid)
	})
	if err != nil {
		return fmt.Errorf("give the data folder to user %d: %w", uid, err)
	}
	return nil
}
