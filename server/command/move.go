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
	"strings"

	"podium/contest"
	"podium/server"
	"podium/store/backup"
	"podium/store/bolt"
	"podium/store/postgres"
	"podium/store/uploads"
)

// commandName is what the connections of commands to a database are called, so
// that nobody takes them for those of a machine that serves.
const commandName = "podium command"

// isDatabase reports whether an argument names a database.
func isDatabase(path string) bool {
	return strings.HasPrefix(path, "postgres://") || strings.HasPrefix(path, "postgresql://")
}

// openDatabase opens a database for a command.
func openDatabase(ctx context.Context, url string) (*postgres.Store, error) {
	opening, cancel := context.WithTimeout(ctx, server.OpenTimeout)
	defer cancel()
	return postgres.Open(opening, url, postgres.Options{Name: commandName})
}

// withDatabase runs f on an open database.
func withDatabase[T any](ctx context.Context, url string, f func(*postgres.Store) (T, error)) (T, error) {
	s, err := openDatabase(ctx, url)
	if err != nil {
		var none T
		return none, err
	}
	result, err := f(s)
	return result, errors.Join(err, s.Close())
}

// contestAt returns the contest file that an argument names: the file itself,
// or that of a data folder. "" is neither: an old deployment's folder has
// data.json, whatever else is in it.
func contestAt(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	if !info.IsDir() {
		return path
	}
	if _, err := os.Stat(filepath.Join(path, "data.json")); err == nil {
		return ""
	}
	file := filepath.Join(path, server.DatabaseName)
	if _, err := os.Stat(file); err != nil {
		return ""
	}
	return file
}

// moved says what became of a contest that moved.
type moved struct {
	From        string `json:"from"`
	To          string `json:"to"`
	Epoch       string `json:"epoch"`
	LastEvent   uint64 `json:"lastEvent"`
	Submissions int    `json:"submissions"`
	Sessions    int    `json:"sessions"` // of guests, which go on
	Pictures    int    `json:"pictures"` // copied
	Missing     int    `json:"missing"`  // pictures that are not where the contest is now
	Kept        string `json:"kept,omitempty"`
	DryRun      bool   `json:"dryRun"`
}

// move carries a contest over as it is. file is where it is kept, or "" for the
// database that the argument names.
func (c *importCommand) move(ctx context.Context, out output, file string) error {
	done := out.working("Moving " + nameOf(c.Path))
	defer done()
	report := &moved{From: nameOf(c.Path), To: c.target(), DryRun: c.DryRun}
	err := c.source(ctx, file, func(from contest.Whole) error { return c.carry(ctx, from, file, report) })
	if err != nil {
		return err
	}
	done()
	if c.JSON {
		return json.NewEncoder(out.stdout).Encode(report)
	}
	report.print(out.stdout)
	return nil
}

// source opens what is moved. Nobody may serve from it: what they changed
// afterwards would be lost.
func (c *importCommand) source(ctx context.Context, file string, f func(contest.Whole) error) error {
	if file == "" {
		_, err := withDatabase(ctx, c.Path, func(s *postgres.Store) (struct{}, error) {
			if err := s.Served(ctx); err != nil {
				return struct{}{}, err
			}
			return struct{}{}, f(s)
		})
		return err
	}
	s, err := bolt.Open(file, bolt.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	return errors.Join(f(s), s.Close())
}

// target is where the contest goes, for people.
func (c *importCommand) target() string {
	if c.Database != "" {
		return nameOf(c.Database)
	}
	return filepath.Join(c.Data, server.DatabaseName)
}

// nameOf is a path as it is, and a database's address without what is secret.
func nameOf(path string) string {
	if !isDatabase(path) {
		return path
	}
	_, rest, _ := strings.Cut(path, "://")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = rest[at+1:]
	}
	rest, _, _ = strings.Cut(rest, "?")
	return "the database " + rest
}

// carry moves from into the target, and the pictures after it.
func (c *importCommand) carry(ctx context.Context, from contest.Whole, file string, report *moved) error {
	if err := c.differs(file); err != nil {
		return err
	}
	counts, err := from.Counts()
	if err == nil {
		report.Sessions, err = from.Sessions()
	}
	if err == nil {
		_, report.LastEvent, err = from.EventRange()
	}
	if err != nil {
		return err
	}
	report.Epoch, report.Submissions = from.Epoch(), counts.Total()
	if c.Database != "" {
		err = c.intoDatabase(ctx, from, report)
	} else {
		err = c.intoFile(ctx, from, report)
	}
	if err != nil || c.DryRun {
		return err
	}
	return c.movePictures(ctx, from, file, report)
}

