package pictures

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"syscall"

	"podium/server/answer"
)

// fileName is the form of the names of files that are served: of ours, and of
// those that an old server made.
var fileName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,200}\.(jpg|jpeg|png|gif|webp|JPG|JPEG|PNG|GIF|WEBP)$`)

func prepareDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of pictures: %w", err)
	}
	return nil
}

// write stores both sizes, the picture's name first. When it returns, they are
// on the disk and not only in memory.
func (p *Pictures) write(made rendered) ([]string, error) {
	raw := make([]byte, 12)
	_, _ = rand.Read(raw) // never fails
	name := hex.EncodeToString(raw)
	files := []string{name + ".jpg", name + "-480.jpg"}
	for i, data := range [][]byte{made.display.data, made.thumb.data} {
		if err := writeFile(filepath.Join(p.o.Dir, files[i]), data); err != nil {
			return nil, errors.Join(err, p.removeFiles(files))
		}
	}
	return files, syncDir(p.o.Dir)
}

// writeFile writes a file that is whole or not there.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return fmt.Errorf("make a file for the picture: %w", err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the picture: %w", err), os.Remove(f.Name()))
	}
	return nil
}

// syncDir makes the names of new files last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open the folder of pictures: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// removeFiles deletes files; those that are gone already do no harm.
func (p *Pictures) removeFiles(files []string) error {
	var errs []error
	for _, name := range files {
		if !fileName.MatchString(name) {
			continue
		}
		if err := os.Remove(filepath.Join(p.o.Dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove a picture: %w", err))
		}
	}
	return errors.Join(errs...)
}

// fullOr gives a full disk its status.
func fullOr(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return answer.Because(err, http.StatusInsufficientStorage, "There is no room left for photos on this server.")
	}
	return err
}

// ServeFile answers GET /uploads/NAME. Nothing is served as anything but an
// image, and a browser that opens it by itself runs nothing in it.
func (p *Pictures) ServeFile(w http.ResponseWriter, r *http.Request, name string) error {
	if !fileName.MatchString(name) {
		return answer.New(http.StatusNotFound, "There is no such picture.")
	}
	f, err := os.Open(filepath.Join(p.o.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return answer.New(http.StatusNotFound, "There is no such picture.")
	}
	if err != nil {
		return fmt.Errorf("open a picture: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open a picture: %w", err)
	}
	head := make([]byte, 512)
	n, _ := f.ReadAt(head, 0) // a short file is judged by what it has
	kind := http.DetectContentType(head[:n])
	switch kind {
	case "image/jpeg", "image/png", "image/gif", "image/webp":
	default:
		return answer.New(http.StatusNotFound, "There is no such picture.")
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Content-Disposition", "inline")
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, name, info.ModTime(), f)
	return nil
}
