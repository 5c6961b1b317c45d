package command

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"podium/contest"
	"podium/server"
	"podium/store/archive"
	"podium/store/bolt"
	"podium/store/postgres"
	"podium/store/uploads"
)

// exportCommand writes everything in the format of old deployments, or what
// everybody saw as a gallery.
type exportCommand struct {
	Dest      string `arg:"" help:"Folder to fill, or a file that ends in .zip."`
	Data      string `env:"DATA_DIR" default:"data" placeholder:"DIR" help:"Folder of the database (${default})."`
	Database  string `env:"DATABASE_URL" placeholder:"URL" help:"PostgreSQL database that keeps the contest in place of a file in the data folder."`
	Uploads   string `env:"UPLOADS,UPLOADS_DIR" placeholder:"DIR|URL" help:"Folder of the pictures (uploads in the data folder), or their bucket."`
	Anonymous bool   `name:"without-personal-data" xor:"kind" help:"Leave out names and phone numbers."`
	Gallery   bool   `xor:"kind" help:"Write a gallery instead: a page, the photos under names that people can read, winners first, and a table. It holds no name and no phone number, and can be put anywhere."`
	JSON      bool   `name:"json" help:"Print what was written as JSON."`
}

// exported says what an export wrote.
type exported struct {
	Dest     string `json:"dest"`
	Files    int    `json:"files"` // pictures included
	Pictures int    `json:"pictures"`
	Bytes    uint64 `json:"bytes"` // of the files, not compressed
	// Damage says what could not be read and is missing.
	Damage []string `json:"damage,omitempty"`
}

// Help implements kong's HelpProvider.
func (*exportCommand) Help() string {
	return "Writes data.json and categories.json as the old server had them, submissions.csv for a spreadsheet, and the pictures, also those in a bucket. Works while a server runs. Of a damaged file everything comes out that can still be read; damage.txt then lists what could not.\n\nExamples:\n  podium export contest.zip\n  podium export ./contest --without-personal-data\n  podium export ./photos --gallery\n  podium export contest.zip --json\n  podium export contest.zip --database postgres://user:password@host/name"
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
	for _, sentence := range report.Damage {
		fmt.Fprintln(out.stderr, "✗ "+sentence)
	}
	if c.JSON {
		return json.NewEncoder(out.stdout).Encode(report)
	}
	if len(report.Damage) > 0 {
		fmt.Fprintf(out.stdout, "Exported what can be read to %s; %s in it lists what cannot\n", c.Dest, archive.DamageName)
		return nil
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
		if strings.Contains(f.Name, "/") { // else it is a page or a table
			r.Pictures++
		}
	}
	if text, readErr := fs.ReadFile(z, archive.DamageName); readErr == nil {
		r.Damage = strings.Split(strings.TrimSpace(string(text)), "\n")
	}
	return r, z.Close()
}

func (c *exportCommand) writeFile(ctx context.Context, name string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
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
	place, err := uploads.Open(ctx, c.Data, c.Uploads)
	if err != nil {
		return err
	}
	defer place.Close()
	write := func(s contest.Store) (struct{}, error) {
		return struct{}{}, c.write(contest.New(s), place.Within(ctx), w)
	}
	if c.Database != "" {
		_, err := withDatabase(ctx, c.Database, func(s *postgres.Store) (struct{}, error) { return write(s) })
		return err
	}
	body, err := ask(ctx, c.Data, "GET", c.route(), "")
	if err == nil {
		defer body.Close()
		_, err := io.Copy(w, body)
		return err
	}
	if !errors.Is(err, errNoServer) {
		return err
	}
	_, err = reading(c.Data, func(s *bolt.Store) (struct{}, error) { return write(s) })
	if !c.Gallery && (errors.Is(err, bolt.ErrDamaged) || errors.Is(err, bolt.ErrNotAStore)) {
		e := archive.Export{Uploads: place.Within(ctx), Anonymous: c.Anonymous}
		return exportSalvaged(c.Data, e, err, w, func(fresh string) (bolt.Salvaged, error) {
			return bolt.Salvage(ctx, filepath.Join(c.Data, server.DatabaseName), fresh)
		})
	}
	return err
}

// write writes the zip from a contest that can be read.
func (c *exportCommand) write(from *contest.Contest, pictures archive.Pictures, w io.Writer) error {
	if c.Gallery {
		return archive.Album{Contest: from, Uploads: pictures}.WriteZip(w)
	}
	return archive.Export{Contest: from, Uploads: pictures, Anonymous: c.Anonymous}.WriteZip(w)
}

// route is what writes the zip where a server runs.
func (c *exportCommand) route() string {
	switch {
	case c.Gallery:
		return "/gallery"
	case c.Anonymous:
		return "/export?anonymous=1"
	}
	return "/export"
}

// exportLive exports the data of a server that runs.
func exportLive(ctx context.Context, s *server.Server, data string, anonymous bool, w io.Writer) error {
	e := s.Export(ctx, anonymous)
	file, ok := s.File().(*bolt.Store)
	if !ok {
		return e.WriteZip(w)
	}
	faults, err := file.CheckPages()
	if err == nil && len(faults) == 0 {
		return e.WriteZip(w)
	}
	if err == nil {
		err = fmt.Errorf("%w: %s", bolt.ErrDamaged, faults[0])
	}
	return exportSalvaged(data, e, err, w, func(fresh string) (bolt.Salvaged, error) { return file.Salvage(ctx, fresh) })
}

// exportSalvaged exports what can be read of a damaged file.
func exportSalvaged(data string, e archive.Export, cause error, w io.Writer, salvage func(fresh string) (bolt.Salvaged, error)) error {
	dir, remove, err := scratch(data)
	if err != nil {
		return err
	}
	defer remove()
	lost := loss{cause: cause}
	if lost.Salvaged, err = salvage(filepath.Join(dir, server.DatabaseName)); err != nil {
		return errors.Join(cause, err)
	}
	_, err = reading(dir, func(s *bolt.Store) (struct{}, error) {
		e.Contest, e.Damage = contest.New(s), lost.sentences()
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
	if err := root.MkdirAll(path.Dir(f.Name), 0o700); err != nil {
		return err
	}
	to, err := root.OpenFile(f.Name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from) // #nosec G110 -- our own archive, made a moment ago
	return errors.Join(err, to.Close())
}
