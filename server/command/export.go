package command

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"podium/contest"
	"podium/server"
	"podium/store/archive"
	"podium/store/bolt"
)

// exportCommand writes everything in the format of old deployments.
type exportCommand struct {
	Dest      string `arg:"" help:"Folder to fill, or a file that ends in .zip."`
	Data      string `env:"DATA_DIR" default:"data" placeholder:"DIR" help:"Folder of the database (${default})."`
	Uploads   string `env:"UPLOADS_DIR" placeholder:"DIR" help:"Folder of the pictures (uploads in the data folder)."`
	Anonymous bool   `name:"without-personal-data" help:"Leave out names and phone numbers."`
	JSON      bool   `name:"json" help:"Print what was written as JSON."`
}

// exported says what an export wrote.
type exported struct {
	Dest     string `json:"dest"`
	Files    int    `json:"files"` // pictures included
	Pictures int    `json:"pictures"`
	Bytes    uint64 `json:"bytes"` // of the files, not compressed
}

// Help implements kong's HelpProvider.
func (*exportCommand) Help() string {
	return "Writes data.json and categories.json as the old server had them, submissions.csv for a spreadsheet, and the pictures. Works while a server runs.\n\nExamples:\n  podium export contest.zip\n  podium export ./contest --without-personal-data\n  podium export contest.zip --json"
}

// Run exports.
func (c *exportCommand) Run(ctx context.Context, out output) error {
	file := c.Dest
	whole := strings.HasSuffix(strings.ToLower(c.Dest), ".zip")
	if !whole {
		if err := os.MkdirAll(c.Dest, 0o700); err != nil {
			return fmt.Errorf("make the folder: %w", err)
		}
		file = filepath.Join(c.Dest, ".export")
	}
	done := out.working("Exporting")
	defer done()
	if err := c.writeFile(ctx, file); err != nil {
		return errors.Join(fmt.Errorf("export: %w", err), os.Remove(file))
	}
	report, err := c.report(file)
	if err != nil {
		return fmt.Errorf("export: the export broke off: %w", err)
	}
	if !whole {
		if err := errors.Join(unzip(file, c.Dest), os.Remove(file)); err != nil {
			return fmt.Errorf("export: %w", err)
		}
	}
	done()
	if c.JSON {
		return json.NewEncoder(out.stdout).Encode(report)
	}
	fmt.Fprintln(out.stdout, "Exported to "+c.Dest)
	return nil
}

// report reads what the zip holds.
func (c *exportCommand) report(zipped string) (exported, error) {
	r := exported{Dest: c.Dest}
	z, err := zip.OpenReader(zipped)
	if err != nil {
		return r, err
	}
	for _, f := range z.File {
		r.Files++
		r.Bytes += f.UncompressedSize64
		if strings.HasPrefix(f.Name, "uploads/") {
			r.Pictures++
		}
	}
	return r, z.Close()
}

func (c *exportCommand) writeFile(ctx context.Context, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	err = c.stream(ctx, f)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// stream writes the zip, by the running server or from the file itself.
func (c *exportCommand) stream(ctx context.Context, w io.Writer) error {
	path := "/export"
	if c.Anonymous {
		path += "?anonymous=1"
	}
	body, err := ask(ctx, c.Data, "GET", path, "")
	if err == nil {
		defer body.Close()
		_, err := io.Copy(w, body)
		return err
	}
	if !errors.Is(err, errNoServer) {
		return err
	}
	_, err = reading(c.Data, func(s *bolt.Store) (struct{}, error) {
		e := archive.Export{Contest: contest.New(s), Uploads: server.UploadsFolder(c.Data, c.Uploads), Anonymous: c.Anonymous}
		return struct{}{}, e.WriteZip(w)
	})
	return err
}

// unzip writes the files of a zip that we made into a folder. Nothing is
// written outside it.
func unzip(path, dir string) error {
	z, err := zip.OpenReader(path)
	if err != nil {
		return fmt.Errorf("the export broke off: %w", err)
	}
	defer z.Close()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MkdirAll("uploads", 0o700); err != nil {
		return err
	}
	for _, f := range z.File {
		if err := unzipOne(root, f); err != nil {
			return fmt.Errorf("write %s: %w", f.Name, err)
		}
	}
	return nil
}

func unzipOne(root *os.Root, f *zip.File) error {
	from, err := f.Open()
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := root.OpenFile(f.Name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from) // #nosec G110 -- our own archive, made a moment ago
	return errors.Join(err, to.Close())
}
