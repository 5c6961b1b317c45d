package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// What is put aside before data is replaced or changed as a whole: by a
// restore, an import, a repair, a newer format. Such a copy holds what people
// had deleted since as well, and is kept only for a time.

// AsideCopy is a copy that was put aside.
type AsideCopy struct {
	Path string
	At   time.Time // when
}

// Aside names a copy of the data in a folder that is put aside before something
// is done to it: "restore", "import" or "repair". Nothing has that name yet.
func Aside(data, before string, now time.Time) string {
	for at := now.UTC(); ; at = at.Add(time.Second) {
		path := filepath.Join(data, "backups", "before-"+before+"-"+at.Format(Stamp)+".db")
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return path
		}
	}
}

// asides are the names of copies put aside, by the folder they are in, with the
// form of the time in them.
var asides = []struct {
	folder string
	name   *regexp.Regexp
	form   string
}{
	{"backups", regexp.MustCompile(`^before-(?:restore|import|repair)-(\d{8}T\d{6}Z)\.db$`), Stamp},
	{".", regexp.MustCompile(`^podium\.db\.before-(?:restore|import|repair)-(\d{8}T\d{6}Z)\.db$`), Stamp},
	{".", regexp.MustCompile(`^podium\.db\.format-\d+-(\d{8}-\d{6})$`), "20060102-150405"},
}

// Asides returns the copies put aside that are in a data folder, the oldest
// first.
func Asides(data string) (copies []AsideCopy, err error) {
	for _, kind := range asides {
		files, err := os.ReadDir(filepath.Join(data, kind.folder))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look for copies put aside: %w", err)
		}
		for _, file := range files {
			m := kind.name.FindStringSubmatch(file.Name())
			if m == nil || !file.Type().IsRegular() {
				continue
			}
			if at, err := time.Parse(kind.form, m[1]); err == nil {
				copies = append(copies, AsideCopy{filepath.Join(data, kind.folder, file.Name()), at})
			}
		}
	}
	slices.SortFunc(copies, func(a, b AsideCopy) int { return a.At.Compare(b.At) })
	return copies, nil
}

// PruneAsides removes the copies in a data folder that were put aside before a
// time, and returns them.
func PruneAsides(data string, before time.Time) (gone []AsideCopy, err error) {
	copies, err := Asides(data)
	for _, one := range copies {
		if !one.At.Before(before) {
			break
		}
		if removeErr := os.Remove(one.Path); removeErr != nil {
			err = errors.Join(err, fmt.Errorf("remove a copy put aside: %w", removeErr))
			continue
		}
		gone = append(gone, one)
	}
	return gone, err
}
