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
	"podium/store/postgres"
	"podium/store/uploads"
)

// importCommand takes over an old deployment's data, or a contest that moves.
type importCommand struct {
	Path     string `arg:"" help:"Folder of an old deployment, with data.json, categories.json, uploads/, backups/ and .wal/; or a contest that moves: a data folder, its podium.db, or a database's address (postgres://…)."`
	Data     string `env:"DATA_DIR" default:"data" placeholder:"DIR" help:"Folder of the database (${default})."`
	Database string `env:"DATABASE_URL" placeholder:"URL" help:"PostgreSQL database to import into, in place of a file in the data folder."`
	Uploads  string `env:"UPLOADS,UPLOADS_DIR" placeholder:"DIR|URL" help:"Folder of the pictures (uploads in the data folder), or their bucket."`
	Replace  bool   `help:"Put a contest that moves in the place of the one that is there, and keep that aside."`
	DryRun   bool   `help:"Only say what would be done."`
	JSON     bool   `name:"json" help:"Print the report as JSON."`
}

// Help implements kong's HelpProvider.
func (*importCommand) Help() string {
	return "Of an old deployment, everything is taken in one transaction, with ids and order as they were; what cannot be taken is listed with its reason. Running it twice changes nothing. Data that is there is backed up first.\n\nA contest of Podium's moves as it is, from a file into a database or back: with its log, sessions, answers, settings and sign-ins, so that guests and admins go on as if nothing had happened once it is served at the same address. It moves whole or not at all, into a place that is empty unless --replace is given.\n\nNo server may run on either side.\n\nExamples:\n  podium import ../old-contest --dry-run\n  podium import ../old-contest --data /data\n  podium import data --database postgres://user:password@host/name\n  podium import postgres://user:password@host/name --database= --data data"
}

// Run imports.
func (c *importCommand) Run(ctx context.Context, out output) error {
	if isDatabase(c.Path) {
		return c.move(ctx, out, "")
	}
	if file := contestAt(c.Path); file != "" {
		return c.move(ctx, out, file)
	}
	if info, err := os.Stat(c.Path); err != nil || !info.IsDir() {
		return errors.Join(fmt.Errorf("%s is neither a folder, nor a contest, nor a database", c.Path), err)
	}
	return c.takeOver(ctx, out)
}

// takeOver imports an old deployment.
func (c *importCommand) takeOver(ctx context.Context, out output) error {
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
	report, err := c.takeIn(ctx, out, file)
	if err != nil {
		return err
	}
	done()
	return c.print(out.stdout, report)
}

// takeIn imports into a file, or into a database by way of one.
func (c *importCommand) takeIn(ctx context.Context, out output, file string) (*archive.Report, error) {
	if c.Database != "" {
		return c.takeIntoDatabase(ctx, out)
	}
	_, missing := os.Stat(file)
	return c.takeIntoFile(ctx, out, file, missing == nil)
}

// takeIntoFile imports into a file. What was there, if anything, is backed up.
func (c *importCommand) takeIntoFile(ctx context.Context, out output, file string, there bool) (report *archive.Report, err error) {
	s, err := bolt.Open(file, bolt.Options{})
	if err != nil {
		return nil, err
	}
	if there {
		err = c.keepPresent(s, out)
	}
	if err == nil {
		report, err = c.take(ctx, contest.New(s))
	}
	return report, errors.Join(err, s.Close())
}

// takeIntoDatabase imports into a copy of what the database holds, and puts that in
// its place: however much comes in, the database has it in one transaction that
// nobody's patience bounds.
func (c *importCommand) takeIntoDatabase(ctx context.Context, out output) (*archive.Report, error) {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	dir, remove, err := scratch(c.Data)
	if err != nil {
		return nil, err
	}
	defer remove()
	return withDatabase(ctx, c.Database, func(to *postgres.Store) (*archive.Report, error) {
		if err := to.Served(ctx); err != nil {
			return nil, err
		}
		empty, err := to.Empty(ctx)
		if err != nil {
			return nil, err
		}
		file := filepath.Join(dir, server.DatabaseName)
		if err := bolt.Write(ctx, file, to.All(ctx)); err != nil {
			return nil, err
		}
		report, err := c.takeIntoFile(ctx, out, file, !empty)
		if err != nil {
			return nil, err
		}
		s, err := bolt.Open(file, bolt.Options{ReadOnly: true})
		if err != nil {
			return nil, err
		}
		return report, errors.Join(to.Load(ctx, s.All(ctx), true), s.Close())
	})
}

// take imports into the contest and to where its pictures are.
func (c *importCommand) take(ctx context.Context, to *contest.Contest) (*archive.Report, error) {
	place, err := uploads.Open(ctx, c.Data, c.Uploads)
	if err != nil {
		return nil, err
	}
	report, err := archive.Import(ctx, to, c.Path, place.Within(ctx), false)
	return report, errors.Join(err, place.Close())
}

// preview says what would be done, beside what is there already where that can
// be read.
func (c *importCommand) preview(ctx context.Context, file string) (*archive.Report, error) {
	if c.Database != "" {
		return withDatabase(ctx, c.Database, func(s *postgres.Store) (*archive.Report, error) {
			return archive.Import(ctx, contest.New(s), c.Path, nil, true)
		})
	}
	s, err := bolt.Open(file, bolt.Options{ReadOnly: true})
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, bolt.ErrLocked):
		return archive.Import(ctx, nil, c.Path, nil, true)
	case err != nil:
		return nil, err
	}
	report, err := archive.Import(ctx, contest.New(s), c.Path, nil, true)
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
