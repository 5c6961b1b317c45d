package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"podium/contest"
	"podium/server"
	"podium/store/archive"
	"podium/store/backup"
	"podium/store/bolt"
)

// importCommand takes over an old deployment's data.
type importCommand struct {
	Path    string `arg:"" type:"existingdir" help:"Folder of the old deployment, with data.json, categories.json, uploads/, backups/ and .wal/."`
	Data    string `env:"DATA_DIR" default:"data" placeholder:"DIR" help:"Folder of the database (${default})."`
	Uploads string `env:"UPLOADS_DIR" placeholder:"DIR" help:"Folder of the pictures (uploads in the data folder)."`
	DryRun  bool   `help:"Only say what would be done."`
	JSON    bool   `name:"json" help:"Print the report as JSON."`
}

// Help implements kong's HelpProvider.
func (*importCommand) Help() string {
	return "Everything is taken in one transaction, with ids and order as they were; what cannot be taken is listed with its reason. Running it twice changes nothing. No server may run on the data folder. Data that is there is backed up first.\n\nExamples:\n  podium import ../old-contest --dry-run\n  podium import ../old-contest --data /data"
}

// Run imports.
func (c *importCommand) Run(ctx context.Context, out output) error {
	done := out.working("Reading " + c.Path)
	defer done()
	file := filepath.Join(c.Data, server.DatabaseName)
	if c.DryRun {
		report, err := c.preview(ctx, file)
		if err != nil {
			return err
		}
		done()
		return c.print(out.stdout, report)
	}
	_, missing := os.Stat(file)
	s, err := bolt.Open(file, bolt.Options{})
	if err != nil {
		return err
	}
	if missing == nil {
		err = c.keepPresent(s, out)
	}
	var report *archive.Report
	if err == nil {
		report, err = archive.Import(ctx, contest.New(s), c.Path, server.UploadsFolder(c.Data, c.Uploads), false)
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	done()
	return c.print(out.stdout, report)
}

// preview says what would be done, beside what is there already where that can
// be read.
func (c *importCommand) preview(ctx context.Context, file string) (*archive.Report, error) {
	s, err := bolt.Open(file, bolt.Options{ReadOnly: true})
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, bolt.ErrLocked):
		return archive.Import(ctx, nil, c.Path, "", true)
	case err != nil:
		return nil, err
	}
	report, err := archive.Import(ctx, contest.New(s), c.Path, "", true)
	return report, errors.Join(err, s.Close())
}

// keepPresent backs up what is there.
func (c *importCommand) keepPresent(s *bolt.Store, out output) error {
	path := backup.Aside(c.Data, "import", time.Now())
	if err := writeBackup(path, func(w io.Writer) (int64, error) { return s.WriteTo(w) }); err != nil {
		return err
	}
	if !c.JSON {
		fmt.Fprintln(out.stdout, "What was there is backed up in "+path)
	}
	return nil
}

func (c *importCommand) print(w io.Writer, r *archive.Report) error {
	if c.JSON {
		return json.NewEncoder(w).Encode(r)
	}
	verb := "Imported"
	if r.DryRun {
		verb = "Would import"
	}
	fmt.Fprintf(w, "%s from %s: %d submissions (%d were there already), %d categories, %d winners, %d pictures copied.\n",
		verb, r.Source, r.Submissions, r.Present, r.Categories, r.Winners, r.Pictures)
	for _, list := range []struct {
		title string
		lines []string
	}{{"Decided:", r.Notes}, {"Taken with a change:", r.Changed}, {"Not taken:", r.Refused}} {
		if len(list.lines) > 0 {
			fmt.Fprintln(w, "\n"+list.title)
		}
		for _, line := range list.lines {
			fmt.Fprintln(w, "  "+line)
		}
	}
	return nil
}