// differs refuses to move a contest onto itself.
func (c *importCommand) differs(file string) error {
	if file == "" {
		if c.Path == c.Database {
			return errors.New("that is the same database; --database= with nothing after it moves the contest into the folder of --data")
		}
		return nil
	}
	here, err := os.Stat(filepath.Join(c.Data, server.DatabaseName))
	if err != nil || c.Database != "" {
		return nil
	}
	if from, err := os.Stat(file); err == nil && os.SameFile(from, here) {
		return errors.New("that is the contest of this data folder; say with --data or --database where it should go")
	}
	return nil
}

// refuse says that the target has something already.
func refuse(target string) error {
	return fmt.Errorf("%s holds a contest already, and nothing was changed.\n--replace keeps a copy of it aside and puts this one in its place", target)
}

func (c *importCommand) intoDatabase(ctx context.Context, from contest.Whole, report *moved) error {
	_, err := withDatabase(ctx, c.Database, func(to *postgres.Store) (none struct{}, err error) {
		if err := to.Served(ctx); err != nil {
			return none, err
		}
		empty, err := to.Empty(ctx)
		if err != nil {
			return none, err
		}
		if !empty && !c.Replace {
			return none, refuse(report.To)
		}
		if c.DryRun {
			return none, nil
		}
		report.Kept, err = replaceDatabase(ctx, to, from, c.Data, "import")
		if errors.Is(err, fs.ErrExist) { // somebody was there a moment ago
			err = refuse(report.To)
		}
		return none, err
	})
	return err
}

func (c *importCommand) intoFile(ctx context.Context, from contest.Whole, report *moved) error {
	file := filepath.Join(c.Data, server.DatabaseName)
	_, err := os.Lstat(file)
	switch {
	case err == nil && !c.Replace:
		return refuse(report.To)
	case c.DryRun:
		return nil
	case err != nil:
		err := bolt.Write(ctx, file, from.All(ctx))
		if errors.Is(err, fs.ErrExist) {
			err = refuse(report.To)
		}
		return err
	}
	fresh := file + ".importing"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove what an import left that broke off: %w", err)
	}
	if err := bolt.Write(ctx, fresh, from.All(ctx)); err != nil {
		return err
	}
	if report.Kept, err = putInPlace(fresh, c.Data, "import"); err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	return nil
}

// movePictures copies the pictures that lie beside a contest's file to where
// the contest is now, and counts those that are not there.
func (c *importCommand) movePictures(ctx context.Context, from contest.Whole, file string, report *moved) error {
	place, err := uploads.Open(ctx, c.Data, c.Uploads)
	if err != nil {
		return err
	}
	defer place.Close()
	to := place.Within(ctx)
	if file != "" && hasPictures(filepath.Dir(file)) {
		wanted, err := contest.New(from).Pictures()
		if err != nil {
			return err
		}
		beside, err := backup.Open(ctx, filepath.Dir(file))
		if err != nil {
			return err
		}
		report.Pictures, err = backup.FetchPictures(ctx, beside, to, wanted)
		if err = errors.Join(err, beside.Close()); err != nil {
			return fmt.Errorf("the contest moved, but not all of its pictures did: %w", err)
		}
	}
	names, err := to.Names()
	if err != nil {
		return err
	}
	missing, err := contest.New(from).MissingPictures(func(name string) bool { _, there := names[name]; return there })
	report.Missing = len(missing)
	return err
}

// hasPictures reports whether a data folder has a folder of pictures.
func hasPictures(data string) bool {
	info, err := os.Stat(filepath.Join(data, "uploads"))
	return err == nil && info.IsDir()
}

func (r *moved) print(w io.Writer) {
	verb := "Moved"
	if r.DryRun {
		verb = "Would move"
	}
	fmt.Fprintf(w, "%s %d submissions from %s to %s, with the log up to event %d, %d sessions of guests, answers, settings and sign-ins.\n",
		verb, r.Submissions, r.From, r.To, r.LastEvent, r.Sessions)
	if r.Kept != "" {
		fmt.Fprintln(w, "What was there is kept in "+r.Kept)
	}
	if r.DryRun {
		return
	}
	if r.Pictures > 0 {
		fmt.Fprintf(w, "Copied %d pictures.\n", r.Pictures)
	}
	if r.Missing > 0 {
		fmt.Fprintf(w, "%d pictures are not among the uploads here; podium check names them.\n", r.Missing)
	}
	fmt.Fprintf(w, "%s is as it was. Do not serve it any more: guests go on with the contest where it is now.\n", strings.ToUpper(r.From[:1])+r.From[1:])
}
