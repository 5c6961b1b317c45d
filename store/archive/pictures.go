package archive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"time"

	"podium/contest"
)

// Pictures are the files of a contest's pictures, for those who read them.
type Pictures interface {
	// Names returns the names of all files with the times at which they were written.
	Names() (map[string]time.Time, error)
	// Open opens a file. The error of one that is not there is fs.ErrNotExist.
	Open(name string) (io.ReadCloser, error)
}

// Keeper keeps files of pictures.
type Keeper interface {
	// Has reports whether there is a file of that name.
	Has(name string) (bool, error)
	// Write keeps a file whole or not at all.
	Write(name string, from io.Reader) error
}

// checkPictures looks for each picture that should be here, and notes whose it
// is. It returns the names that they have in the old folder by those that they
// have here, which differ where a name cannot be served.
func checkPictures(old fs.FS, bulk *contest.Bulk, r *Report) map[string]string {
	pictures := map[string]string{}
	for i := range bulk.Submissions {
		sub := &bulk.Submissions[i]
		name, ok := upload(sub.ImageURL)
		if !ok {
			continue
		}
		kind, err := kindOf(old, "uploads/"+name)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
			r.refuse("The picture %q of entry %s is missing; the entry was taken without it being here.", clip(name), sub.ID)
		case err != nil:
			r.refuse("The picture %q of entry %s cannot be read (%v); the entry was taken without it being here.", clip(name), sub.ID, err)
		case kind == "":
			r.refuse("The picture %q of entry %s cannot be shown; it was left out.", clip(name), sub.ID)
		default:
			here := served(name, kind)
			if address := "/uploads/" + here; address != *sub.ImageURL {
				r.Changed = append(r.Changed, fmt.Sprintf("Entry %s: its picture had the address %s and has %s.", sub.ID, *sub.ImageURL, address))
				sub.ImageURL = &address
			}
			pictures[here] = name
			sub.Files = append(sub.Files, here)
			addSizes(old, sub, pictures)
		}
	}
	return pictures
}

// addSizes adds the other sizes of a picture that this server exported. One
// that is not there is made when somebody asks for it.
func addSizes(old fs.FS, sub *contest.Submission, pictures map[string]string) {
	for _, image := range sub.Images {
		name, ok := upload(&image.URL)
		if !ok || !uploadName.MatchString(name) || slices.Contains(sub.Files, name) {
			continue
		}
		sub.Files = append(sub.Files, name)
		if kind, err := kindOf(old, "uploads/"+name); err == nil && kind != "" {
			pictures[name] = name
		}
	}
}

// kindOf returns a picture's type by its first bytes, "" where it is none that
// is shown.
func kindOf(old fs.FS, name string) (string, error) {
	f, err := old.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	switch kind := http.DetectContentType(head[:n]); kind {
	case "image/jpeg", "image/png", "image/gif", "image/webp":
		return kind, nil
	}
	return "", nil
}

// copyPictures copies the pictures of the entries that are in c and that are
// not there yet, each whole or not at all.
func copyPictures(old fs.FS, c *contest.Contest, uploads Keeper, bulk *contest.Bulk, pictures map[string]string, r *Report) error {
	for i := range bulk.Submissions {
		for _, name := range bulk.Submissions[i].Files {
			if pictures[name] == "" {
				continue
			}
			there, err := uploads.Has(name)
			if err != nil {
				return err
			}
			if there {
				continue
			}
			if _, err := c.Submission(bulk.Submissions[i].ID); errors.Is(err, contest.ErrNotFound) {
				continue // deleted here since an import before
			}
			if err := copyFile(old, "uploads/"+pictures[name], uploads, name); err != nil {
				return fmt.Errorf("copy the picture %s: %w", name, err)
			}
			r.Pictures++
		}
	}
	return nil
}

func copyFile(old fs.FS, name string, uploads Keeper, to string) error {
	from, err := old.Open(name)
	if err != nil {
		return err
	}
	defer from.Close()
	return uploads.Write(to, from)
}
