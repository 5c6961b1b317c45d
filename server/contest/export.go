package contest

import (
	"archive/zip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"podium/store"
)

// exportCSV answers GET /api/export.csv.
func (c *Contest) exportCSV(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="submissions.csv"`)
	w.Header().Set("Cache-Control", "no-store")
	return c.writeCSV(w)
}

// writeCSV writes every submission as a row, for a spreadsheet.
func (c *Contest) writeCSV(w io.Writer) error {
	picks, err := c.Store.Winners()
	if err != nil {
		return storeError(err)
	}
	// The mark at the beginning tells spreadsheets that the text is UTF-8.
	if _, err := io.WriteString(w, "\uFEFF"); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	out := csv.NewWriter(w)
	_ = out.Write([]string{"id", "submissionId", "category", "caption", "name", "phone", "imageUrl", "storageMethod", "createdAt", "status", "place"})
	err = c.Store.Each(func(sub store.Submission) bool {
		place, image := "", ""
		if i := slices.Index(picks[sub.Category], sub.ID); i >= 0 {
			place = strconv.Itoa(i + 1)
		}
		if sub.ImageURL != nil {
			image = *sub.ImageURL
		}
		return out.Write([]string{
			sub.ID, sub.SubmissionID, sub.Category, cell(sub.Caption), cell(sub.Name), cell(sub.Phone), cell(image),
			sub.StorageMethod, time.UnixMilli(sub.CreatedAt).UTC().Format(time.RFC3339), string(sub.Status), place,
		}) == nil
	})
	out.Flush()
	return errors.Join(storeError(err), out.Error())
}

// cell keeps a spreadsheet from running text as a formula.
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

// exportZip answers GET /api/export.zip: the data in its old format, the
// spreadsheet and the pictures, as a stream.
func (c *Contest) exportZip(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="contest.zip"`)
	w.Header().Set("Cache-Control", "no-store")
	z := zip.NewWriter(w)
	err := errors.Join(c.zipData(z), c.zipPictures(z))
	if err != nil {
		// The status has left; an archive without its end says that it is broken.
		c.Logger.Error("the export broke off", "error", err)
		return nil
	}
	return z.Close()
}

func (c *Contest) zipData(z *zip.Writer) error {
	feed, _, err := c.Store.Feed(store.Query{All: true})
	if err != nil {
		return err
	}
	picks, err := c.Store.Winners()
	if err != nil {
		return err
	}
	categories := []store.Category{}
	submissions := map[string][]entry{}
	plain := Contest{Options: c.Options}
	for _, one := range feed {
		categories = append(categories, one.Category)
		submissions[one.Category.ID] = []entry{}
		for i := range one.Submissions {
			submissions[one.Category.ID] = append(submissions[one.Category.ID], plain.entry(&one.Submissions[i]))
		}
	}
	for name, value := range map[string]any{
		"data.json":       map[string]any{"submissions": submissions, "winners": picks},
		"categories.json": categories,
	} {
		f, err := z.Create(name)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(f).Encode(value); err != nil {
			return err
		}
	}
	f, err := z.Create("submissions.csv")
	if err != nil {
		return err
	}
	return c.writeCSV(f)
}

func (c *Contest) zipPictures(z *zip.Writer) error {
	entries, err := os.ReadDir(c.UploadsDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := zipFile(z, "uploads/"+e.Name(), filepath.Join(c.UploadsDir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// zipFile stores a picture as it is: it is compressed already.
func zipFile(z *zip.Writer, name, path string) error {
	from, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted since the folder was read
	}
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return err
}
